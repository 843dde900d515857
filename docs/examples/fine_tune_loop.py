"""
Fine-tune with GRASP in a loop of your own
==========================================

The same run twice: without a method, and with the update held off one direction. The constraint is on the weights, so
it holds in every checkpoint, whatever the optimizer does.
"""

# %%
# A tiny model, LoRA on all of its linear layers, and data that teach it to say token 7. The direction is the one that
# makes this token likely: its own row of the output layer.
import matplotlib.pyplot as plt
import torch
from peft import LoraConfig, get_peft_model
from transformers import LlamaConfig, LlamaForCausalLM

from real_models.methods import Grasp, Naive

config = LlamaConfig(vocab_size=64, hidden_size=48, intermediate_size=96, num_hidden_layers=3, num_attention_heads=4)


def run(method_of, steps: int = 60) -> tuple[list[float], list[float]]:
    """Loss, and share of what the last block's update writes along the direction, after every step."""
    torch.manual_seed(0)
    base = LlamaForCausalLM(config)
    direction = base.lm_head.weight[7].detach().clone()
    model = get_peft_model(base, LoraConfig(r=8, target_modules="all-linear"))
    layer = model.base_model.model.model.layers[-1].mlp.down_proj
    optimizer = torch.optim.AdamW(model.parameters(), lr=5e-3)
    losses, shares = [], []
    with method_of(direction).attached(model, optimizer):
        for _ in range(steps):
            ids = torch.randint(0, 64, (8, 12))
            ids[:, 6:] = 7
            loss = model(input_ids=ids, labels=ids).loss
            loss.backward()
            optimizer.step()
            optimizer.zero_grad()
            update = layer.get_delta_weight("default").detach()
            losses.append(loss.item())
            # the update is read behind the norm before the output layer, whose gains are 1 here
            shares.append(float((direction / direction.norm() @ update).norm() / update.norm()))
    return losses, shares


naive = run(lambda direction: Naive())
grasp = run(Grasp)
print(f"along the direction: {naive[1][-1]:.3f} without a method, {grasp[1][-1]:.1e} with GRASP")

# %%
# With GRASP nothing is written along the direction. Here the direction is most of the task itself, so the loss hardly
# falls: what is held out should be the factor alone. Elsewhere a network may learn a factor again by other paths
# (statement ``rerouting-share``), so look at what you care about, not at the leak alone.
fig, (left, right) = plt.subplots(1, 2)
for (losses, shares), name in ((naive, "no method"), (grasp, "GRASP")):
    left.plot(losses, label=name)
    right.semilogy([max(s, 1e-9) for s in shares], label=name)
left.set(xlabel="step", ylabel="loss", title="Task")
right.set(xlabel="step", ylabel="share of the update", title="Along the direction")
left.legend()
plt.show()
