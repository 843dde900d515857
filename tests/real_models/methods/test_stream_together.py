"""Edits, projections and steering of one stream: they act on their joint span, or in the order they were attached."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from grasp_runs import LEAKS
from tiny_models import OPTIMIZERS, WIDTH, batch, hooks, lora, subspace, tiny
from tolerance import GUARANTEE

from real_models.methods import Ablation, Caft, Grasp, InferenceSteering

Q = subspace(31, 2)
NEAR = np.linalg.qr(Q + subspace(32, 2))[0]  # neither orthogonal to Q nor parallel


def outputs(model: Any) -> list[torch.Tensor]:
    """The stream behind each block, and the gradient of the loss there as the block below gets it."""
    blocks = model.get_base_model().model.layers
    seen: list[torch.Tensor] = []
    handle = blocks[1].register_forward_hook(lambda m, a, out: seen.append(out[0] if isinstance(out, tuple) else out))
    model(**batch(3))
    handle.remove()
    return [x.detach().double() for x in seen]


def along(h: torch.Tensor, span: np.ndarray) -> float:
    return float((h @ torch.from_numpy(span)).norm() / h.norm())


@pytest.mark.parametrize("kinds", [(Ablation, Ablation), (Caft, Caft), (Ablation, Caft), (Caft, Ablation)])
def test_edits_of_the_stream_act_on_their_joint_span(kinds) -> None:
    model = lora(tiny()).train()
    clean = hooks(model)
    for first in (0, 1):
        on = [kind(span).attach(model) for kind, span in zip(kinds, (Q, NEAR), strict=True)]
        (h,) = outputs(model)
        assert max(along(h, Q), along(h, NEAR)) <= GUARANTEE
        (h,) = outputs(model.eval())
        for kind, span in zip(kinds, (Q, NEAR), strict=True):
            assert (along(h, span) <= GUARANTEE) is (kind is Ablation)
        model.train()
        on[first].detach()
        (h,) = outputs(model)
        assert along(h, (NEAR, Q)[first]) <= GUARANTEE
        assert along(h, (Q, NEAR)[first]) > LEAKS
        on[1 - first].detach()
        assert hooks(model) == clean
    (h,) = outputs(model)
    assert min(along(h, Q), along(h, NEAR)) > LEAKS


def arrived(model: Any) -> torch.Tensor:
    """The gradient that reaches the last block's own output, below every hook there: that of down_proj's output."""
    seen: list[torch.Tensor] = []
    module = model.get_base_model().model.layers[1].mlp.down_proj
    handle = module.register_full_backward_hook(lambda m, gi, go: seen.append(go[0].detach().double()))
    model(**batch(3)).loss.backward()
    handle.remove()
    return seen[0]


@pytest.mark.parametrize("swap", [False, True])
@pytest.mark.parametrize("edit", [Ablation, Caft, None])
def test_gradients_lose_the_joint_span_of_projections_and_edits(edit, swap) -> None:
    model = lora(tiny(), init_lora_weights=False)
    optimizer = OPTIMIZERS["sgd"](model)
    other = Grasp(NEAR, sides={"stream"}) if edit is None else edit(NEAR)
    for method in [Grasp(Q, sides={"stream"}), other][:: -1 if swap else 1]:
        method.attach(model, optimizer)
    g = arrived(model)
    assert max(along(g, Q), along(g, NEAR)) <= GUARANTEE
    if edit is not None:
        (h,) = outputs(model)
        assert along(h, NEAR) <= GUARANTEE
        assert along(h, Q) > LEAKS  # Grasp takes nothing out of the stream
    free = lora(tiny(), init_lora_weights=False)
    assert min(along(arrived(free), Q), along(arrived(free), NEAR)) > LEAKS


@pytest.mark.parametrize("last", ["steering", "ablation"])
def test_steering_and_ablation_act_in_the_order_they_were_attached(last) -> None:
    model = lora(tiny()).eval()
    methods = [Ablation(Q), InferenceSteering(5.0 * Q[:, 0], strength=1.0, layers=[1])]
    for method in methods if last == "steering" else methods[::-1]:
        method.attach(model)
    (h,) = outputs(model)
    expected = 5.0 if last == "steering" else 0.0
    np.testing.assert_allclose(h.reshape(-1, WIDTH).numpy() @ Q[:, 0], expected, rtol=0, atol=1e-4)
