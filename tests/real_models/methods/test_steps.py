"""Gradients as steps are taken with them: scaled, skipped, from closures, added to; and how methods compose."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from compared_updates import assert_same_updates
from grasp_runs import LEAKS, factors, leaks, squares
from tiny_models import OPTIMIZERS, assert_same, batch, deltas, descend, everything, hooks, lora, subspace, tiny
from tiny_models import trained as parameters
from tolerance import GUARANTEE
from trainer_runs import trainer

from grasp_theory import GraspError, InputError
from real_models.methods import KL, GradientSurgery, Grasp, Penalty

Q = subspace(31, 2)
NEAR = np.linalg.qr(Q + subspace(32, 2))[0]  # neither orthogonal to Q nor parallel
NEUTRAL = [{"input_ids": batch(50)["input_ids"]}, {"input_ids": batch(51)["input_ids"]}]
TERMS = {"penalty": lambda: Penalty(Q, weight=0.3), "kl": lambda: KL(NEUTRAL, weight=3.0)}
OVERFLOW, USUAL = 2.0**127, 2.0**12


def scaled(model: Any, optimizer: Any, *, scale: float, steps: int = 3, clip: bool = False) -> float:
    """Steps under GradScaler, the loss large enough to overflow at ``OVERFLOW``; the scale that is left."""
    scaler = torch.amp.GradScaler("cpu", init_scale=scale)  # pyright: ignore[reportPrivateImportUsage]
    for step in range(steps):
        optimizer.zero_grad()
        scaler.scale(10 * model(**batch(step)).loss).backward()
        if clip:
            scaler.unscale_(optimizer)
            torch.nn.utils.clip_grad_norm_(parameters(model), 0.5)
        scaler.step(optimizer)
        scaler.update()
    return scaler.get_scale()


def adamw(model: Any, *, fused: bool) -> torch.optim.Optimizer:
    return torch.optim.AdamW(parameters(model), 1e-3, fused=fused)


@pytest.mark.parametrize("fused", [False, True])
def test_overflow_that_the_scaler_skips_is_a_skipped_step_and_no_error(fused) -> None:
    for method in (Grasp(Q), *(make() for make in TERMS.values())):
        model = lora(tiny(), init_lora_weights=False)
        with method.attached(model, optimizer := adamw(model, fused=fused)):
            before = everything(model)
            assert scaled(model, optimizer, scale=OVERFLOW) < OVERFLOW  # there was one
            assert_same(model, before)
            scaled(model, optimizer, scale=USUAL)
            assert any(not torch.equal(x, before[name]) for name, x in everything(model).items())


@pytest.mark.parametrize("term", TERMS)
@pytest.mark.parametrize("clip", [False, True])
def test_added_term_has_the_scale_of_the_gradients_it_is_added_to(term, clip) -> None:
    """Scales are powers of 2: the step is that without a scaler, to rounding, whether fused or not."""
    found = {}
    for fused, scale in ((False, 1.0), (False, USUAL), (True, USUAL)):
        model = lora(tiny(), init_lora_weights=False).double()
        optimizer = adamw(model, fused=fused)
        with TERMS[term]().attached(model, optimizer):
            scaled(model, optimizer, scale=scale, clip=clip)
        found[fused, scale] = deltas(model)
    plain = lora(tiny(), init_lora_weights=False).double()
    scaled(plain, adamw(plain, fused=True), scale=USUAL, clip=clip)
    for other in found.values():
        assert_same_updates(other, found[False, 1.0], rtol=1e-9)
    x, y = (np.concatenate([dW.ravel() for dW in one.values()]) for one in (deltas(plain), found[True, USUAL]))
    assert np.linalg.norm(x - y) > 1e-4 * np.linalg.norm(x)  # control: the term matters


def closure_of(model: Any, optimizer: Any, add: Any = None) -> Any:
    def closure() -> torch.Tensor:
        optimizer.zero_grad()
        loss = model(**batch(0)).loss
        if add is not None:
            loss = loss + add(model)
        loss.backward()
        return loss.detach()

    return closure


def price(model: Any) -> torch.Tensor:
    return 0.3 * squares(model, torch.from_numpy(Q), "write")


@pytest.mark.parametrize("order", ["positional", "named"])
def test_added_term_enters_every_evaluation_of_a_closure(order) -> None:
    found = []
    for explicit in (True, False):
        model = lora(tiny(), init_lora_weights=False).double()
        optimizer = torch.optim.LBFGS(parameters(model), 0.1, max_iter=5)
        closure = closure_of(model, optimizer, price if explicit else None)
        on = None if explicit else Penalty(Q, weight=0.3).attach(model, optimizer)
        optimizer.step(closure) if order == "positional" else optimizer.step(closure=closure)
        if on is not None:
            on.detach()
        found.append(deltas(model))
    assert_same_updates(found[1], found[0], rtol=1e-7)


def chained(parts: list[torch.optim.Optimizer], *, bare: bool) -> torch.optim.Optimizer:
    """Steps by others. ``bare``: as wrappers that leave out torch's ``__init__``, which makes the hooks."""

    class Chained(torch.optim.Optimizer):
        def __init__(self) -> None:
            groups = [group for part in parts for group in part.param_groups]
            if bare:
                self.param_groups = groups
            else:
                super().__init__([dict(group) for group in groups], {})
            self.parts = parts

        def step(self, closure: Any = None) -> None:  # pyright: ignore
            for part in self.parts:
                part.step()

        def zero_grad(self, set_to_none: bool = True) -> None:
            for part in self.parts:
                part.zero_grad()

    return Chained()


