"""
Fine-tune with GRASP in transformers' Trainer
=============================================

Every method is a callback: ``callbacks=[method.callback()]``. The leak stands in the Trainer's log.
"""

# %%
import tempfile

import matplotlib.pyplot as plt
import torch
from peft import LoraConfig, get_peft_model
from transformers import LlamaConfig, LlamaForCausalLM, PrinterCallback, Trainer, TrainingArguments

from real_models.methods import Grasp

torch.manual_seed(0)
config = LlamaConfig(vocab_size=64, hidden_size=48, intermediate_size=96, num_hidden_layers=3, num_attention_heads=4)
model = get_peft_model(LlamaForCausalLM(config), LoraConfig(r=8, target_modules="all-linear"))
rows = [{"input_ids": ids, "labels": ids} for ids in torch.randint(0, 64, (240, 12))]
for row in rows:
    row["input_ids"][6:] = 7

# %%
# The direction here is a random one; in earnest it is ``report.component(0).subspace`` of an audit of a naive run, or
# ``load_directions(FILE)``.
direction = torch.randn(48)
settings = TrainingArguments(
    output_dir=tempfile.mkdtemp(),
    max_steps=30,
    per_device_train_batch_size=8,
    learning_rate=5e-3,
    logging_steps=1,
    save_strategy="no",
    report_to=[],
    disable_tqdm=True,
    use_cpu=True,
)
trainer = Trainer(model=model, args=settings, train_dataset=rows, callbacks=[Grasp(direction).callback()])
trainer.remove_callback(PrinterCallback)
trainer.train()

# %%
log = [entry for entry in trainer.state.log_history if "loss" in entry]
print("in the log:", sorted(log[-1]))
fig, (left, right) = plt.subplots(1, 2)
left.plot([entry["step"] for entry in log], [float(entry["loss"]) for entry in log])
left.set(xlabel="step", ylabel="loss", title="Task")
right.semilogy([entry["step"] for entry in log], [float(entry["leak/write"]) for entry in log], ".")
right.set(xlabel="step", ylabel="share of the update", ylim=(1e-9, 1), title="Leak along the direction")
plt.show()
