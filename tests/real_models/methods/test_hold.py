"""Hold: the stream along the directions is the base model's, at every block, and moves freely beside them."""

from __future__ import annotations

import copy
from typing import Any

import numpy as np
import pytest
import torch
from tiny_models import BLOCKS, WIDTH, batch, begun, hooks, lora, subspace, tiny

from grasp_theory import InputError
from real_models.hooks.references import without_adapters
from real_models.hooks.stream import stream_outputs
from real_models.methods import Ablation, Caft
from real_models.methods.hold import Hold

Q = subspace(13, 2)
KINDS = ("llama", "gemma2", "gpt2", "bloom", "gpt-neox", "opt", "falcon")
EXACT = 1e-5


def tuned(kind: str = "llama", **config: Any) -> Any:
    """A model with an adapter that has learnt something, in evaluation mode."""
    return begun(lora(tiny(kind, **config)), size=0.1).eval()


def streams(model: Any) -> np.ndarray:
    """(blocks, tokens, width)"""
    ids = {"input_ids": batch(0)["input_ids"]}
    return np.stack([h.double().numpy().reshape(-1, WIDTH) for h in stream_outputs(model, ids)])


def base(model: Any) -> np.ndarray:
    with without_adapters(model):
        return streams(model)


def far(a: np.ndarray, b: np.ndarray) -> float:
    return float(np.linalg.norm(a - b) / np.linalg.norm(b))


@pytest.mark.parametrize("kind", KINDS)
def test_hold_keeps_the_base_along_the_directions_at_every_block(kind):
    model = tuned(kind)
    plain, free = base(model), streams(model)
    with Hold(Q).attached(model):
        held = streams(model)
    for block in range(BLOCKS):
        assert far(free[block] @ Q, plain[block] @ Q) > 0.02  # the control
        assert far(held[block] @ Q, plain[block] @ Q) < EXACT
        beside = np.eye(WIDTH) - Q @ Q.T
        assert far(held[block] @ beside, plain[block] @ beside) > 0.02  # what it learnt elsewhere stays
    np.testing.assert_array_equal(streams(model), free)
    assert hooks(model) == 0


def test_hold_at_the_first_block_changes_its_output_by_that_and_nothing_else():
    model = tuned()
    plain, free = base(model)[0], streams(model)[0]
    with Hold(Q, layers=[0]).attached(model):
        held = streams(model)
    np.testing.assert_allclose(held[0], free - (free - plain) @ Q @ Q.T, rtol=0, atol=EXACT)
    assert far(held[1] @ Q, base(model)[1] @ Q) > 0.02  # not held there


def test_hold_takes_directions_of_each_block():
    model = tuned()
    plain, spans = base(model), {0: subspace(1, 1), 1: subspace(2, 3)}
    with Hold(spans).attached(model):
        held = streams(model)
    for block, span in spans.items():
        assert far(held[block] @ span, plain[block] @ span) < EXACT


def test_hold_of_the_whole_stream_is_the_base_model():
    model, ids = tuned(), batch(0)["input_ids"]
    with torch.no_grad():
        free = model(input_ids=ids).logits
        with without_adapters(model):
            plain = model(input_ids=ids).logits
        with Hold(np.eye(WIDTH)).attached(model):
            held = model(input_ids=ids).logits
    assert (free - plain).abs().max() > 0.02
    torch.testing.assert_close(held, plain, rtol=EXACT, atol=EXACT)


def test_hold_gives_the_gradient_of_what_is_left():
    """In training mode too; a central difference along a random change of a factor."""
    model, data = tuned().double().train(), batch(1)
    name, factor = next((n, p) for n, p in model.named_parameters() if "lora_A" in n and "down_proj" in n)
    change = torch.randn(factor.shape, generator=torch.Generator().manual_seed(5), dtype=factor.dtype)
    with Hold(Q).attached(model):
        model(**data).loss.backward()
        assert factor.grad is not None, name
        slope, losses = float((factor.grad * change).sum()), []
        for step in (1e-3, -1e-3):  # the norms of transformers compute in float32
            with torch.no_grad():
                factor.add_(step * change)
                losses.append(float(model(**data).loss))
                factor.sub_(step * change)
    assert abs(slope) > 1e-6
    np.testing.assert_allclose(slope, (losses[0] - losses[1]) / 2e-3, rtol=5e-3)