INSIDE = {
    "grasp": lambda: Grasp(Q),
    **TERMS,
    "surgery": lambda: GradientSurgery(NEUTRAL),
    "span": lambda: GradientSurgery(NEUTRAL, references=1),
}


@pytest.mark.parametrize("method", INSIDE)
def test_optimizers_inside_another_step_as_one_over_all_parameters(method) -> None:
    """Terms are added, texts taken in turn and steps corrected once a step, whoever calls those inside."""
    found = {}
    for form in ("one", "hooks", "bare", "parts"):
        model = lora(tiny(), init_lora_weights=False).double()
        half = len(parameters(model)) // 2
        parts = [torch.optim.Adam(some, 1e-2) for some in (parameters(model)[:half], parameters(model)[half:])]
        outer = chained(parts, bare=form == "bare")
        optimizer = torch.optim.Adam(parameters(model), 1e-2) if form == "one" else outer
        with INSIDE[method]().attached(model, optimizer) as on:
            for step in range(3):
                outer.zero_grad()
                model(**batch(step)).loss.backward()
                for one in parts if form == "parts" else [optimizer]:
                    one.step()
            if method == "grasp":
                assert on.leak()["write"] <= GUARANTEE
        found[form] = deltas(model)
    for other in found.values():
        assert_same_updates(other, found["one"], rtol=1e-9)


def test_optimizer_whose_step_calls_no_hooks_is_refused() -> None:
    model = lora(tiny())
    with pytest.raises(InputError, match=r"calls no hooks.*super\(\).__init__"):
        Grasp(Q).attach(model, chained([], bare=True))
    assert hooks(model) == 0


def test_every_gradient_of_a_closure_is_projected() -> None:
    model = lora(tiny(), init_lora_weights=False)
    optimizer = torch.optim.LBFGS(parameters(model), 0.1, max_iter=4)
    seen: list[float] = []

    def watched() -> torch.Tensor:
        loss = closure_of(model, optimizer)()
        seen.append(float(optimizer.state[parameters(model)[0]].get("func_evals", 0)))
        return loss

    with Grasp(Q).attached(model, optimizer):
        optimizer.step(watched)
        state = optimizer.state[parameters(model)[0]]
        sizes = [p.numel() for p in parameters(model)]
        moves = dict(zip(parameters(model), state["d"].split(sizes), strict=True))
        for p in factors(model, "write").values():
            direction = moves[p].view_as(p).double().numpy()
            assert np.linalg.norm(Q.T @ direction) <= 10 * GUARANTEE * np.linalg.norm(direction)
    assert len(seen) > 2


