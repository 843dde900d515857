"""Training under each removal method ends at the method's closed form; the two share nothing but the problem."""

from __future__ import annotations

from itertools import combinations
from typing import Any

import numpy as np
import pytest
from strategies import problems, rotation
from tolerance import backward

from grasp_theory.linear import LinearProblem
from grasp_theory.linear.problem import Stacked
from grasp_theory.linear.solutions import SOLUTIONS, caft, compensated, kept_read, own_component, preventative
from grasp_theory.linear.training import stable_step, train
from synthetic.training.one_layer import METHODS, train_method

SHAPES = [(5, 7), (8, 4)]
STRENGTH = 0.7
CLOSED = {
    **{name: lambda p, mean, solution=solution: solution(p) for name, solution in SOLUTIONS.items()},
    "compensated": lambda p, mean: compensated(p, own_component(p.M)),
    "preventative steering": lambda p, mean: preventative(p, mean, STRENGTH),
}


def scale(p: LinearProblem) -> float:
    """What rounding in the gradient is amplified to: the condition numbers, and the gap of the deleted component."""
    values = np.linalg.svd(p.M, compute_uv=False)
    gap = values[0] / (values[0] - values[1])
    return float(np.linalg.cond(p.H) * np.linalg.cond(p.Sigma) * gap * np.linalg.norm(p.W0 + p.M))


def arguments(ps: list[LinearProblem]) -> dict[str, Any]:
    """A full-rank start, and means that the second moments leave room for."""
    rng, d = np.random.default_rng(7), ps[0].shape[1]
    mean = np.stack([0.5 * np.linalg.cholesky(p.Sigma) @ rotation(rng, d, 1)[:, 0] for p in ps])
    return {"A0": 1.5 * rotation(rng, d), "mean": mean, "strength": STRENGTH, "steps": 20_000, "tolerance": 1e-14}


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("name", CLOSED)
def test_training_ends_at_the_closed_form(name, shape):
    ps = problems(shape)
    options: dict[str, Any] = arguments(ps)
    for p, mean, D in zip(ps, options["mean"], train_method(name, ps, **options), strict=True):
        allowed = backward(shape, float, scale(p))
        assert allowed < 1e-9 * np.linalg.norm(p.M)
        np.testing.assert_allclose(D, CLOSED[name](p, mean), rtol=0, atol=allowed)


def test_training_covers_every_method():
    assert set(METHODS) == {*CLOSED, "CAFT as published"}


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.usefixtures("no_contracts")
def test_training_under_different_methods_ends_at_different_updates(shape):
    """Control: no two agree, but for compensation by the model's own component, which is its deletion."""
    ps = problems(shape)
    ends = {name: train_method(name, ps, **arguments(ps)) for name in CLOSED}
    for a, b in combinations(ends, 2):
        apart = np.linalg.norm(ends[a] - ends[b], axis=(1, 2))
        if {a, b} == {"deletion", "compensated"}:
            np.testing.assert_allclose(apart, 0, atol=max(backward(shape, float, scale(p)) for p in ps))
        else:
            assert apart.min() > 1e-3, (a, b)


def test_compensated_training_with_a_given_compensator_passes_its_error_through():
    ps, rng = problems((5, 7)), np.random.default_rng(2)
    C = np.stack([p.beta * np.outer(p.u, p.v) for p in ps]) + 0.1 * rng.standard_normal((3, 5, 7))
    options: dict[str, Any] = arguments(ps) | {"compensator": C}
    for p, c, D in zip(ps, C, train_method("compensated", ps, **options), strict=True):
        np.testing.assert_allclose(D, p.M - c, rtol=0, atol=backward((5, 7), float, scale(p)))


@pytest.mark.usefixtures("no_contracts")
def test_caft_as_published_keeps_the_random_read():
    """A0 Gaussian: B A0 v stays, and is visible; off v both rows agree. Without A0 v nothing is kept."""
    p, rng = problems((5, 7))[0], np.random.default_rng(5)
    A0 = rng.standard_normal((10, 7))
    options: dict[str, Any] = {"A0": A0, "steps": 6000, "tolerance": 0.0, "lr": 0.3 * stable_step(p, A0)}
    allowed = backward((10, 7), float, scale(p))
    kept, projected = (train_method(name, p, **options) for name in ("CAFT as published", "CAFT"))
    loss = Stacked(p.M + np.outer(p.W0 @ p.v, p.v), p.Sigma, p.H, seen=p.P_v)
    B = train(loss, A0, lr=options["lr"], steps=6000, optimizer="momentum", every=0).B
    np.testing.assert_allclose(kept @ p.v, kept_read(B, A0, p.v), rtol=0, atol=allowed)
    np.testing.assert_allclose(kept, caft(p, on_v=kept_read(B, A0, p.v)), rtol=0, atol=allowed)
    np.testing.assert_allclose(projected @ p.v, 0, atol=allowed)
    assert np.linalg.norm(kept @ p.v) > 0.01
    adam = train_method("CAFT", p, A0=A0, optimizer="adam", lr=0.01, steps=200)
    assert np.linalg.norm(adam @ p.v) > 0.01  # a coordinate-wise step on A is not orthogonal to v


@pytest.mark.parametrize("name", METHODS)
def test_training_of_many_problems_is_each_alone(name):
    ps = problems((5, 7))
    options: dict[str, Any] = arguments(ps) | {"steps": 30, "optimizer": "adam", "lr": 0.02}
    together = train_method(name, ps, **options)
    for p, mean, D in zip(ps, options["mean"], together, strict=True):
        np.testing.assert_allclose(
            D, train_method(name, p, **options | {"mean": mean}), rtol=0, atol=backward((5, 7), float, scale(p))
        )
