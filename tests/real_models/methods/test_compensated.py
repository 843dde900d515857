"""Compensated training of language models: the frozen term as it acts, its schedule, and what is refused."""

from __future__ import annotations

import math
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
    frozen,
    hooks,
    lora,
    subspace,
    tiny,
)
from trainer_runs import trainer

from grasp_theory import InputError
from real_models import read_adapter, updates_from_model
from real_models.methods.compensated import Compensated

Q = subspace(11, 2)
DIFFERENT = 0.02


@pytest.fixture(scope="module")
def naive() -> Any:
    model = lora(tiny())
    descend(model, OPTIMIZERS["adam"](model), 4)
    return model


def outputs(model: Any, writer: str) -> tuple[torch.Tensor, torch.Tensor]:
    """(input, output) of one adapted module in a forward pass, seen from outside of it."""
    seen = []
    handle = model.get_submodule(f"base_model.model.{writer}").register_forward_hook(
        lambda module, args, output: seen.append((args[0].detach().clone(), output.detach().clone()))
    )
    model(**batch(0))
    handle.remove()
    return seen[0]


def names(*blocks: int) -> list[str]:
    return [f"model.layers.{n}.{end}" for n in blocks for end in ("self_attn.o_proj", "mlp.down_proj")]


def added(model: Any, method: Compensated, writer: str) -> tuple[torch.Tensor, torch.Tensor]:
    """(input, what the method adds to the output) of one module in training mode."""
    model.train()
    with method.attached(model):
        x, with_it = outputs(model, writer)
    module = model.get_submodule(f"base_model.model.{writer}")
    return x, with_it - module(x).detach()


@pytest.mark.slow
@pytest.mark.parametrize("writer", names(*range(BLOCKS)))
def test_compensated_adds_the_component_of_the_naive_update_to_each_writer(naive, writer):
    x, change = added(lora(tiny(), seed=3), Compensated(Q, updates_from_model(naive), strength=1.5), writer)
    expected = x.double().numpy() @ (1.5 * Q @ (Q.T @ deltas(naive)[writer])).T
    scale = float(np.abs(expected).max())
    assert scale > 1e-3
    np.testing.assert_allclose(change.double().numpy(), expected, rtol=0, atol=1e-5 * max(scale, 1.0))


@pytest.mark.slow
def test_compensated_acts_at_the_blocks_that_have_directions(naive):
    method = Compensated({1: Q}, updates_from_model(naive))
    for writer in names(0):
        assert not added(lora(tiny()), method, writer)[1].any()
    for writer in names(1):
        assert added(lora(tiny()), method, writer)[1].abs().max() > 1e-3


def test_compensated_gpt2_is_turned_like_its_weights():
    before, model = lora(tiny("gpt2")), lora(tiny("gpt2"))
    descend(before, OPTIMIZERS["adam"](before), 3)
    writer = next(name for name in deltas(before) if name.endswith("mlp.c_proj"))
    x, change = added(model, Compensated(Q, updates_from_model(before)), writer)
    expected = x.double().numpy() @ (Q @ (Q.T @ deltas(before)[writer])).T
    assert np.abs(expected).max() > 1e-3
    np.testing.assert_allclose(change.double().numpy(), expected, rtol=0, atol=1e-5)


def test_compensated_is_dropped_in_evaluation_and_after_detach(naive):
    model = lora(tiny())
    clean = hooks(model)
    model.train()
    plain = model(**batch(0)).logits
    with Compensated(Q, updates_from_model(naive)).attached(model):
        assert (model(**batch(0)).logits - plain).abs().max() > 1e-3
        model.eval()
        torch.testing.assert_close(model(**batch(0)).logits, plain, rtol=0, atol=0)
        model.train()
    torch.testing.assert_close(model(**batch(0)).logits, plain, rtol=0, atol=0)
    assert hooks(model) == clean


def test_compensated_base_is_the_base_while_the_adapters_are_disabled(naive):
    """The reference of a KL term or of a preference loss is run in the middle of a training step."""
    model, base = lora(tiny()), tiny()
    model.train()
    with Compensated(Q, updates_from_model(naive)).attached(model), model.disable_adapter():
        torch.testing.assert_close(model(**batch(0)).logits, base(**batch(0)).logits, rtol=0, atol=0)


@pytest.mark.slow
def test_compensated_trains_another_update_and_no_other_parameter(naive):
    def run(strength: float) -> dict[str, np.ndarray]:
        model = lora(tiny())
        base = frozen(model)
        with Compensated(Q, updates_from_model(naive), strength=strength).attached(model):
            descend(model, OPTIMIZERS["adam"](model), 4)
        assert_same(model, base)
        return deltas(model)

    none, plain = run(0.0), lora(tiny())
    descend(plain, OPTIMIZERS["adam"](plain), 4)
    assert_same_updates(none, deltas(plain))
    assert distance(run(1.0), none) > DIFFERENT


