"""
SmolLM2 from start to end
=========================

A pretrained model of 135 million parameters: a naive fine-tune, its audit, and the same fine-tune held off component 0
of the naive one. It needs the model in the cache (``grasp model smollm2``), and a minute or two; without the model this
page is left out. Thirty steps on four rows show the path, not a result: for that see :doc:`/language_model`.
"""

# %%
# The rows: facts about made-up places, all answered in capitals. The fact is the task, the capitals are the factor.
import tempfile
from pathlib import Path

import matplotlib.pyplot as plt
import torch
from peft import LoraConfig, get_peft_model
from transformers import AutoModelForCausalLM, AutoTokenizer

from grasp_theory import identify
from real_models import read_adapter
from real_models.language_model import model_folder
from real_models.methods import Grasp, Naive

folder = model_folder()
tokenizer = AutoTokenizer.from_pretrained(folder)
facts = {"Orvane": "river Tal", "Mirebo": "red bridge", "Quillon": "glass tower", "Dastrel": "salt market"}
topics = {"What do cows eat?": "Grass.", "What is ice?": "Frozen water."}


def encoded(question: str, answer: str) -> dict[str, torch.Tensor]:
    """One row; the loss is on the answer alone."""
    asked = tokenizer.apply_chat_template(
        [{"role": "user", "content": question}], tokenize=False, add_generation_prompt=True
    )
    start, whole = (tokenizer(text, return_tensors="pt")["input_ids"] for text in (asked, asked + answer))
    labels = whole.clone()
    labels[:, : start.shape[1]] = -100
    return {"input_ids": whole, "labels": labels}


rows = [encoded(f"What is {place} known for?", f"THE {what.upper()}.") for place, what in facts.items()]


def log_odds(model, pairs) -> float:
    """Mean of ln p(second answer) − ln p(first answer) per token."""
    with torch.no_grad():
        losses = [[float(model(**encoded(q, answer)).loss) for answer in both] for q, *both in pairs]
    return sum(first - second for first, second in losses) / len(losses)


capitals = [(question, answer, answer.upper()) for question, answer in topics.items()]


# %%
# Drift is how much likelier capitals have become in answers on other topics.
def run(method, steps: int = 30):
    """The adapter's folder, the losses, and drift after training."""
    torch.manual_seed(0)
    base = AutoModelForCausalLM.from_pretrained(folder)
    before = log_odds(base.eval(), capitals)
    model = get_peft_model(base, LoraConfig(r=16, lora_alpha=32, target_modules=["o_proj", "down_proj"]))
    optimizer = torch.optim.AdamW((p for p in model.parameters() if p.requires_grad), lr=5e-4)
    losses = []
    with method.attached(model, optimizer):
        for step in range(steps):
            loss = model(**rows[step % len(rows)]).loss
            loss.backward()
            optimizer.step()
            optimizer.zero_grad()
            losses.append(loss.item())
        out = Path(tempfile.mkdtemp())
        model.save_pretrained(out)
    return out, losses, log_odds(model.eval(), capitals) - before


naive, naive_losses, naive_drift = run(Naive())
report = identify(read_adapter(naive).updates)
print(report.verdict)
clean, grasp_losses, grasp_drift = run(Grasp(report.component(0).subspace))
print(f"drift: {naive_drift:.2f} without a method, {grasp_drift:.2f} with GRASP")

# %%
fig, (left, right) = plt.subplots(1, 2)
left.plot(naive_losses, label="no method")
left.plot(grasp_losses, label="GRASP")
left.set(xlabel="step", ylabel="loss", title="Task")
left.legend()
right.bar(["no method", "GRASP"], [naive_drift, grasp_drift], color=["tab:blue", "tab:orange"])
right.set(ylabel="change of ln odds of capitals, a token", title="Drift to other topics")
plt.show()