def test_nan_in_a_closure_puts_the_weights_back() -> None:
    model = lora(tiny(), init_lora_weights=False)
    optimizer = torch.optim.LBFGS(parameters(model), 0.1, max_iter=4)
    calls = []

    def closure() -> torch.Tensor:
        loss = closure_of(model, optimizer)()
        calls.append(loss)
        if len(calls) == 3:
            parameters(model)[0].grad[0, 0] = float("nan")  # pyright: ignore
        return loss

    with Grasp(Q).attached(model, optimizer):
        before = everything(model)
        with pytest.raises(GraspError, match="the step was not taken"):
            optimizer.step(closure)
        assert_same(model, before)


def test_clipping_measures_what_is_left_of_the_gradients() -> None:
    """Gradients are projected as they arrive: their norm before the step is that with which the step is taken."""
    model = lora(tiny(), init_lora_weights=False)
    with Grasp(Q, sides={"write"}).attached(model, OPTIMIZERS["sgd"](model)):
        for _ in range(2):
            model(**batch(0)).loss.backward()
        parts = [float(np.linalg.norm(Q.T @ p.grad.numpy()) / p.grad.norm()) for p in factors(model, "write").values()]
    assert len(parts) == 4
    np.testing.assert_array_less(parts, GUARANTEE)
    model.zero_grad()
    model(**batch(0)).loss.backward()
    g = next(p.grad for n, p in model.named_parameters() if "o_proj.lora_B" in n)
    assert np.linalg.norm(Q.T @ g.numpy()) > LEAKS * float(g.norm())  # control: off again # pyright: ignore


@pytest.mark.parametrize("term", TERMS)
@pytest.mark.parametrize("last", [False, True])
def test_moments_stay_clean_of_a_term_attached_before_or_after(term, last) -> None:
    model = lora(tiny(), init_lora_weights=False)
    optimizer = OPTIMIZERS["adam"](model)
    for method in [TERMS[term](), Grasp(Q)][:: -1 if last else 1]:
        method.attach(model, optimizer)
    descend(model, optimizer, 2)
    moments = [optimizer.state[p]["exp_avg"].numpy() for p in factors(model, "write").values()]
    found = [np.linalg.norm(Q.T @ m) / np.linalg.norm(m) for m in moments]
    np.testing.assert_array_less(found, GUARANTEE)


def test_sum_of_methods_is_logged_apart(tmp_path) -> None:
    model = lora(tiny())
    callbacks = [method.callback() for method in (Penalty(Q, weight=1e-3), Grasp(NEAR), Grasp(subspace(33, 1)))]
    run = trainer(tmp_path, callbacks, model=model, max_steps=2, warmup_steps=0)
    run.train()
    keys = ["leak/write", "leak/grasp/write", "leak/grasp/write/2"]
    for entry in run.state.log_history:
        found = [entry[key] for key in keys]
        assert found[0] > GUARANTEE >= max(found[1:])
    assert leaks(model, NEAR, "write")[0] <= GUARANTEE


def test_second_training_run_of_one_trainer_is_constrained(tmp_path) -> None:
    model = lora(tiny())
    clean = hooks(model)
    run = trainer(tmp_path, [Grasp(Q).callback()], model=model, max_steps=2, warmup_steps=0)
    run.train()
    run.train()
    assert leaks(model, Q, "write")[0] <= GUARANTEE
    assert run.state.log_history[-1]["leak/write"] <= GUARANTEE
    assert hooks(model) == clean
