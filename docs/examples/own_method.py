"""
Add your own method
===================

A method is a class with one function, ``install``: it puts hooks on and says how to take them off. What it then gets
for nothing: ``attached`` in loops, ``callback()`` for trainers, composition with the other methods.
"""

# %%
# The method: a step may change each parameter's norm by at most a share of it. ``install`` checks first, then hooks;
# whatever undoes a hook goes on ``undo``.
from contextlib import ExitStack

import matplotlib.pyplot as plt
import torch
from peft import LoraConfig, get_peft_model
from transformers import LlamaConfig, LlamaForCausalLM

from grasp_theory import InputError
from real_models.methods import Grasp, Method, Naive


class Leash(Method):
    """‖A‖ and ‖B‖ of no adapted module grow beyond ``length``: they are scaled back after every step."""

    name = "leash"
    needs = "nothing"
    guarantees = "‖A‖ and ‖B‖ at most the length, after every step"
    needs_optimizer = True

    def __init__(self, length: float) -> None:
        if not length > 0:
            raise InputError(f"the length of a leash must be positive, got {length}")
        self.length = length

    def install(self, model: torch.nn.Module, optimizer: torch.optim.Optimizer | None, undo: ExitStack) -> None:
        factors = [p for name, p in model.named_parameters() if "lora_" in name and p.requires_grad]
        if not factors:
            raise InputError("the model has no LoRA factors that are trained: add an adapter first")

        @torch.no_grad()
        def shorten(*_) -> None:
            for p in factors:
                p.mul_((self.length / p.norm()).clamp(max=1.0))

        shorten()
        undo.callback(optimizer.register_step_post_hook(shorten).remove)


# %%
# It composes with what is there. In the repository it would be a file of its own, ``real_models/methods/leash.py``:
# ``METHODS`` and ``grasp methods`` find it there, ``options`` and ``from_given`` offer it in ``grasp train``, and
# ``compared`` in ``grasp compare``.
config = LlamaConfig(vocab_size=64, hidden_size=48, intermediate_size=96, num_hidden_layers=2, num_attention_heads=4)


def norms(method: Method, steps: int = 40) -> list[float]:
    """Largest norm of a factor after every step; GRASP is on beside the method."""
    torch.manual_seed(0)
    model = get_peft_model(LlamaForCausalLM(config), LoraConfig(r=8, target_modules="all-linear"))
    optimizer = torch.optim.AdamW(model.parameters(), lr=5e-2)
    found = []
    with method.attached(model, optimizer), Grasp(torch.randn(48)).attached(model, optimizer) as grasp:
        for _ in range(steps):
            ids = torch.randint(0, 64, (4, 12))
            ids[:, 6:] = 7
            model(input_ids=ids, labels=ids).loss.backward()
            optimizer.step()
            optimizer.zero_grad()
            found.append(max(float(p.norm().detach()) for name, p in model.named_parameters() if "lora_" in name))
        print(f"{method.name}: leak of GRASP beside it {grasp.leak()['write']:.1e}")
    return found


# %%
# The control is the same run without the method: it has to leave the leash for the picture to show anything.
fig, axis = plt.subplots()
axis.plot(norms(Naive()), label="no method (control)")
axis.plot(norms(Leash(4.0)), label="leash of length 4")
axis.set(xlabel="step", ylabel="largest norm", title="Norm of the LoRA factors, on and off the leash")
axis.legend()
plt.show()
