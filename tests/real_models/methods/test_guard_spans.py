"""What a guard is asked to hold: adapters that change, two projections at once, frozen factors; and what is refused."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from grasp_runs import LEAKS, grasp, leaks
from tiny_models import OPTIMIZERS, assert_same, batch, begun, descend, everything, hooks, lora, subspace, tiny, trained
from tolerance import GUARANTEE
from torch import nn

from grasp_theory import GraspError, InputError
from real_models.hooks.guard import Guard
from real_models.methods import Grasp, NullSpace

Q = subspace(21, 2)
SIDES = pytest.mark.parametrize("side", ["write", "read"])


def two() -> Any:
    model = lora(tiny())
    model.add_adapter("second", model.peft_config["default"])
    return begun(model)


@SIDES
def test_leak_is_that_of_the_adapters_active_now_and_an_unconstrained_one_is_not_trained(side) -> None:
    model = two()
    optimizer = OPTIMIZERS["adam"](model)
    with grasp(Q, side).attached(model, optimizer) as attachment:
        descend(model, optimizer, 2)
        assert attachment.leak()[side] <= GUARANTEE
        model.set_adapter("second")
        np.testing.assert_allclose(attachment.leak()[side], leaks(model, Q, side, "second")[1], rtol=GUARANTEE)
        assert attachment.leak()[side] > LEAKS
        before = everything(model)
        with pytest.raises(GraspError, match=r"'second' is active and trained.*set_adapter\('default'\)"):
            descend(model, optimizer, 1)
        assert_same(model, before)
        model.set_adapter("second", inference_mode=True)
        with torch.no_grad():
            model(**batch(0))  # the reference of a preference loss
        model.set_adapter("default")
        descend(model, optimizer, 1)
        assert attachment.leak()[side] <= GUARANTEE


@SIDES
@pytest.mark.parametrize("first", ["one", "other"])
def test_two_projections_act_on_their_joint_span_and_each_alone_when_the_other_is_off(side, first) -> None:
    other = Q + subspace(22, 2)  # neither orthogonal nor parallel
    spans = {"one": Q, "other": np.linalg.qr(other)[0]}
    model = lora(tiny())
    optimizer, clean = OPTIMIZERS["adam"](model), hooks(model)
    on = {name: grasp(span, side).attach(model, optimizer) for name, span in spans.items()}
    descend(model, optimizer, 3)
    for name, span in spans.items():
        assert leaks(model, span, side)[0] <= GUARANTEE
        assert on[name].leak()[side] <= GUARANTEE
    rest = next(name for name in spans if name != first)
    on.pop(first).detach()
    descend(model, optimizer, 3, first=3)
    assert leaks(model, spans[rest], side)[0] <= GUARANTEE
    assert leaks(model, spans[first], side)[1] > LEAKS  # only the other's constraint is left
    on.pop(rest).detach()
    assert hooks(model) == clean
    descend(model, optimizer, 8, first=6)
    assert leaks(model, spans[rest], side)[1] > LEAKS


@pytest.mark.parametrize("swap", [False, True])
def test_null_space_and_grasp_read_on_one_factor_hold_both(swap) -> None:
    model = lora(tiny())
    optimizer = OPTIMIZERS["adamw"](model)
    methods = [NullSpace([{"input_ids": batch(5)["input_ids"]}], components=6), Grasp(Q, sides={"read"})]
    on = [method.attach(model, optimizer) for method in (methods[::-1] if swap else methods)]
    descend(model, optimizer, 3)
    assert max(attachment.leak()["read"] for attachment in on) <= GUARANTEE
    assert leaks(model, Q, "read")[0] <= GUARANTEE


@pytest.mark.parametrize("frozen", ["lora_A", "lora_B"])
def test_frozen_factor_is_projected_once_and_stays(frozen) -> None:
    side = "read" if frozen == "lora_A" else "write"
    model = lora(tiny(), init_lora_weights=False)
    for name, p in model.named_parameters():
        if frozen in name:
            p.requires_grad_(False)
    assert leaks(model, Q, side)[1] > LEAKS
    optimizer = OPTIMIZERS["adamw"](model)
    with grasp(Q, side).attached(model, optimizer):
        held = {name: p.detach().clone() for name, p in model.named_parameters() if frozen in name}
        assert leaks(model, Q, side)[0] <= GUARANTEE
        descend(model, optimizer, 3)
        assert_same(model, held)
    assert leaks(model, Q, side)[0] <= GUARANTEE


def test_what_would_constrain_nothing_is_refused() -> None:
    model = lora(tiny(), layers_to_transform=[1], target_modules=["o_proj", "down_proj"])
    for sides in ({"stream"}, {"stream", "write"}, {"write"}):
        with pytest.raises(InputError, match=r"constrain nothing|no adapted module writes"):
            Grasp({0: Q}, sides=sides).attach(model, OPTIMIZERS["sgd"](model))  # pyright: ignore
    assert hooks(model) == 0
    with Grasp({1: Q}).attached(model, optimizer := OPTIMIZERS["adam"](model)):
        descend(model, optimizer, 2)
    assert 0 < leaks(model, Q, "write")[0] <= GUARANTEE


def test_text_whose_inputs_are_zero_is_refused() -> None:
    model: Any = lora(tiny())
    model.get_input_embeddings().weight.data.zero_()
    with pytest.raises(InputError, match="are 0 on all of the text"):
        NullSpace([{"input_ids": batch(0)["input_ids"]}], components=2).attach(model, OPTIMIZERS["sgd"](model))


def test_bias_that_answers_on_the_read_directions_is_refused() -> None:
    model = lora(tiny(), lora_bias=True)
    for method in (NullSpace([batch(0)], components=2), Grasp(Q, sides={"read"})):
        with pytest.raises(InputError, match="lora_bias=False"):
            method.attach(model, OPTIMIZERS["sgd"](model))
    assert hooks(model) == 0


def test_optimizer_of_some_factors_is_told_from_one_of_another_model() -> None:
    model, other = lora(tiny()), lora(tiny())
    for optimizer, reason in (
        (torch.optim.SGD(trained(model)[:4], 0.1), "but others of this model"),
        (OPTIMIZERS["sgd"](other), "another model"),
    ):
        with pytest.raises(InputError, match=reason):
            Grasp(Q).attach(model, optimizer)


def test_guard_that_all_directions_are_put_on_leaves_zero() -> None:
    guard = Guard(0)
    guard.add(torch.from_numpy(subspace(1, 32)).float())
    module = nn.Linear(4, 32)
    guard(module)
    assert not module.weight.any()
    assert not module.bias.any()
