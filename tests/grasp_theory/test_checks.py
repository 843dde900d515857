"""The checks on a statement made for them: a sound one passes all, and each flaw is reported by its own check."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pytest
import torch
from strategies import rotation

from grasp_theory import AssumptionError
from grasp_theory.statements.checks import find, verify
from grasp_theory.statements.outcome import Outcome
from grasp_theory.statements.search import largest_ratio
from grasp_theory.statements.statement import Border, Claim, Rate, Route, Search, Sides, Statement

SIZE = 4


@dataclass(frozen=True, eq=False)
class Pair:
    """Two vectors, of length at most 1 by assumption."""

    x: np.ndarray
    y: np.ndarray

    @property
    def margin(self) -> float:
        return 1 / max(np.linalg.norm(self.x), np.linalg.norm(self.y)) - 1 + 1e-12


def draw(rng: np.random.Generator) -> Pair:
    """Nearly parallel half of the time, of length 1 or up to 10% longer."""
    x, y = rotation(rng, SIZE, 1)[:, 0], rotation(rng, SIZE, 1)[:, 0]
    if rng.random() < 0.5:
        y = x + 0.05 * y
        y = y / np.linalg.norm(y)
    return Pair(x, y * (1 if rng.random() < 0.7 else rng.uniform(1.05, 1.1)))


def alike(rng: np.random.Generator) -> Pair:
    x = draw(rng).x
    return Pair(x, x)


def long(rng: np.random.Generator) -> Pair:
    x = draw(rng).x
    return Pair(x, 10 * x)


def aligned(rng: np.random.Generator, size: float) -> Pair:
    x = draw(rng).x
    return Pair(x, size * x)


def obtuse(rng: np.random.Generator) -> Pair:
    x = draw(rng).x
    return Pair(x, -x)


def at_most_its_own() -> Claim[Pair]:
    return Claim("<=", lambda i: Sides.exact(float(i.x @ i.x), float(np.linalg.norm(i.x) ** 2 + 1e-15)))


def itself() -> Claim[Pair]:
    return Claim("=", lambda i: Sides.exact(float(i.y @ i.y), float(i.y @ i.y)))


def at_most(bound: float, *, tight: bool = False) -> Claim[Pair]:
    return Claim("<=", lambda i: Sides.exact(float(i.x @ i.y), bound), tight)


def cosine(z: torch.Tensor) -> torch.Tensor:
    return z[:SIZE] @ z[SIZE:] / (z[:SIZE].norm() * z[SIZE:].norm())


def pair(z: np.ndarray) -> Pair:
    return Pair(z[:SIZE] / np.linalg.norm(z[:SIZE]), z[SIZE:] / np.linalg.norm(z[SIZE:]))


def polarised(i: Pair) -> float:
    return float(np.sum((i.x + i.y) ** 2) - np.sum((i.x - i.y) ** 2)) / 4


def searched(ratio: Callable[[torch.Tensor], torch.Tensor] = cosine) -> Search[Pair]:
    return Search("bound", 2 * SIZE, ratio, pair, restarts=1, steps=100)


def mean_error(size: int, rng: np.random.Generator) -> float:
    return float(np.sqrt(np.mean(rng.standard_normal((2000, size)).mean(axis=1) ** 2)))


def rate(error: Callable[[int, np.random.Generator], float] = mean_error, order: float = -0.5, **fields: Any) -> Rate:
    return Rate("mean", (4, 16, 64), error, order, **{"tolerance": 0.1, "constant": 1.0, **fields})


def sound(**fields: Any) -> Statement[Pair]:
    """xᵀy <= 1 for vectors of length at most 1, attained by y = x; with these fields in place of its own."""
    return replace(
        Statement(
            key="cauchy-schwarz",
            kind="limit",
            law="xᵀy <= 1",
            basis="proved here",
            assumptions={"unit length": Border(lambda i: i.margin)},
            draw=draw,
            claims={"bound": at_most(1.0, tight=True)},
            variants={"half of it": at_most(0.5), "obtuse": at_most(0.0)},
            extremal=alike,
            violators={"unit length": long},
            search=searched(),
            route=Route("bound", polarised, 1e-12, "measured"),
            rates=(rate(),),
            draws=50,
            text="xᵀy <= 1.\n\nAssumes: unit\nlength.\n\nProof (here).",
        ),
        **fields,
    )


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


def estimate(slack: float, words: str = "five standard errors") -> dict[str, Claim[Pair]]:
    """x² = 1 by a sample of 400, whose standard error is about 0.07."""

    def sides(i: Pair) -> Sides:
        seed = int(1e9 * abs(i.x[0]))
        return Sides(float(np.mean(np.random.default_rng(seed).standard_normal(400) ** 2)), 1.0, slack)

    return {"estimate": Claim("=", sides, slack=words)}


FLAWS: dict[str, tuple[Callable[[], Statement[Pair]], str]] = {
    "draws outside": (lambda: sound(draw=long), "draw: 100% of the draws are outside the assumptions"),
    "false claim": (lambda: sound(claims={"bound": at_most(-1.5)}, search=None), "holds: bound is violated, Sides("),
    "the same draw": (lambda: sound(draw=lambda _: alike(np.random.default_rng(0))), "holds: 50 draws are 1 instances"),
    "draws far from the border": (
        lambda: sound(draw=lambda rng: replace(draw(rng), y=0.7 * rotation(rng, SIZE, 1)[:, 0])),
        "borders: no draw is within 20%, outside 'unit length'",
    ),
    "border too wide": (
        lambda: sound(assumptions={"unit length": Border(lambda i: i.margin + 0.2)}),
        "holds: bound is violated, Sides(",
    ),
    "border too narrow": (
        lambda: sound(claims={"bound": at_most(2.0)}, search=None),
        "borders: every claim survives just outside 'unit length' (",
    ),
    "regime not approached": (
        lambda: sound(regimes={"long": lambda i: float(i.y @ i.y) - 3}),
        "borders: no draw is within 20%, either side of 'long'",
    ),
    "another rounding": (
        lambda: sound(
            claims={"bound": replace(at_most(1.0, tight=True), sides=lambda i: Sides(float(i.x @ i.y), 1.0, 1e-8, 1.0))}
        ),
        "slack: bound has another rounding than 1e-9",
    ),
    "slack without a reason": (lambda: sound(claims=estimate(0.35, ""), **NO_BOUND), "slack: estimate does not say"),
    "slack ten times too wide": (lambda: sound(claims=estimate(3.5), **NO_BOUND), "slack: estimate has "),
    "extremal outside": (lambda: sound(extremal=long), "attained: the extremal instance breaks ['unit length']"),
    "search beyond the claim": (
        lambda: sound(search=searched(lambda z: 2 * cosine(z))),
        "attained: the search finds 2.000000000 where the claim's own ratio is 1.00",
    ),
    "search that returns 1": (
        lambda: sound(search=searched(lambda z: 1 + 0 * z.sum())),
        "attained: the search finds 1.000000000 where the claim's own ratio is ",
    ),
    "exceeded by search": (
        lambda: sound(search=replace(searched(), instance=lambda z: replace(i := pair(z), y=1.1 * i.y))),
        "attained: the optimum of the search breaks ['unit length']",
    ),
    "never attained": (
        lambda: sound(claims={"bound": at_most(4.0, tight=True)}, assumptions={}, violators={}, search=None, text=""),
        "attained: bound reaches only 0.250000 of its bound",
    ),
    "attained, and not said to be": (
        lambda: sound(claims={"bound": at_most(1.0)}, search=None),
        "attained: bound reaches its bound and is not said to be tight",
    ),
    "search whose instance is the extremal one": (
        lambda: sound(
            search=replace(searched(lambda z: 1 + 0 * z.sum()), instance=lambda _: alike(np.random.default_rng(0)))
        ),
        "attained: the search finds 1.000000000 where the claim's own ratio is ",
    ),
    "violator inside": (
        lambda: sound(violators={"unit length": alike}),
        "needed: the violator of 'unit length' breaks nothing",
    ),
    "violator without effect": (
        lambda: sound(violators={"unit length": lambda rng: Pair(draw(rng).x, 3 * np.eye(SIZE)[0] - 1e-9)}),
        "needed: every claim survives without 'unit length'",
    ),
    "violator of NaN": (
        lambda: sound(violators={"unit length": lambda rng: Pair(draw(rng).x * np.nan, 3 * draw(rng).x)}),
        "needed: every claim survives without 'unit length'",
    ),
    "no violator": (lambda: sound(violators={}), "needed: no violator of 'unit length'"),
    "assumption the text does not name": (lambda: sound(text=""), "needed: the text does not assume unit length"),
    "assumption removed": (
        lambda: sound(assumptions={}, violators={}, draw=lambda rng: alike(rng)),
        "needed: the text assumes unit length, which nothing checks",
    ),
    "true variant": (
        lambda: sound(variants={"half of it": at_most(0.5), "twice": at_most(2.0)}),
        "false variants: 'twice' survives ",
    ),
    "one variant": (
        lambda: sound(variants={"half of it": at_most(0.5)}),
        "false variants: a statement needs at least two",
    ),
    "another route": (
        lambda: sound(route=Route("bound", lambda i: float(i.x @ i.y) + 1e-11, 1e-12, "measured")),
        "two routes: measured of bound: ",
    ),
    "route of NaN": (
        lambda: sound(route=Route("bound", lambda i: float("nan"), 1e-12, "measured")),
        "two routes: measured of bound: ",
    ),
    "route beside the claim, of no instance": (
        lambda: sound(route=Route("bound", polarised, 1e-12, "measured", given=("at_most.<locals>.<lambda>",))),
        "two routes: at_most.<locals>.<lambda> is no attribute of an instance",
    ),
    "an inequality that is an equality": (
        lambda: sound(claims={**sound().claims, "length": at_most_its_own()}),
        "holds: length is an equality on every draw",
    ),
    "a number compared with itself": (
        lambda: sound(claims={**sound().claims, "length": itself()}),
        "holds: length compares a number with itself",
    ),
    "few draws": (lambda: sound(draws=4), "draw: "),
    "one seed used again": (
        lambda: sound(draw=lambda rng: draw(np.random.default_rng(int(rng.integers(30))))),
        "holds: ",
    ),
    "assumption that asks too much": (
        lambda: sound(
            assumptions={"unit length": sound().assumptions["unit length"], "acute": lambda i: bool(i.x @ i.y > 0)},
            violators={"unit length": lambda rng: aligned(rng, 10.0), "acute": obtuse},
            claims={**sound().claims, "acute": Claim(">=", lambda i: Sides.exact(float(i.x @ i.y), -0.99))},
            text="Assumes: unit length; acute.",
        ),
        "needed: every claim survives on the ",
    ),
    "false variant of NaN": (
        lambda: sound(variants={"half of it": at_most(0.5), "nothing": at_most(float("nan"))}),
        "false variants: 'nothing' survives ",
    ),
    "a computed rate that is the line": (
        lambda: sound(rates=(rate(lambda n, rng: n**-0.5, exact=True),)),
        "rate: mean: the errors are the predicted line itself",
    ),
    "limit without a rate": (lambda: sound(rates=()), "rate: a limit needs one"),
    "another rate": (lambda: sound(rates=(rate(order=-1.0),)), "rate: mean: slope -0."),
    "a bad fit": (
        lambda: sound(rates=(rate(lambda n, rng: mean_error(n, rng) * {4: 2.0, 16: 0.5, 64: 1.0}[n]),)),
        "rate: mean: ",
    ),
    "a wrong limit": (
        lambda: sound(rates=(rate(lambda n, rng: mean_error(n, rng) + 0.05, tolerance=0.2),)),
        "rate: mean: error 0.1",
    ),
    "rate = size^order": (
        lambda: sound(rates=(rate(lambda n, rng: n**-0.5),)),
        "rate: mean: the error of a new sample is the same number",
    ),
}
# for statements about something else than the bound
NO_BOUND: dict[str, Any] = {
    "extremal": None,
    "search": None,
    "route": None,
    "assumptions": {},
    "violators": {},
    "text": "",
    "variants": {
        "twice": Claim("=", lambda i: Sides.exact(1.0, 2.0)),
        "none": Claim("=", lambda i: Sides.exact(1.0, 0)),
    },
}


# flaws that leave nothing for the later checks, or that a second check sees too
SEVERAL = ("draws outside", "false claim", "the same draw", "draws far from the border", "border too wide")
SEVERAL += ("extremal outside", "search that returns 1", "exceeded by search", "assumption removed", "few draws")


@pytest.mark.parametrize("flaw", list(FLAWS))
def test_checks_report_each_flaw(flaw):
    make, words = FLAWS[flaw]
    outcome = verify(make())
    assert not outcome.stands
    assert [f for f in outcome.failures if f.startswith(words)], outcome.failures
    kinds = {f.split(":")[0] for f in outcome.failures}
    if flaw not in SEVERAL:
        assert kinds == {words.split(":")[0]}


def test_checks_report_a_false_claim_at_most_five_times():
    outcome = verify(sound(claims={"bound": at_most(-1.5)}, search=None))
    assert sum(f.startswith("holds:") for f in outcome.failures) == 5
    assert outcome.held == 0 < outcome.draws


def test_checks_without_assumptions_need_no_violator():
    outcome = verify(
        sound(
            **{**NO_BOUND, "variants": sound().variants},
            claims={"bound": at_most(1.0)},
            draw=lambda rng: Pair(draw(rng).x, draw(rng).x),
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
    assert outcome.failures == [
        "derived: slip does not simplify to 0",
        "derived: nothing is 0 before it is simplified",
    ]
    monkeypatch.setattr(noise_floor, "residuals", lambda: {"binomial": residuals["binomial"]})
    monkeypatch.setattr(noise_floor, "twin", lambda i: {"bound": 0.0}, raising=False)
    assert verify(sound(key="noise-floor")).failures == ["derived: the expression of 'bound' is 0 where its bound is 1"]
    monkeypatch.setattr(noise_floor, "twin", lambda i: {}, raising=False)
    assert verify(sound(key="noise-floor")).failures == [
        "derived: no derived expression is compared with a claim on an instance"
    ]


@pytest.mark.slow
def test_verify_takes_a_statement_or_its_key():
    (statement,) = find(["ablation-cost"])
    outcome = verify("ablation-cost", seed=3)
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
