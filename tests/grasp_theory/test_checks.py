"""The checks on a statement made for them: a sound one passes all, and each flaw is reported by its own check."""

from __future__ import annotations

import sys
from collections.abc import Callable
from cProfile import Profile
from dataclasses import replace
from types import FrameType

import numpy as np
import pytest
import torch
from flaws import FLAWS, NO_BOUND, SEVERAL, Pair, alike, at_most, draw, sound

from grasp_theory import AssumptionError
from grasp_theory.statements import checks, derivations, posterior_angle, rates, routes
from grasp_theory.statements.checks import find, verify
from grasp_theory.statements.outcome import Outcome
from grasp_theory.statements.search import largest_ratio
from grasp_theory.statements.statement import Search, Sides


def test_checks_pass_a_sound_statement():
    outcome = verify(sound())
    assert outcome.failures == []
    assert outcome.stands
    assert outcome.held == outcome.draws > 25
    assert (outcome.needed, outcome.variants, outcome.derived) == ((1, 1), (2, 2), None)
    assert (outcome.borders, outcome.decided) == ((1, 1), None)
    assert outcome.best_ratio is not None
    np.testing.assert_allclose(outcome.best_ratio, 1.0, rtol=1e-6)
    assert outcome.route is not None
    assert outcome.route <= 1
    assert [rate.holds for rate in outcome.rates] == [True]


@pytest.mark.parametrize("flaw", list(FLAWS))
def test_checks_report_each_flaw(flaw):
    make, words = FLAWS[flaw]
    outcome = verify(make())
    assert not outcome.stands
    assert [f for f in outcome.failures if f.startswith(words)], outcome.failures
    kinds = {f.split(":")[0] for f in outcome.failures}
    if flaw not in SEVERAL:
        assert kinds == {words.split(":")[0]}


def test_thresholds_of_the_checks_are_these():
    """None of them is seen by a statement that stands: one that is loosened would go unnoticed."""
    assert (checks.ATTAINED, checks.EXCEEDED, checks.USED, checks.SCALED) == (0.999, 1 + 1e-9, 0.1, 1e-3)
    assert (checks.MAX_REJECTED, checks.NEAR, checks.DISTINCT) == (0.9, 0.2, 0.9)
    assert (checks.FEWEST, checks.VIOLATIONS, checks.TWINS, checks.ROUTED, checks.STARTS) == (6, 3, 5, 25, 2)
    assert (checks.ROUNDING, derivations.AGREE, derivations.STEPS) == (1e-9, 1e-6, 10_000_000)
    assert (rates.WIDEST, rates.SPAN, rates.LINE, rates.STRAIGHT) == (0.2, 4, 0.25, 1e-9)
    assert (routes.ACCURATE, routes.FEW) == (0.01, 3)
    assert (derivations.NUDGE, derivations.LITTLE) == (1e-8, 1e-2)


def test_checks_report_a_false_claim_at_most_five_times():
    outcome = verify(sound(claims={"bound": at_most(-1.5)}, search=None))
    assert sum(f.startswith("holds:") for f in outcome.failures) == 5
    assert outcome.held == 0 < outcome.draws


def test_checks_without_assumptions_need_no_violator():
    outcome = verify(
        sound(
            **{**NO_BOUND, "variants": sound().variants},
            claims={"bound": at_most(1.0)},
            draw=lambda rng: Pair(x := draw(rng).x, np.roll(x, 1)),
        )
    )
    assert (outcome.needed, outcome.failures) == (None, [])


@pytest.mark.slow
def test_checks_report_a_residual_that_is_not_zero(monkeypatch):
    import sympy

    from grasp_theory.statements.noise_floor import symbolic as noise_floor

    x = sympy.Symbol("x")
    residuals = {
        "binomial": (x + 1) ** 2 - x**2 - 2 * x - 1,
        "slip": (x + 1) ** 2 - x**2 - 1,
        "nothing": sympy.Integer(0),
    }
    monkeypatch.setattr(noise_floor, "residuals", lambda: residuals)
    monkeypatch.setattr(noise_floor, "twin", lambda i: {"bound": 1.0}, raising=False)
    outcome = verify(sound(key="noise-floor"))
    assert outcome.derived == (1, 3)
    assert outcome.failures == ["derived: slip does not simplify to 0", "derived: nothing is 0 before it is simplified"]
    monkeypatch.setattr(noise_floor, "residuals", lambda: {"binomial": residuals["binomial"]})
    monkeypatch.setattr(noise_floor, "twin", lambda i: {"bound": 0.0}, raising=False)
    assert verify(sound(key="noise-floor")).failures == ["derived: the expression of 'bound' is 0 where its bound is 1"]
    monkeypatch.setattr(noise_floor, "twin", lambda i: {}, raising=False)
    assert verify(sound(key="noise-floor")).failures == [
        "derived: no derived expression is compared with a claim on an instance"
    ]


@pytest.mark.slow
def test_verify_takes_a_statement_or_its_key():
    (statement,) = find(["scalar-output"])
    outcome = verify("scalar-output", seed=3)
    assert isinstance(outcome, Outcome)
    assert outcome == verify(statement, seed=3)


def test_evaluate_gives_both_sides_and_refuses_what_is_not_finite():
    i = alike(np.random.default_rng(0))
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

    np.testing.assert_allclose(largest_ratio(Search("bound", 2, ball, replace, restarts=6))[0], 1.0, rtol=1e-9)
    nan = Search("bound", 2, lambda z: ball(z) * float("nan"), replace, restarts=2)
    assert largest_ratio(nan)[0] == float("-inf")


def test_routes_are_told_apart_under_another_profiler():
    """It goes on afterwards; so does a function that is called at each call."""
    (statement,) = find(["posterior-angle"])
    assert statement.route is not None
    claim, instances = statement.claims[statement.route.of], [posterior_angle.extremal(np.random.default_rng(0))]
    lazy = replace(statement, route=replace(statement.route, other=lambda i: claim.sides(i).bound))

    def found() -> list[str]:
        return [words[:14] for words in routes.differences(lazy, instances)[1]]

    def afterwards() -> None:
        pass

    profile = Profile()
    assert found() == ["both ways call"]
    with profile:
        assert found() == ["both ways call"]
        assert routes.differences(statement, instances)[1] == []
        afterwards()
    assert [entry for entry in profile.getstats() if entry.code is afterwards.__code__]

    def note(frame: FrameType, event: str, arg: object) -> None:
        pass

    before = sys.getprofile()
    sys.setprofile(note)
    try:
        routes.called(lambda: None)
        assert sys.getprofile() is note
    finally:
        sys.setprofile(before)


def test_search_stops_where_the_gradient_is_not_finite():
    """A start whose gradient is NaN is given up at once, whatever the steps; its finite value counts."""

    def evaluations(rest: Callable[[torch.Tensor], torch.Tensor], steps: int) -> int:
        calls: list[int] = []

        def ratio(z: torch.Tensor) -> torch.Tensor:
            calls.append(1)
            return 0.75 - rest(0 * z).sum()

        assert largest_ratio(Search("bound", 2, ratio, replace, restarts=1, steps=steps))[0] == 0.75
        return len(calls)

    assert evaluations(torch.sqrt, 50) == evaluations(torch.sqrt, 10)
    assert evaluations(torch.square, 50) == evaluations(torch.square, 10) + 40  # the control