def test_hold_leaves_references_and_copies_alone():
    model = tuned()
    plain, free = base(model), streams(model)
    with Hold(Q).attached(model):
        np.testing.assert_array_equal(base(model), plain)
        other = copy.deepcopy(model)
        np.testing.assert_array_equal(streams(other), free)
        assert far(streams(model) @ Q, plain @ Q) < EXACT


def test_hold_in_bfloat16_rounds_once():
    model = tuned().to(torch.bfloat16)
    plain, free = base(model), streams(model)
    with Hold(Q).attached(model):
        held = streams(model)
    assert far(held @ Q, plain @ Q) < 0.02 < far(free @ Q, plain @ Q)


def test_hold_generates_without_a_cache_and_refuses_one():
    model, ids = tuned(), batch(0)["input_ids"]
    settings: dict[str, Any] = {"max_new_tokens": 3, "do_sample": False, "pad_token_id": 0}
    with Hold(np.eye(WIDTH)).attached(model):
        held = model.generate(input_ids=ids, use_cache=False, **settings)
        with pytest.raises(InputError, match="use_cache=False"):
            model.generate(input_ids=ids, use_cache=True, **settings)
        held_again = model.generate(input_ids=ids, use_cache=False, **settings)
    with without_adapters(model):
        plain = model.generate(input_ids=ids, use_cache=False, **settings)
    assert torch.equal(held, plain)
    assert torch.equal(held_again, plain)


def test_hold_refuses_where_it_cannot_hold():
    with pytest.raises(InputError, match="no peft model"):
        Hold(Q).attach(tiny())
    with pytest.raises(InputError, match="dimensions"):
        Hold(subspace(1, 2, 8)).attach(tuned())
    model = tuned().train()
    model.gradient_checkpointing_enable()
    with Hold(Q).attached(model), pytest.raises(InputError, match="gradient checkpointing"):
        model(**batch(0))


NEAR = np.linalg.qr(Q + subspace(14, 2))[0]  # neither orthogonal to Q nor parallel


@pytest.mark.parametrize("other", [Hold, Ablation])
@pytest.mark.parametrize("last", [False, True])
def test_hold_and_another_hold_or_ablation_act_on_their_joint_span(other, last):
    model = tuned()
    clean, free, plain = hooks(model), streams(model), base(model)
    ons = [method.attach(model) for method in [Hold(Q), other(NEAR)][:: -1 if last else 1]]
    hold, beside = ons[::-1] if last else ons
    here, there = streams(model), base(model)
    for block in range(BLOCKS):
        assert far(here[block] @ Q, there[block] @ Q) < EXACT < 0.02 < far(free[block] @ Q, plain[block] @ Q)
        if other is Hold:
            assert far(here[block] @ NEAR, plain[block] @ NEAR) < EXACT
        else:
            assert np.linalg.norm(here[block] @ NEAR) < EXACT * np.linalg.norm(plain[block] @ NEAR)
    beside.detach()
    alone = streams(model)
    assert max(far(alone[block] @ Q, plain[block] @ Q) for block in range(BLOCKS)) < EXACT
    assert min(far(alone[block] @ NEAR, plain[block] @ NEAR) for block in range(BLOCKS)) > 0.02
    hold.detach()
    np.testing.assert_array_equal(streams(model), free)
    assert hooks(model) == clean


def test_hold_leaves_out_what_another_takes_out_in_training_alone():
    model = tuned().train()
    with Hold(Q).attached(model), Caft(NEAR).attached(model):
        here, there = streams(model), base(model)
    rest = np.linalg.svd(Q - NEAR @ (NEAR.T @ Q))[0][:, :2]
    for block in range(BLOCKS):
        assert np.linalg.norm(here[block] @ NEAR) < EXACT * np.linalg.norm(there[block] @ NEAR)
        assert far(here[block] @ rest, there[block] @ rest) < EXACT


def test_hold_is_as_exact_under_autocast():
    model = tuned()
    with Hold(Q).attached(model), torch.autocast("cpu", torch.bfloat16):
        held, plain = streams(model), base(model)
    assert max(far(held[block] @ Q, plain[block] @ Q) for block in range(BLOCKS)) < EXACT
