"""Stream projection: no gradient reaches a parameter below a block through the directions at its output."""

from __future__ import annotations

import re
from functools import partial
from typing import Any

import numpy as np
import pytest
import torch
from grasp_runs import LEAKS
from tiny_models import OPTIMIZERS, WIDTH, batch, lora, subspace, tiny
from tolerance import GUARANTEE
from torch._dynamo.utils import counters

from real_models.methods.grasp import Grasp


def by_hand(model: Any, blocks: Any, bases: dict[int, np.ndarray]) -> dict[str, torch.Tensor]:
    """Gradients of all trained parameters, the stream cut behind every block and g <- g − Q Qᵀ g carried over."""
    cuts: list[tuple[torch.Tensor, torch.Tensor]] = []

    def cut(module: Any, args: Any, output: Any) -> Any:
        h = output[0] if isinstance(output, tuple) else output
        cuts.append((h, h.detach().requires_grad_()))
        return (cuts[-1][1], *output[1:]) if isinstance(output, tuple) else cuts[-1][1]

    handles = [block.register_forward_hook(cut) for block in blocks]
    model(**batch(0)).loss.backward()
    for index in reversed(range(len(blocks))):
        h, leaf = cuts[index]
        Q = torch.from_numpy(bases.get(index, np.zeros((WIDTH, 1)))).to(leaf)
        torch.autograd.backward(h, leaf.grad - (leaf.grad @ Q) @ Q.T)
    for handle in handles:
        handle.remove()
    return gradients(model)


def gradients(model: Any) -> dict[str, torch.Tensor]:
    """The gradients, taken off."""
    found = {name: p.grad.clone() for name, p in model.named_parameters() if p.requires_grad}
    model.zero_grad()
    return found


def differences(a: dict[str, torch.Tensor], b: dict[str, torch.Tensor]) -> dict[str, float]:
    return {name: float((a[name] - b[name]).norm() / b[name].norm()) for name in b}


def plain(model: Any) -> Any:
    return model


def checkpointed(model: Any, *, reentrant: bool) -> Any:
    model.enable_input_require_grads()
    model.gradient_checkpointing_enable(gradient_checkpointing_kwargs={"use_reentrant": reentrant})
    return model


def compiled(model: Any) -> Any:
    """Compiled, and run, before anything is attached."""
    made = torch.compile(model, backend="eager")
    made(**batch(1)).loss.backward()
    made.zero_grad()
    return made


def compiled_in_place(model: Any) -> Any:
    model.compile(backend="eager")
    model(**batch(1)).loss.backward()
    model.zero_grad()
    return model


def graphs() -> int:
    """Compiled in this process up to now."""
    return counters["stats"]["unique_graphs"]


PLAIN = ("llama", "gpt2", "gemma2")
RANDOM = {"init_lora_weights": False}  # B = 0 would leave A without a gradient
FEW = {**RANDOM, "target_modules": ["v_proj", "o_proj"]}  # compiling takes a second for each, and each block some
CASES = [
    *(pytest.param(kind, plain, at, RANDOM, id=f"{kind}-{len(at)}") for kind in PLAIN for at in ((0, 1), (0,))),
    pytest.param("llama", partial(checkpointed, reentrant=False), (0, 1), RANDOM, id="checkpointing"),
    pytest.param("llama", partial(checkpointed, reentrant=True), (0, 1), RANDOM, id="checkpointing-reentrant"),
    pytest.param("llama", compiled, (0,), FEW, id="compile", marks=pytest.mark.slow),
    pytest.param("llama", compiled_in_place, (0,), FEW, id="compile-in-place", marks=pytest.mark.slow),
]


@pytest.mark.slow
@pytest.mark.parametrize(("kind", "wrap", "at", "config"), CASES)
def test_gradient_below_a_block_has_no_part_that_came_through_the_directions(kind, wrap, at, config) -> None:
    one = {"num_hidden_layers": 1} if wrap in (compiled, compiled_in_place) else {}
    model: Any = lora(tiny(kind, **one), **config).double()
    inner = model.get_base_model()
    blocks = inner.transformer.h if kind == "gpt2" else inner.model.layers
    bases = {index: subspace(11 + index, 2) for index in at}
    expected, free = by_hand(model, blocks, bases), by_hand(model, blocks, {})
    run = wrap(model)
    assert graphs() > 0 or wrap not in (compiled, compiled_in_place)
    assert model.training  # checkpointing acts in training only
    run(**batch(0)).loss.backward()
    assert max(differences(gradients(model), free).values()) <= GUARANTEE  # the cuts themselves change nothing
    optimizer, made = OPTIMIZERS["sgd"](model), graphs()
    with Grasp(bases, sides={"stream"}).attached(run, optimizer):
        assert graphs() == made  # the gains of its writers are measured without compiling
        run(**batch(0)).loss.backward()
        found = gradients(model)
    assert max(differences(found, expected).values()) <= GUARANTEE
    assert min(difference for name, difference in differences(found, free).items() if below(name, max(at))) > LEAKS
    run(**batch(0)).loss.backward()
    assert max(differences(gradients(model), free).values()) <= GUARANTEE  # and off again


def below(name: str, block: int) -> bool:
    return int(re.findall(r"\.(?:layers|h)\.(\d+)\.", name)[0]) <= block
