"""Many LoRA trainings at once are the single ones, trial by trial, and keep their guarantees."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, get_args

import numpy as np
import pytest
from strategies import problems, rotation
from tolerance import backward

from grasp_theory import InputError
from grasp_theory.linear.problem import Stacked, stack
from grasp_theory.linear.training import Optimizer, Stage, stable_step, train

OPTIMIZERS, STAGES = get_args(Optimizer), get_args(Stage)
SHAPE = (4, 6)


def starts(count: int):
    return np.random.default_rng(1).standard_normal((count, 3, SHAPE[1]))


def columns(ps, name: str):
    return np.stack([getattr(p, name) for p in ps])[..., None]


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
@pytest.mark.parametrize("stage", STAGES)
def test_stacked_training_is_every_single_run_bit_by_bit(optimizer, stage):
    ps, A0 = problems(SHAPE, 3), starts(3)
    batch, lr = stack(ps), np.asarray(stable_step(stack(ps), A0))
    options: dict[str, Any] = {
        "optimizer": optimizer,
        "stage": stage,
        "steps": 200,
        "tolerance": 0.05,
        "decay": 0.1,
        "every": 9,
    }
    run = train(batch, A0, lr=lr, write=columns(ps, "u"), read=columns(ps, "v"), **options)
    taken = []
    for i, p in enumerate(ps):
        assert lr[i] == stable_step(p, A0[i])
        alone = train(p, A0[i], lr=float(lr[i]), write=p.u[:, None], read=p.v[:, None], **options)
        taken.append(alone.steps)
        np.testing.assert_array_equal(run.B[i], alone.B)
        np.testing.assert_array_equal(run.A[i], alone.A)
        common = min(len(run.trajectory), len(alone.trajectory)) - 1
        np.testing.assert_array_equal(run.trajectory[:common, i], alone.trajectory[:common])
        np.testing.assert_array_equal(run.dW[i], alone.dW)
    assert run.steps == max(taken)


def test_stacked_training_stops_with_the_last_trial():
    """Control of the test above: trials do reach the tolerance, and at different steps."""
    ps, A0 = problems(SHAPE, 3), starts(3)
    lr = np.asarray(stable_step(stack(ps), A0))
    options: dict[str, Any] = {"optimizer": "momentum", "steps": 5000, "tolerance": 1e-2, "every": 0}
    taken = [train(p, A, lr=float(x), **options).steps for p, A, x in zip(ps, A0, lr, strict=True)]
    assert len(set(taken)) == 3
    assert train(stack(ps), A0, lr=lr, **options).steps == max(taken) < 5000


def test_training_of_one_problem_from_many_starts_broadcasts():
    p, A0 = problems(SHAPE, 1)[0], starts(4)
    run = train(p, A0, lr=0.01, steps=20, every=0)
    assert run.dW.shape == (4, *SHAPE)
    np.testing.assert_array_equal(run.dW[2], train(p, A0[2], lr=0.01, steps=20, every=0).dW)


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_stacked_training_keeps_the_projected_sides_at_zero(optimizer):
    ps, A0 = problems(SHAPE, 3), starts(3)
    u, v = columns(ps, "u"), columns(ps, "v")
    options: dict[str, Any] = {"lr": 0.01, "steps": 60, "optimizer": optimizer}
    run = train(stack(ps), A0, write=u, read=v, **options)
    scale = float(np.abs(run.B).max() * np.abs(run.A).max())
    np.testing.assert_allclose(u.swapaxes(-1, -2) @ run.trajectory, 0, atol=backward(SHAPE, float, scale))
    np.testing.assert_allclose(run.trajectory @ v, 0, atol=backward(SHAPE, float, scale))
    free = train(stack(ps), A0, **options).dW
    assert np.abs(u.swapaxes(-1, -2) @ free).max(axis=(1, 2)).min() > 1e-3
    assert np.linalg.norm(free @ v, axis=(1, 2)).min() > 1e-3


def test_projected_training_stops_at_what_is_left_of_the_gradient():
    """The gradient along u never vanishes; what is not projected out does."""
    p = problems(SHAPE, 1)[0]
    A0, options = 1.5 * rotation(np.random.default_rng(0), 6), {"optimizer": "momentum", "steps": 20_000, "every": 0}
    run = train(p, A0, lr=stable_step(p, A0), write=p.u[:, None], tolerance=1e-6, **options)
    assert run.steps < 20_000
    G = p.H @ (p.M - run.dW) @ p.Sigma @ run.A.T
    assert np.linalg.norm(p.P_u @ G) < 1e-5 * np.linalg.norm(G)


def test_stacked_loss_of_what_the_update_sees_has_its_gradient():
    """One step of descent against central differences of the mean loss over samples, ``seen`` reading 3 of 5 inputs."""
    rng, h = np.random.default_rng(3), 1e-5
    X, seen, N = rng.standard_normal((2, 5, 40)), rng.standard_normal((2, 3, 5)), rng.standard_normal((2, 4, 5))
    root = rng.standard_normal((4, 4))
    loss = Stacked(N, X @ X.swapaxes(1, 2) / 40, root.T @ root, seen=seen)
    assert loss.shape == (4, 3)
    B, A = rng.standard_normal((2, 4, 2)), rng.standard_normal((2, 2, 3))

    def value(B, A):
        return np.sum((root @ (N @ X - 0.7 * B @ A @ seen @ X)) ** 2, axis=(1, 2)) / 40

    run = train(loss, A, B0=B, lr=1.0, steps=1, scaling=0.7)
    allowed = backward((40, 5), float, float(value(B, A).max()) / h)
    for start, end, place in ((B, run.B, 0), (A, run.A, 1)):
        for index in np.ndindex(start.shape[1:]):
            shift = np.zeros_like(start)
            shift[(slice(None), *index)] = h
            sides = [value(B + s * shift, A) if place == 0 else value(B, A + s * shift) for s in (1, -1)]
            slope = (sides[0] - sides[1]) / (2 * h)
            np.testing.assert_allclose((start - end)[(slice(None), *index)], slope, rtol=0, atol=allowed)


def test_training_callback_sees_every_step_of_the_trajectory():
    p, A0, seen = problems(SHAPE, 1)[0], starts(1)[0], []
    options: dict[str, Any] = {"lr": 0.01, "steps": 7, "optimizer": "adam", "scaling": 0.7}
    run = train(p, A0, callback=lambda step, B, A: seen.append((step, 0.7 * B @ A)), **options)
    assert [step for step, _ in seen] == list(range(8))
    np.testing.assert_array_equal([dW for _, dW in seen], run.trajectory)
    # looking changes nothing
    np.testing.assert_array_equal(run.trajectory, train(p, A0, **options).trajectory)


def test_stacked_training_reports_a_trial_that_diverges():
    ps = problems(SHAPE, 2)
    with pytest.raises(InputError, match="diverged"):
        train(stack([ps[0], replace(ps[1], T=1e4 * ps[1].T)]), starts(2), lr=0.01, steps=500)
