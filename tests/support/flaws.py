"""A sound statement made for the checks, and the flaws that they have to report, with the words they do it in."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from strategies import rotation

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
    """Of three to five entries, nearly parallel half of the time, of length 1 or ¾, or y of up to 10% more."""
    size = int(rng.integers(3, 6))
    x, y = (rotation(rng, size, 1)[:, 0] for _ in range(2))
    if rng.random() < 0.5:
        y = x + 0.05 * y
        y = y / np.linalg.norm(y)
    if rng.random() < 0.15:
        return Pair(0.75 * x, 0.75 * y)
    return Pair(x, y * (1 if rng.random() < 0.7 else rng.uniform(1.05, 1.1)))


@dataclass(frozen=True, eq=False)
class Knobbed(Pair):
    """With a number that no claim asks for."""

    knob: float


def of_four(rng: np.random.Generator) -> Pair:
    while len((i := draw(rng)).x) != SIZE:
        pass
    return i


def alike(rng: np.random.Generator) -> Pair:
    x = draw(rng).x
    return Pair(x / np.linalg.norm(x), x / np.linalg.norm(x))


def long(rng: np.random.Generator) -> Pair:
    x = draw(rng).x
    return Pair(x, 10 * x)


def obtuse(rng: np.random.Generator) -> Pair:
    x = draw(rng).x
    return Pair(x, -x)


def at_most_its_own() -> Claim[Pair]:
    return Claim("<=", lambda i: Sides.exact(float(i.x @ i.x), float(np.linalg.norm(i.x) ** 2 + 1e-15)))


def itself() -> Claim[Pair]:
    return Claim("=", lambda i: Sides.exact(float(i.y @ i.y), float(i.y @ i.y)))


def itself_and_noise() -> Claim[Pair]:
    """Rounding, another for each y."""
    return Claim("=", lambda i: Sides.exact(y2 := float(i.y @ i.y), y2 * (1 + 1e-12 * np.sin(1e6 * i.y[0]))))


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


def estimate(slack: float, words: str = "five standard errors") -> dict[str, Claim[Pair]]:
    """x² = 1 by a sample of 400, whose standard error is about 0.07."""

    def sides(i: Pair) -> Sides:
        seed = int(1e9 * abs(i.x[0]))
        return Sides(float(np.mean(np.random.default_rng(seed).standard_normal(400) ** 2)), 1.0, slack)

    return {"estimate": Claim("=", sides, slack=words)}


# for statements without assumptions
FREE: dict[str, Any] = {"assumptions": {}, "violators": {}, "text": "", "search": None}

FLAWS: dict[str, tuple[Callable[[], Statement[Pair]], str]] = {
    "draws outside": (lambda: sound(draw=long), "draw: 100% of the draws are outside the assumptions"),
    "false claim": (lambda: sound(claims={"bound": at_most(-1.5)}, search=None), "holds: bound is violated, Sides("),
    "the same draw": (lambda: sound(draw=lambda _: alike(np.random.default_rng(0))), "holds: 50 draws are 1 instances"),
    "draws far from the border": (
        lambda: sound(draw=lambda rng: replace(i := draw(rng), y=0.7 * np.roll(i.x, 1))),
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
    "border in another unit": (
        lambda: sound(assumptions={"unit length": Border(lambda i: 0.1 * i.margin)}),
        "borders: no draw is further than 20% inside 'unit length'",
    ),
    "draws of one size": (lambda: sound(draw=of_four), "draw: all arrays have the same sizes on every draw"),
    "fixed, whatever is assumed": (
        lambda: sound(
            draw=lambda rng: Knobbed(*vars(draw(rng)).values(), 0.0),
            fixed=frozenset({"knob"}),
            search=None,
            violators={"unit length": lambda rng: Knobbed(*vars(long(rng)).values(), 0.0)},
            extremal=lambda rng: Knobbed(*vars(alike(rng)).values(), 0.0),
        ),
        "needed: knob is fixed, and no violator changes it",
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
    "search that stays where it starts": (
        lambda: sound(search=searched(lambda z: cosine(z.detach()) + 0 * z.sum())),
        "attained: the search reaches only ",
    ),
    "extremal of NaN": (
        lambda: sound(
            draw=lambda rng: replace(i := draw(rng), y=i.y / 1.1),
            extremal=lambda rng: replace(i := alike(rng), y=np.nan * i.y),
            **FREE,
        ),
        "attained: bound has no ratio, [nan]",
    ),
    "search whose instance is the extremal one": (
        lambda: sound(
            search=replace(searched(lambda z: 1 + 0 * z.sum()), instance=lambda _: alike(np.random.default_rng(0)))
        ),
        "attained: the claim's ratio is 1.000000000 wherever the search looks",
    ),
    "violator inside": (
        lambda: sound(violators={"unit length": alike}),
        "needed: the violator of 'unit length' breaks nothing",
    ),
    "violator without effect": (
        lambda: sound(violators={"unit length": lambda rng: Pair(x := draw(rng).x, 3 * np.eye(len(x))[0] - 1e-9)}),
        "needed: every claim survives without 'unit length'",
    ),
    "violator of NaN": (
        lambda: sound(violators={"unit length": lambda rng: Pair((x := draw(rng).x) * np.nan, 3 * x)}),
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
    "a number compared with itself and noise": (
        lambda: sound(claims={**sound().claims, "length": itself_and_noise()}),
        "apart: length is refuted nowhere",
    ),
    "few draws": (lambda: sound(draws=4), "draw: "),
    "one seed used again": (
        lambda: sound(draw=lambda rng: draw(np.random.default_rng(int(rng.integers(30))))),
        "holds: ",
    ),
    "assumption that asks too much": (
        lambda: sound(
            assumptions={"unit length": sound().assumptions["unit length"], "acute": lambda i: bool(i.x @ i.y > 0)},
            violators={"unit length": long, "acute": obtuse},
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
SEVERAL += ("an inequality that is an equality", "a number compared with itself")