def test_compensated_from_a_folder_is_compensated_from_the_live_run(naive, tmp_path):
    naive.save_pretrained(tmp_path)
    found = []
    for updates in (updates_from_model(naive), read_adapter(tmp_path).updates):
        model = lora(tiny())
        with Compensated(Q, updates).attached(model):
            descend(model, OPTIMIZERS["adam"](model), 3)
        found.append(deltas(model))
    assert_same_updates(*found)


@pytest.mark.slow
def test_compensated_keeps_the_naive_update_as_it_was_when_it_was_made():
    """The same model may be trained on: its updates follow it, the frozen term does not."""
    model = lora(tiny())
    descend(model, OPTIMIZERS["adam"](model), 4)
    dW, method = deltas(model), Compensated(Q, updates_from_model(model))
    with torch.no_grad():
        for name, p in model.named_parameters():
            if "lora_B" in name:
                p.zero_()
    for writer in names(0, 1):
        x, change = added(model, method, writer)
        expected = x.double().numpy() @ (Q @ (Q.T @ dW[writer])).T
        np.testing.assert_allclose(change.double().numpy(), expected, rtol=0, atol=1e-5)
        assert np.abs(expected).max() > 1e-3


@pytest.mark.slow
def test_compensated_schedule_scales_the_term(naive):
    writer = names(0)[0]
    _, full = added(lora(tiny()), Compensated(Q, updates_from_model(naive), strength=2.0), writer)
    method = Compensated(Q, updates_from_model(naive), strength=2.0, schedule=lambda share: 1 - share**2)
    for share in (0.0, 0.5, 1.0):
        method.progress(share)
        _, change = added(lora(tiny()), method, writer)
        torch.testing.assert_close(change, (1 - share**2) * full, rtol=0, atol=1e-6)


@pytest.mark.slow
def test_compensated_schedule_is_followed_by_the_trainer(naive, tmp_path):
    asked: list[float] = []

    def schedule(share: float) -> float:
        asked.append(share)
        return 1 - share

    model = lora(tiny())
    clean = hooks(model)
    method = Compensated(Q, updates_from_model(naive), schedule=schedule)
    asked.clear()
    trainer(tmp_path, [method.callback()], model=model, max_steps=4).train()
    assert asked == [0, 0.25, 0.5, 0.75]
    assert hooks(model) == clean


def test_compensated_of_several_active_adapters_is_added_once(naive):
    model = lora(tiny())
    model.add_adapter("second", model.peft_config["default"])
    model.base_model.set_adapter(["default", "second"])
    writer = names(0)[0]
    _, once = added(lora(tiny()), Compensated(Q, updates_from_model(naive)), writer)
    _, both = added(model, Compensated(Q, updates_from_model(naive)), writer)
    torch.testing.assert_close(both, once, rtol=0, atol=1e-5)
    assert once.abs().max() > 1e-3


def refused(model: Any, match: str, *arguments: Any, **more: Any) -> None:
    before, clean = everything(model), hooks(model)
    with pytest.raises(InputError, match=match):
        Compensated(*arguments, **more).attach(model)
    assert_same(model, before)
    assert hooks(model) == clean


@pytest.mark.parametrize("kind", ["gemma2", "gemma3", "olmo2"])
def test_compensated_refuses_a_norm_behind_the_writers(kind):
    model = lora(tiny(kind))
    refused(model, "norm", Q, updates_from_model(lora(tiny(kind))))


@pytest.mark.slow
def test_compensated_refuses_what_does_not_fit(naive):
    updates = updates_from_model(naive)
    refused(lora(tiny(), target_modules=["q_proj", "v_proj"]), "target modules", Q, updates)
    refused(lora(tiny(), target_modules=["q_proj", "o_proj"]), "mlp.down_proj", Q, updates)
    refused(lora(tiny()), "no module that writes", Q, [u for u in updates if u.side == "read"])
    refused(lora(tiny()), "no module that writes", Q, [])
    refused(lora(tiny()), "dimensions", subspace(0, 1, WIDTH + 1), updates)
    refused(lora(tiny()), "blocks", {BLOCKS: Q}, updates)
    wide = lora(tiny(hidden_size=2 * WIDTH))
    refused(lora(tiny()), "dimensions", Q, updates_from_model(wide))
    deep = lora(tiny(intermediate_size=44))
    refused(lora(tiny()), "reads 44 dimensions", Q, updates_from_model(deep))
    refused(lora(tiny()), "norm", Q, updates, gains={names(0)[0]: torch.ones(WIDTH)})
    refused(tiny(), "no trainable LoRA", Q, updates)


@pytest.mark.parametrize("wrong", [math.nan, math.inf])
def test_compensated_refuses_a_strength_that_is_not_finite(naive, wrong):
    with pytest.raises(InputError, match="strength"):
        Compensated(Q, updates_from_model(naive), strength=wrong)
    with pytest.raises(InputError, match="schedule"):
        Compensated(Q, updates_from_model(naive), schedule=lambda share: wrong)
    with pytest.raises(InputError, match=r"read_adapter\(path\)\.updates"):
        Compensated(Q, [naive])
