"""GRASP's guarantee on dW itself: QᵀdW = 0 (write) and dW V = 0 (read) at every step, under whatever trains it."""

from __future__ import annotations

from contextlib import nullcontext
from functools import partial
from typing import Any

import numpy as np
import pytest
import torch
from grasp_runs import CONFIGS, LEAKS, WRITERS, Run, chosen, factors, grasp, leaks, top
from hypothesis import given
from hypothesis import strategies as st
from strategies import examples, seeds
from tiny_models import (
    COORDINATE_WISE,
    OPTIMIZERS,
    WIDTH,
    assert_same,
    deltas,
    descend,
    frozen,
    lora,
    subspace,
    tiny,
    trained,
)
from tolerance import GUARANTEE, GUARANTEE_BF16

from real_models.hooks.guard import Guard
from real_models.methods.grasp import Grasp


def without_guarantee(model: Any, optimizer: torch.optim.Optimizer, Q: np.ndarray, side: str) -> Any:
    """The control: the gradients of the same factors are projected before each step, and nothing else."""
    kept = torch.from_numpy(np.eye(WIDTH) - Q @ Q.T).float()

    def before(*_: Any) -> None:
        for p in factors(model, side).values():
            p.grad = kept @ p.grad if side == "write" else p.grad @ kept

    return optimizer.register_step_pre_hook(before)


runs = st.builds(
    Run,
    seed=seeds,
    k=st.integers(1, 3),
    steps=st.integers(1, 8),
    optimizer=st.sampled_from(sorted(OPTIMIZERS)),
    config=st.sampled_from(CONFIGS),
    accumulate=st.integers(1, 2),
    clip=st.sampled_from([None, 0.1]),
    aligned=st.booleans(),
)


@pytest.mark.slow
@pytest.mark.parametrize("side", ["write", "read"])
@given(run=runs)
@examples(ci=10)
def test_update_has_no_part_along_the_directions_at_any_step(side: str, run: Run) -> None:
    if run.aligned:
        naive, optimizer = run.start()
        run.train(naive, optimizer)
        Q = top(naive, run.k, side)
        assert leaks(naive, Q, side)[1] > LEAKS
        control, optimizer = run.start()
        with without_guarantee(control, optimizer, Q, side):
            run.train(control, optimizer)
        projected = leaks(control, Q, side)[1]
        assert projected > LEAKS or (side == "write" and run.optimizer not in COORDINATE_WISE)
    else:
        Q = subspace(run.seed, run.k)

    model, optimizer = run.start()
    before, steps = frozen(model), []

    def each() -> None:
        assert_same(model, before)
        steps.append(leaks(model, Q, side))

    with grasp(Q, side).attached(model, optimizer) as attachment:
        each()
        run.train(model, optimizer, each=each)
        np.testing.assert_allclose(attachment.leak()[side], steps[-1][1], rtol=1e-6, atol=GUARANTEE / 100)
    np.testing.assert_array_less(np.array(steps), GUARANTEE)
    assert len(steps) == run.steps + 1
    assert np.linalg.norm(np.concatenate([x.ravel() for x in deltas(model).values()])) > 0


@pytest.mark.parametrize("optimizer", sorted(OPTIMIZERS))
@pytest.mark.parametrize("side", ["write", "read"])
def test_projecting_gradients_alone_leaks_and_a_naive_run_leaks_more(side: str, optimizer: str) -> None:
    run = Run(1, 2, 8, optimizer, {}, lr=1.0 if optimizer in COORDINATE_WISE else 4.0)
    naive, own = run.start()
    run.train(naive, own)
    Q = top(naive, run.k, side)
    control, own = run.start()
    without_guarantee(control, own, Q, side)
    run.train(control, own)
    model, own = run.start()
    with grasp(Q, side).attached(model, own):
        run.train(model, own)
    projected, plain = leaks(control, Q, side)[1], leaks(naive, Q, side)[1]
    assert leaks(model, Q, side)[0] <= GUARANTEE
    assert plain > max(projected, 10 * LEAKS)
    if side == "write" and optimizer not in COORDINATE_WISE:  # steps in the span of the gradients: B starts at 0
        assert projected <= GUARANTEE
    else:
        assert projected > LEAKS


