"""
Compare two checkpoints
=======================

Two runs of one base model, each saved twice by peft: what do the checkpoints of a run have in common, and what do the
runs? On the command line: ``grasp diff A B``, and ``grasp diff FOLDER`` for all pairs.
"""

# %%
# A tiny model learns to repeat one token after each prompt. The second run starts from another seed.
import tempfile
from pathlib import Path

import matplotlib.pyplot as plt
import torch
from peft import LoraConfig, get_peft_model
from transformers import LlamaConfig, LlamaForCausalLM

config = LlamaConfig(vocab_size=64, hidden_size=64, intermediate_size=96, num_hidden_layers=4, num_attention_heads=4)
torch.manual_seed(0)
weights = LlamaForCausalLM(config).state_dict()
runs = Path(tempfile.mkdtemp())


def run(name: str, seed: int) -> None:
    """Train from this seed, and save after 10 and after 60 steps."""
    base = LlamaForCausalLM(config)
    base.load_state_dict(weights)
    torch.manual_seed(seed)
    model = get_peft_model(base, LoraConfig(r=16, target_modules=["o_proj", "down_proj"]))
    optimizer = torch.optim.AdamW(model.parameters(), lr=3e-3)
    for step in range(1, 61):
        ids = torch.randint(0, 64, (8, 12))
        ids[:, 6:] = 7
        model(input_ids=ids, labels=ids).loss.backward()
        optimizer.step()
        optimizer.zero_grad()
        if step in (10, 60):
            model.save_pretrained(runs / f"{name}-{step}")


run("first", seed=1)
run("second", seed=2)

# %%
# The findings say in words what the numbers mean. Two runs from different seeds have a cosine of the updates near
# zero even where they learnt the same; the leading directions tell more.
from grasp_theory import diff
from real_models import read_adapter

read = {folder.name: read_adapter(folder).updates for folder in sorted(runs.iterdir())}
pairs = {
    "one run, 10 and 60 steps": ("first-10", "first-60"),
    "two seeds, 60 steps": ("first-60", "second-60"),
}
found = {name: diff(read[a], read[b]) for name, (a, b) in pairs.items()}
for name, difference in found.items():
    whole = difference.pooled[0]
    print(f"{name}: overlap {whole.overlap:.2f}, by chance {whole.random_overlap:.2f}")

# %%
fig, axis = plt.subplots()
for name, difference in found.items():
    whole = difference.pooled[0]
    axis.plot(range(1, len(whole.angles) + 1), whole.angles, "o-", label=name)
chance = found["two seeds, 60 steps"].pooled[0].random_mean_cos2 ** 0.5
at_chance = torch.rad2deg(torch.arccos(torch.tensor(chance)))
axis.axhline(at_chance, color="gray", linestyle="--", label="root mean cos² by chance")
axis.set(xlabel="principal angle", ylabel="degrees", ylim=(0, 92), title="Leading directions that the layers write")
axis.legend()
plt.show()
