"""The seven checks on a statement made for them: a sound one passes all, and each flaw is reported by its own check."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pytest
import torch
from strategies import rotation

from grasp_theory import AssumptionError
from grasp_theory.statements.checks import Outcome, find, verify
from grasp_theory.statements.search import largest_ratio
from grasp_theory.statements.statement import Claim, Rate, Search, Sides, Statement

SIZE = 4


@dataclass(frozen=True, eq=False)
class Pair:
    """Two vectors, of unit length by assumption."""

    x: np.ndarray
    y: np.ndarray


def draw(rng: np.random.Generator) -> Pair:
    return Pair(rotation(rng, SIZE, 1)[:, 0], rotation(rng, SIZE, 1)[:, 0])


def alike(rng: np.random.Generator) -> Pair:
    x = draw(rng).x
    return Pair(x, x)


def long(rng: np.random.Generator) -> Pair:
    x = draw(rng).x
    return Pair(x, 10 * x)


def at_most(bound: float, *, tight: bool = False) -> Claim[Pair]:
    return Claim("<=", lambda i: Sides.exact(float(i.x @ i.y), bound), tight)


def cosine(z: torch.Tensor) -> torch.Tensor:
    return z[:SIZE] @ z[SIZE:] / (z[:SIZE].norm() * z[SIZE:].norm())


def polarised(i: Pair) -> Sides:
    return Sides(float(i.x @ i.y), float(np.sum((i.x + i.y) ** 2) - np.sum((i.x - i.y) ** 2)) / 4, 1e-12)


def mean_error(size: int, rng: np.random.Generator) -> float:
    return float(np.sqrt(np.mean(rng.standard_normal((2000, size)).mean(axis=1) ** 2)))


def sound(**fields: Any) -> Statement[Pair]:
    """xᵀy <= 1 for unit vectors, attained by y = x; with these fields in place of its own."""
    return replace(
        Statement(
            key="cauchy-schwarz",
            kind="limit",
            law="xᵀy <= 1",
            basis="proved here",
            assumptions={"unit length": lambda i: bool(abs(i.y @ i.y - 1) < 1e-9)},
            draw=draw,
            claims={"bound": at_most(1.0, tight=True)},
            variants={"half of it": at_most(0.5), "obtuse": at_most(0.0)},
            extremal=alike,
            violators={"unit length": long},
            search=Search("bound", 2 * SIZE, cosine, restarts=1, steps=100),
            route=polarised,
            rates=(Rate("mean", (4, 16, 64), mean_error, -0.5, 0.1),),
            draws=50,
        ),
        **fields,
    )


def test_checks_pass_a_sound_statement():
    outcome = verify(sound())
    assert outcome.failures == []
    assert outcome.stands
    assert (outcome.held, outcome.draws, outcome.rejected) == (50, 50, 0.0)
    assert (outcome.needed, outcome.variants, outcome.derived) == ((1, 1), (2, 2), None)
    assert outcome.best_ratio is not None
    np.testing.assert_allclose(outcome.best_ratio, 1.0, rtol=1e-6)
    assert outcome.route is not None
    assert outcome.route <= 1
    assert [rate.holds for rate in outcome.rates] == [True]


FLAWS: dict[str, tuple[Callable[[], Statement[Pair]], str]] = {
    "draws outside": (lambda: sound(draw=long), "draw: 100% of the draws are outside the assumptions"),
    "false claim": (lambda: sound(claims={"bound": at_most(-1.5)}, search=None), "holds: bound is violated, Sides("),
    "extremal outside": (lambda: sound(extremal=long), "attained: the extremal instance breaks ['unit length']"),
    "exceeded by search": (
        lambda: sound(search=Search("bound", 2 * SIZE, lambda z: 2 * cosine(z), restarts=1, steps=100)),
        "attained: bound is exceeded, ratio ",
    ),
    "never attained": (
        lambda: sound(claims={"bound": at_most(4.0, tight=True)}, search=None),
        "attained: bound reaches only 0.250000 of its bound",
    ),
    "violator inside": (
        lambda: sound(violators={"unit length": alike}),
        "needed: the violator of 'unit length' breaks nothing",
    ),
    "violator without effect": (
        lambda: sound(violators={"unit length": lambda rng: Pair(draw(rng).x, np.zeros(SIZE))}),
        "needed: every claim survives without 'unit length'",
    ),
    "true variant": (
        lambda: sound(variants={"half of it": at_most(0.5), "twice": at_most(2.0)}),
        "false variants: 'twice' survives 51 instances",
    ),
    "one variant": (
        lambda: sound(variants={"half of it": at_most(0.5)}),
        "false variants: a statement needs at least two",
    ),
    "another route": (
        lambda: sound(route=lambda i: replace(polarised(i), bound=float(i.x @ i.y) + 1e-11)),
        "two routes: Sides(",
    ),
    "route of NaN": (lambda: sound(route=lambda i: replace(polarised(i), bound=float("nan"))), "two routes: Sides("),
    "limit without a rate": (lambda: sound(rates=()), "rate: a limit needs one"),
    "another rate": (
        lambda: sound(rates=(Rate("mean", (4, 16, 64), mean_error, -1.0, 0.1),)),
        "rate: mean has slope -0.",
    ),
}


@pytest.mark.parametrize("flaw", list(FLAWS))
def test_checks_report_each_flaw(flaw):
    make, words = FLAWS[flaw]
    outcome = verify(make())
    assert not outcome.stands
    assert [f for f in outcome.failures if f.startswith(words)], outcome.failures
    kinds = {f.split(":")[0] for f in outcome.failures}
    if flaw not in ("draws outside", "false claim", "extremal outside"):  # these leave nothing for the later checks
        assert kinds == {words.split(":")[0]}


def test_checks_report_a_false_claim_at_most_five_times():
    outcome = verify(sound(claims={"bound": at_most(-1.5)}, search=None))
    assert sum(f.startswith("holds:") for f in outcome.failures) == 5
    assert (outcome.held, outcome.draws) == (0, 50)


def test_checks_without_assumptions_need_no_violator():
    outcome = verify(sound(assumptions={}, violators={}))
    assert (outcome.needed, outcome.failures) == (None, [])


@pytest.mark.slow
def test_checks_report_a_residual_that_is_not_zero(monkeypatch):
    import sympy

    from grasp_theory.statements.noise_floor import symbolic as noise_floor

    x = sympy.Symbol("x")
    residuals = {"binomial": (x + 1) ** 2 - x**2 - 2 * x - 1, "slip": (x + 1) ** 2 - x**2 - 1}
    monkeypatch.setattr(noise_floor, "residuals", lambda: residuals)
    outcome = verify(sound(key="noise-floor"))
    assert outcome.derived == (1, 2)
    assert outcome.failures == ["derived: slip does not simplify to 0"]


@pytest.mark.slow
def test_verify_takes_a_statement_or_its_key():
    (statement,) = find(["ablation-cost"])
    outcome = verify("ablation-cost", seed=3)
    assert isinstance(outcome, Outcome)
    assert outcome == verify(statement, seed=3)


def test_evaluate_gives_both_sides_and_refuses_what_is_not_finite():
    i = draw(np.random.default_rng(0))
    assert sound().evaluate(i) == {"bound": Sides.exact(float(i.x @ i.y), 1.0)}
    with pytest.raises(AssumptionError, match=r"^cauchy-schwarz assumes: unit length\. The instance does not satisfy"):
        sound().evaluate(Pair(i.x, 2 * i.y))
    broken = sound(claims={"bound": at_most(float("inf"))})
    with pytest.raises(AssumptionError, match=r"^cauchy-schwarz, claim bound: a side is not finite on this instance"):
        broken.evaluate(i)


@pytest.mark.slow
def test_search_keeps_the_best_finite_ratio():
    """A ratio undefined outside the unit ball: starts there are given up, the others reach the maximum 1 at 0."""

    def ball(z: torch.Tensor) -> torch.Tensor:
        return (1 - z @ z).sqrt()

    np.testing.assert_allclose(largest_ratio(Search("bound", 2, ball, restarts=6)), 1.0, rtol=1e-9)
    assert largest_ratio(Search("bound", 2, lambda z: ball(z) * float("nan"), restarts=2)) == float("-inf")


def test_search_stops_where_the_gradient_is_not_finite():
    """A start whose gradient is NaN is given up at once, whatever the steps; its finite value counts."""

    def evaluations(rest: Callable[[torch.Tensor], torch.Tensor], steps: int) -> int:
        calls: list[int] = []

        def ratio(z: torch.Tensor) -> torch.Tensor:
            calls.append(1)
            return 0.75 - rest(0 * z).sum()

        assert largest_ratio(Search("bound", 2, ratio, restarts=1, steps=steps)) == 0.75
        return len(calls)

    assert evaluations(torch.sqrt, 50) == evaluations(torch.sqrt, 10)
    assert evaluations(torch.square, 50) == evaluations(torch.square, 10) + 40  # the control