def test_attaching_takes_the_part_along_the_directions_out_of_a_trained_update_and_nothing_else() -> None:
    for side in ("write", "read"):
        model, optimizer = Run(2, 2, 1, "adam", {}).start()
        descend(model, optimizer, 3)
        Q, before = top(model, 2, side), deltas(model)
        assert leaks(model, Q, side)[1] > 10 * LEAKS
        with grasp(Q, side).attached(model, optimizer):
            after = deltas(model)
        for name, x in chosen(before, side).items():
            y = chosen(after, side)[name]
            np.testing.assert_allclose(y, x - Q @ (Q.T @ x), rtol=0, atol=GUARANTEE * np.linalg.norm(x))
        others = set(before) - set(chosen(before, side))
        assert others
        for name in others:
            np.testing.assert_array_equal(after[name], before[name])


@pytest.mark.parametrize("side", ["write", "read"])
def test_leak_is_measured_and_not_presumed(side: str, monkeypatch) -> None:
    """Were the guards not to act, the leak would say so: of the stored factors, as by hand."""
    Q = subspace(3, 2)
    model, optimizer = Run(3, 2, 4, "adam", CONFIGS[2]).start()
    with grasp(Q, side).attached(model, optimizer) as attachment:
        descend(model, optimizer, 1)
        with torch.no_grad():
            for p in trained(model):
                p += torch.randn(p.shape, generator=torch.Generator().manual_seed(p.numel()))
        with monkeypatch.context() as patched:
            patched.setattr(Guard, "__call__", lambda *_: None)
            assert leaks(model, Q, side)[1] > LEAKS
            np.testing.assert_allclose(attachment.leak()[side], leaks(model, Q, side)[1], rtol=GUARANTEE)
        assert attachment.leak()[side] <= GUARANTEE
        assert leaks(model, Q, side)[0] <= GUARANTEE
        descend(model, optimizer, 1)
        assert leaks(model, Q, side)[0] <= GUARANTEE


@pytest.mark.parametrize("side", ["write", "read"])
def test_moments_of_the_optimizer_have_no_part_along_the_directions(side: str) -> None:
    Q = subspace(3, 2)
    for guarded in (True, False):
        model, optimizer = Run(3, 2, 4, "adam", {}).start()
        with grasp(Q, side).attached(model, optimizer) if guarded else nullcontext():
            descend(model, optimizer, 4)
        moments = [optimizer.state[p]["exp_avg"].double().numpy() for p in factors(model, side).values()]
        parts = [np.linalg.norm(Q.T @ m if side == "write" else m @ Q) / np.linalg.norm(m) for m in moments]
        assert max(parts) <= GUARANTEE if guarded else min(parts) > LEAKS


def test_both_sides_at_once_and_directions_of_each_module() -> None:
    model, optimizer = Run(3, 2, 5, "adamw", {}).start()
    Q = {block: subspace(block, 2) for block in range(2)}
    V = {name: subspace(10 + i, 1) for i, name in enumerate(chosen(deltas(model), "read"))}
    with Grasp(Q).attached(model, optimizer), Grasp(V, sides={"read"}).attached(model, optimizer):
        descend(model, optimizer, 5)
    dW = deltas(model)
    for name, x in chosen(dW, "write").items():
        block = int(name.split(".")[2])
        assert np.linalg.norm(Q[block].T @ x) <= GUARANTEE * np.linalg.norm(x)
        assert np.linalg.norm(Q[1 - block].T @ x) > LEAKS * np.linalg.norm(x)
    for name, x in chosen(dW, "read").items():
        assert np.linalg.norm(V[name].T @ x) <= GUARANTEE * np.linalg.norm(x)


