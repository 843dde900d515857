"""Ablation, steering and CAFT on the stream: what they do at a block's output, when, where, and that nothing stays."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from compared_updates import assert_same_updates, distance
from tiny_models import (
    BLOCKS,
    OPTIMIZERS,
    WIDTH,
    assert_same,
    batch,
    deltas,
    descend,
    everything,
    hooks,
    lora,
    subspace,
    tiny,
)

from grasp_theory import InputError
from real_models.hooks.method import Method
from real_models.methods.caft import Ablation, Caft
from real_models.methods.steering import InferenceSteering, PreventativeSteering

Q = subspace(13, 2)
V = np.random.default_rng(17).standard_normal(WIDTH)
# kind -> (its blocks, the norm behind the last of them)
LAYERS = {
    "llama": ("model.layers", "model.norm"),
    "gemma2": ("model.layers", "model.norm"),
    "gpt2": ("transformer.h", "transformer.ln_f"),
    "bloom": ("transformer.h", "transformer.ln_f"),
    "gpt-neox": ("gpt_neox.layers", "gpt_neox.final_layer_norm"),
    "opt": ("model.decoder.layers", "model.decoder.final_layer_norm"),
}
EXACT = 1e-6

MAKE: dict[str, Callable[..., Method]] = {
    "ablation": lambda **more: Ablation(Q, **more),
    "caft": lambda **more: Caft(Q, **more),
    "steering": lambda **more: InferenceSteering(V, strength=-2.0, **more),
    "preventative": lambda **more: PreventativeSteering(V, strength=2.0, **more),
}
TRAINING, INFERENCE = ("caft", "preventative"), ("ablation", "steering")
methods = pytest.mark.parametrize("name", list(MAKE))


def stream(model: Any, kind: str = "llama") -> list[torch.Tensor]:
    """The stream after each block: what the next block, or for the last one the norm behind it, is given."""
    seen: list[torch.Tensor] = []
    blocks, last = (model.get_submodule(name) for name in LAYERS[kind])

    def look(module: Any, args: Any, kwargs: Any) -> None:
        seen.append((args[0] if args else kwargs["hidden_states"]).detach().clone())

    places = [*list(blocks)[1:], last]
    handles = [place.register_forward_pre_hook(look, with_kwargs=True) for place in places]
    with torch.no_grad():
        model(input_ids=batch(0)["input_ids"])
    for handle in handles:
        handle.remove()
    assert len(seen) == BLOCKS
    return seen


def logits(model: Any) -> torch.Tensor:
    with torch.no_grad():
        return model(input_ids=batch(0)["input_ids"]).logits


def part(h: torch.Tensor, Q: np.ndarray = Q) -> float:
    """‖h Q‖/‖h‖, largest over positions."""
    rows = h.double().numpy().reshape(-1, WIDTH)
    return float((np.linalg.norm(rows @ Q, axis=1) / np.linalg.norm(rows, axis=1)).max())


@pytest.mark.parametrize("kind", list(LAYERS))
def test_ablation_leaves_nothing_along_the_directions_at_each_block(kind):
    model = tiny(kind).eval()
    before = stream(model, kind)
    with Ablation(Q).attached(model):
        during = stream(model, kind)
    assert all(part(h) > 0.02 for h in before)
    assert all(part(h) <= EXACT for h in during)
    for h, plain in zip(stream(model, kind), before, strict=True):
        torch.testing.assert_close(h, plain, rtol=0, atol=0)


def test_ablation_takes_the_part_away_and_nothing_else():
    """At the first block, whose input is untouched: h − (h Q) Qᵀ."""
    model = tiny().eval()
    plain = stream(model)[0].double().numpy()
    with Ablation(Q).attached(model):
        h = stream(model)[0].double().numpy()
    np.testing.assert_allclose(h, plain - (plain @ Q) @ Q.T, rtol=0, atol=EXACT * np.abs(plain).max())


def test_ablation_in_bfloat16_rounds_once():
    """Computed in float32 although the directions have no exact bfloat16 form: almost every entry is the nearest."""
    model = tiny().to(torch.bfloat16).eval()
    plain = stream(model)[0].double().numpy()
    with Ablation(Q).attached(model):
        h = stream(model)[0]
    assert h.dtype == torch.bfloat16
    nearest = torch.tensor(plain - (plain @ Q) @ Q.T).to(torch.bfloat16)
    assert (h == nearest).double().mean() > 0.99


@pytest.mark.parametrize("kind", list(LAYERS))
def test_steering_adds_the_vector_exactly(kind):
    model = tiny(kind).eval()
    before = stream(model, kind)
    for block in range(BLOCKS):
        with InferenceSteering(V, strength=-2.0, layers=[block]).attached(model):
            during = stream(model, kind)
        torch.testing.assert_close(during[block], before[block] - 2 * torch.tensor(V).float(), rtol=0, atol=0)
        for h, plain in zip(during[:block], before[:block], strict=True):
            torch.testing.assert_close(h, plain, rtol=0, atol=0)


@pytest.mark.parametrize("name", INFERENCE)
def test_inference_methods_act_in_both_modes(name):
    for mode in (True, False):
        model = tiny().train(mode)
        plain = logits(model)
        with MAKE[name]().attached(model):
            assert (logits(model) - plain).abs().max() > 0.02
            assert model.training is mode


@pytest.mark.parametrize("name", TRAINING)
def test_training_methods_act_in_training_mode_alone(name):
    model = tiny()
    plain = logits(model.eval())
    with MAKE[name]().attached(model):
        torch.testing.assert_close(logits(model.eval()), plain, rtol=0, atol=0)
        assert (logits(model.train()) - plain).abs().max() > 0.02
        torch.testing.assert_close(logits(model.eval()), plain, rtol=0, atol=0)


@pytest.mark.parametrize("name", TRAINING)
def test_training_methods_do_in_training_what_their_twins_do(name):
    twin = {"caft": Ablation(Q), "preventative": InferenceSteering(V, strength=2.0)}[name]
    model = tiny().train()
    with MAKE[name]().attached(model):
        ours = logits(model)
    with twin.attached(model):
        torch.testing.assert_close(ours, logits(model), rtol=0, atol=0)


@pytest.mark.parametrize("name", TRAINING)
def test_training_methods_change_what_is_learnt_with_checkpointing_or_without(name):
    found = []
    for method, checkpointing in ((None, False), (MAKE[name](), False), (MAKE[name](), True)):
        model = lora(tiny()).train()
        if checkpointing:
            model.gradient_checkpointing_enable()
            model.enable_input_require_grads()
        undo = method.attach(model) if method else None
        optimizer = OPTIMIZERS["sgd"](model)
        descend(model, optimizer, 2)
        if undo:
            undo.detach()
        found.append(deltas(model))
    plain, ours, checkpointed = found
    assert distance(ours, plain) > 0.02
    assert_same_updates(checkpointed, ours, rtol=EXACT)


@methods
def test_stream_methods_restore_exactly(name):
    model = lora(tiny()).train()
    before, clean, plain = everything(model), hooks(model), logits(model)
    with MAKE[name]().attached(model):
        assert hooks(model) == clean + BLOCKS
        logits(model)
    assert hooks(model) == clean
    assert_same(model, before)
    torch.testing.assert_close(logits(model), plain, rtol=0, atol=0)


@methods
def test_stream_methods_restore_after_an_exception(name):
    model = tiny().train()
    clean, plain = hooks(model), logits(model)
    with pytest.raises(ZeroDivisionError), MAKE[name]().attached(model):
        raise ZeroDivisionError
    with pytest.raises(IndexError), MAKE[name]().attached(model):
        model(input_ids=torch.tensor([[10**6]]))
    assert hooks(model) == clean
    torch.testing.assert_close(logits(model), plain, rtol=0, atol=0)


def test_stream_methods_nest_in_the_order_of_attachment():
    model, v = tiny().eval(), torch.tensor(V).float()
    plain = logits(model)
    ablate, steer = Ablation(Q), InferenceSteering(V, strength=1.0)
    with steer.attached(model), ablate.attached(model):
        assert all(part(h) <= EXACT for h in stream(model))
    with ablate.attached(model), steer.attached(model):
        for h in stream(model):  # what was added last is all that there is along Q
            assert part(h - v) <= EXACT
            assert part(h) > 0.02
    first, second = ablate.attach(model), steer.attach(model)
    first.detach()  # the one that was attached first leaves first
    with InferenceSteering(V, strength=1.0).attached(tiny().eval()) as alone:
        torch.testing.assert_close(logits(model), logits(alone._model), rtol=0, atol=0)
    second.detach()
    second.detach()
    assert hooks(model) == 0
    torch.testing.assert_close(logits(model), plain, rtol=0, atol=0)


def test_stream_methods_are_attached_once():
    model, method = tiny(), Ablation(Q)
    with method.attached(model):
        with pytest.raises(InputError, match="attached already"):
            method.attach(model)
        assert hooks(model) == BLOCKS
    with method.attached(model):
        assert hooks(model) == BLOCKS


@methods
def test_stream_methods_act_at_the_chosen_blocks_once_each(name):
    model = tiny()
    with MAKE[name](layers=[1, 1]).attached(model):
        assert [len(block._forward_hooks) for block in model.model.layers] == [0, 1]
    with MAKE[name]().attached(model):
        assert [len(block._forward_hooks) for block in model.model.layers] == [1] * BLOCKS


@methods
@pytest.mark.parametrize("layers", [[BLOCKS], [-1], [], [0, 7]])
def test_stream_methods_refuse_unknown_blocks(name, layers):
    model = tiny()
    with pytest.raises(InputError, match="block"):
        MAKE[name](layers=layers).attach(model)
    assert hooks(model) == 0


def test_stream_methods_take_a_choice_for_each_block():
    other, w = subspace(19, 1), np.random.default_rng(23).standard_normal(WIDTH)
    model = tiny().eval()
    plain = stream(model)
    with Ablation({0: Q, 1: other}).attached(model):
        first, second = stream(model)
    assert part(first) <= EXACT
    assert part(second, other) <= EXACT
    assert part(second) > 0.02
    assert part(first, other) > 0.02
    with Ablation({1: other}).attached(model):
        first, second = stream(model)
    torch.testing.assert_close(first, plain[0], rtol=0, atol=0)
    assert part(second, other) <= EXACT
    with InferenceSteering({0: V, 1: w}, strength=0.5).attached(model):
        first, second = stream(model)
    with InferenceSteering({0: V}, strength=0.5).attached(model):
        _, without = stream(model)
    torch.testing.assert_close(first, plain[0] + 0.5 * torch.tensor(V).float(), rtol=0, atol=0)
    torch.testing.assert_close(second, without + 0.5 * torch.tensor(w).float(), rtol=0, atol=0)


@pytest.mark.parametrize(
    ("method", "match"),
    [
        (lambda: Ablation({BLOCKS: Q}), "blocks"),
        (lambda: Ablation({0: Q}, layers=[1]), "block"),
        (lambda: Ablation(subspace(0, 1, WIDTH + 1)), "dimensions"),
        (lambda: Ablation(np.zeros((WIDTH, 1))), "no direction"),
        (lambda: InferenceSteering({BLOCKS: V}, strength=1.0), "block"),
        (lambda: InferenceSteering(V[1:], strength=1.0), "shape"),
        (lambda: InferenceSteering(V * np.nan, strength=1.0), "finite"),
        (lambda: InferenceSteering(V, strength=np.inf), "strength"),
    ],
)
def test_stream_methods_refuse_what_does_not_fit(method, match):
    model = tiny()
    with pytest.raises(InputError, match=match):
        method().attach(model)
    assert hooks(model) == 0


def test_ablation_holds_at_every_generated_token():
    model = tiny().eval()
    seen: list[torch.Tensor] = []
    prompt = {"input_ids": batch(0)["input_ids"], "attention_mask": torch.ones_like(batch(0)["input_ids"])}
    settings: dict[str, Any] = {"max_new_tokens": 5, "min_new_tokens": 5, "do_sample": False, "pad_token_id": 0}
    plain = model.generate(**prompt, **settings)
    with Ablation(Q).attached(model):
        handle = model.model.norm.register_forward_pre_hook(lambda module, args: seen.append(args[0].detach()))
        model.generate(**prompt, **settings)
        handle.remove()
    assert [h.shape[1] for h in seen] == [8, 1, 1, 1, 1]
    assert all(part(h) <= EXACT for h in seen)
    assert torch.equal(model.generate(**prompt, **settings), plain)
