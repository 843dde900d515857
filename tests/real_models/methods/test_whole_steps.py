"""Methods that act on all gradients of a step together: which optimizers they refuse, before anything has moved."""

from __future__ import annotations

import gc
import weakref
from typing import Any

import pytest
import torch
from grasp_runs import LEAKS, leaks
from tiny_models import assert_same, batch, descend, everything, hooks, lora, subspace, tiny
from tiny_models import trained as parameters
from tolerance import GUARANTEE
from torch.distributed.optim.apply_optimizer_in_backward import _apply_optimizer_in_backward
from torch.optim.optimizer import _global_optimizer_pre_hooks
from transformers.trainer_pt_utils import LayerWiseDummyOptimizer

from grasp_theory import GraspError
from real_models.methods import KL, GradientSurgery, Grasp, Penalty

Q = subspace(31, 2)
NEUTRAL = [{"input_ids": batch(50)["input_ids"]}, {"input_ids": batch(51)["input_ids"]}]
WHOLE = {
    "penalty": lambda: Penalty(Q, weight=0.3),
    "kl": lambda: KL(NEUTRAL, weight=3.0),
    "gradient surgery": lambda: GradientSurgery(NEUTRAL),
}


def sgd(model: Any) -> torch.optim.Optimizer:
    return torch.optim.SGD(parameters(model), 1e-2)


@pytest.mark.parametrize("kind", WHOLE)
def test_optimizer_put_in_the_place_of_the_attached_one_is_refused_before_its_step(kind) -> None:
    model = lora(tiny(), init_lora_weights=False)
    other = lora(tiny(), init_lora_weights=False)
    there = list(_global_optimizer_pre_hooks)  # of models that other tests left
    with WHOLE[kind]().attached(model, optimizer := sgd(model)):
        descend(model, optimizer, 1)
        before = everything(model)
        with pytest.raises(GraspError, match="SGD that is not the optimizer the method was attached with"):
            descend(model, sgd(model), 1)
        assert_same(model, before)
        descend(other, sgd(other), 1)  # another model's is nobody's business
    descend(model, sgd(model), 1)
    assert list(_global_optimizer_pre_hooks) == there


@pytest.mark.parametrize("kind", WHOLE)
def test_method_that_is_never_detached_goes_with_its_model(kind) -> None:
    gc.collect()
    there = set(_global_optimizer_pre_hooks)
    model = lora(tiny(), init_lora_weights=False)
    method = WHOLE[kind]()
    method.attach(model, sgd(model))
    assert set(_global_optimizer_pre_hooks) > there
    alive = weakref.ref(parameters(model)[0])
    del model, method
    gc.collect()
    assert alive() is None
    assert set(_global_optimizer_pre_hooks) <= there


class Late(torch.optim.SGD):
    """An optimizer that makes the one which takes its steps when it takes the first."""

    made = None

    def step(self, closure: Any = None) -> Any:
        self.made = self.made or torch.optim.SGD(self.param_groups, 1e-2)
        return self.made.step(closure)


@pytest.mark.parametrize("kind", WHOLE)
def test_optimizer_that_is_made_within_the_step_is_part_of_it(kind) -> None:
    found = []
    for make in (sgd, lambda model: Late(parameters(model), 1e-2)):
        model = lora(tiny(), init_lora_weights=False)
        start = everything(model)
        with WHOLE[kind]().attached(model, optimizer := make(model)):
            descend(model, optimizer, 2)
        found.append(everything(model))
    assert_same(model, found[0])
    assert any(not torch.equal(x, start[name]) for name, x in found[0].items())


def layerwise(model: Any) -> torch.optim.Optimizer:
    """An optimizer for each parameter, which steps as its gradient arrives and takes it away: layerwise GaLore."""
    inside = {p: torch.optim.AdamW([p], 1e-2) for p in parameters(model)}

    def step(p: Any) -> None:
        inside[p].step()
        inside[p].zero_grad()

    for p in inside:
        p.register_post_accumulate_grad_hook(step)
    return LayerWiseDummyOptimizer(optimizer_dict=inside)


def of_torch(model: Any) -> torch.optim.Optimizer:
    _apply_optimizer_in_backward(torch.optim.AdamW, parameters(model), {"lr": 1e-2})
    return torch.optim.AdamW(parameters(model), 1e-2)  # never has a gradient


@pytest.mark.parametrize("make", [layerwise, of_torch])
def test_steps_inside_the_backward_pass_are_held_by_a_projection_and_refused_by_what_adds_to_gradients(make) -> None:
    for kind in WHOLE.values():
        model = lora(tiny())
        before = everything(model)
        with pytest.raises(GraspError, match="steps inside the backward pass"):
            descend_with(kind(), model, make(model))
        assert hooks(model) == 0
        if make is of_torch:
            assert_same(model, before)
    model = lora(tiny(), init_lora_weights=False)
    descend_with(Grasp(Q), model, make(model))
    assert leaks(model, Q, "write")[0] <= GUARANTEE
    naive = lora(tiny(), init_lora_weights=False)
    descend(naive, make(naive), 2)
    assert leaks(naive, Q, "write")[0] > LEAKS


def descend_with(method: Any, model: Any, optimizer: Any) -> None:
    with method.attached(model, optimizer):
        descend(model, optimizer, 2)