@pytest.mark.parametrize("guarded", [True, False])
def test_bias_of_B_writes_nothing_along_the_directions(guarded: bool) -> None:
    model, optimizer = Run(4, 2, 4, "adam", {"lora_bias": True}).start()
    Q = subspace(4, 2)
    if guarded:
        Grasp(Q).attach(model, optimizer)
    descend(model, optimizer, 4)
    biases = {n: p.detach().numpy() for n, p in model.named_parameters() if n.endswith("lora_B.default.bias")}
    found = [
        np.linalg.norm(Q.T @ b) / np.linalg.norm(b) for n, b in biases.items() if WRITERS.match(n.split(".lora_")[0])
    ]
    assert len(found) == 4
    if guarded:
        np.testing.assert_array_less(found, GUARANTEE)
    else:
        np.testing.assert_array_less(LEAKS, found)


@pytest.mark.parametrize("side", ["write", "read"])
def test_bf16_factors_leak_the_rounding_of_their_type_and_float32_factors_on_a_bf16_base_none(side: str) -> None:
    Q = subspace(5, 2)
    for dtype, allowed in ((torch.float32, GUARANTEE), (torch.bfloat16, GUARANTEE_BF16)):
        for name, make in OPTIMIZERS.items():
            model = lora(tiny(seed=5).bfloat16(), seed=5)
            if dtype == torch.bfloat16:
                model = model.bfloat16()
            assert {p.dtype for p in trained(model)} == {dtype}
            optimizer, worst = make(model), []
            with grasp(Q, side).attached(model, optimizer):
                descend(model, optimizer, 3, each=lambda m=model, w=worst: w.append(leaks(m, Q, side)[0]))
            np.testing.assert_array_less(worst, allowed, err_msg=name)
            assert max(worst) > GUARANTEE or dtype == torch.float32


def test_float32_factors_under_autocast() -> None:
    model, optimizer = Run(5, 2, 4, "adamw", {}).start()
    with Grasp(subspace(5, 2)).attached(model, optimizer):
        descend(model, optimizer, 4, autocast=True)
    assert 0 < leaks(model, subspace(5, 2), "write")[0] <= GUARANTEE


def test_only_the_active_trainable_adapter_is_touched() -> None:
    Q = subspace(8, 2)
    model = lora(tiny())
    descend(model, OPTIMIZERS["adam"](model), 2)
    model.add_adapter("second", model.peft_config["default"])
    model.set_adapter("second")
    before = frozen(model)
    assert any("lora_B.default" in name and tensor.any() for name, tensor in before.items())
    optimizer = OPTIMIZERS["adamw"](model)
    with Grasp(Q).attached(model, optimizer):
        descend(model, optimizer, 4, each=lambda: assert_same(model, before))
    assert 0 < leaks(model, Q, "write", "second")[0] <= GUARANTEE
    assert leaks(model, Q, "write", "default")[1] > LEAKS


def test_two_active_adapters_are_both_constrained_and_a_frozen_active_one_is_not() -> None:
    Q = subspace(9, 2)
    for freeze in (False, True):
        model = lora(tiny())
        model.add_adapter("second", model.peft_config["default"])
        descend(model, OPTIMIZERS["adam"](model), 2)
        model.base_model.set_adapter(["default", "second"])
        for name, parameter in model.named_parameters():
            if freeze and "default" in name:
                parameter.requires_grad = False
        before, optimizer = frozen(model), OPTIMIZERS["adam"](model)
        assert freeze is any("lora_B.default" in name for name in before)
        with Grasp(Q).attached(model, optimizer):
            descend(model, optimizer, 3, each=partial(assert_same, model, before))
        assert 0 < leaks(model, Q, "write", "second")[0] <= GUARANTEE
        default = leaks(model, Q, "write", "default")[1]
        assert default > LEAKS if freeze else default <= GUARANTEE
