"""
Fine-tune with null-space in trl's SFTTrainer
=============================================

No direction is identified: the update is held off the principal inputs of what the base model says by itself, so that
this is said as before.
"""

# %%
# A base model and text of its own. ``own_text`` samples it; batches of your own do as well.
import tempfile

import matplotlib.pyplot as plt
import torch
from datasets import Dataset
from peft import LoraConfig, get_peft_model
from tokenizers import Tokenizer, models, pre_tokenizers
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast, PrinterCallback
from trl import SFTConfig, SFTTrainer

from real_models.methods import NullSpace
from real_models.own_text import own_text

words = ["<pad>", "</s>", *(f"w{n}" for n in range(62))]
vocabulary = {word: n for n, word in enumerate(words)}
splitter = Tokenizer(models.WordLevel(vocabulary, unk_token="<pad>"))
splitter.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
tokenizer = PreTrainedTokenizerFast(tokenizer_object=splitter, pad_token="<pad>", eos_token="</s>")
config = LlamaConfig(vocab_size=64, hidden_size=48, intermediate_size=96, num_hidden_layers=2, num_attention_heads=4)
generator = torch.Generator().manual_seed(0)
rows = Dataset.from_list(
    [
        {"text": " ".join(f"w{n}" for n in torch.randint(0, 62, (6,), generator=generator).tolist()) + " w7" * 6}
        for _ in range(160)
    ]
)


# %%
def run(with_method: bool) -> tuple[list[float], float]:
    """Losses, and how far the logits on the base model's own text have moved."""
    torch.manual_seed(0)
    base = LlamaForCausalLM(config).eval()
    text = own_text(base, documents=8)
    with torch.no_grad():
        before = [base(**batch).logits for batch in text]
    model = get_peft_model(base, LoraConfig(r=8, target_modules="all-linear"))
    settings = SFTConfig(
        output_dir=tempfile.mkdtemp(), max_steps=20, per_device_train_batch_size=8, learning_rate=5e-3, logging_steps=1,
        save_strategy="no", report_to=[], disable_tqdm=True, use_cpu=True, bf16=False, gradient_checkpointing=False,
    )  # fmt: skip
    callbacks = [NullSpace(text, components=24).callback()] if with_method else []
    trainer = SFTTrainer(model, args=settings, train_dataset=rows, processing_class=tokenizer, callbacks=callbacks)
    trainer.remove_callback(PrinterCallback)
    trainer.train()
    model.eval()
    with torch.no_grad():
        after = [model(**batch).logits for batch in text]
    moved = sum(float((a - b).square().mean()) for a, b in zip(after, before, strict=True)) / len(text)
    return [float(e["loss"]) for e in trainer.state.log_history if "loss" in e], moved**0.5


plain, held = run(False), run(True)

# %%
fig, (left, right) = plt.subplots(1, 2)
left.plot(plain[0], label="no method")
left.plot(held[0], label="null-space")
left.set(xlabel="step", ylabel="loss", title="Task")
left.legend()
right.bar(["no method", "null-space"], [plain[1], held[1]], color=["tab:blue", "tab:orange"])
right.set(ylabel="change of the logits (rms)", title="On the base model's own text")
plt.show()
