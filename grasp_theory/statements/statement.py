"""What a statement is: claims on instances, with everything needed to check it and to check the checks."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Generic, Literal, TypeVar

import numpy as np

from ..errors import AssumptionError

Kind = Literal["identity", "tight", "upper", "limit", "converse"]
Relation = Literal["=", "<=", ">="]
I = TypeVar("I")  # an instance: whatever frozen record the statement's own file defines

ROUNDING = 1e-9  # slack of an exact statement, relative to the scale of its sides


@dataclass(frozen=True)
class Sides:
    """The two sides of a claim on one instance.

    Attributes:
        slack: what they may differ by although the claim is true: rounding for exact statements (``exact``), standard
            errors and the stated finite-size term for limits, the convergence of a training run.
        scale: of an exact statement, what rounding is relative to; None for the others.
    """

    measured: float
    bound: float
    slack: float
    scale: float | None = None

    @classmethod
    def exact(cls, measured: float, bound: float, *, scale: float = 1.0) -> Sides:
        """Sides that differ by rounding alone: slack 1e-9 of the larger of ``scale``, |measured| and |bound|."""
        largest = max(scale, abs(measured), abs(bound))
        return cls(float(measured), float(bound), ROUNDING * largest, float(largest))

    @property
    def finite(self) -> bool:
        """Whether measured, bound and slack are numbers."""
        return bool(np.isfinite([self.measured, self.bound, self.slack]).all())


@dataclass(frozen=True)
class Claim(Generic[I]):
    """measured (relation) bound.

    Attributes:
        tight: the inequality is attained, so the largest measured/bound must reach 1.
        slack: how the slack of sides that are not exact was derived, in words.
        bitwise: both sides, computed apart, come out the same to the last bit; else that is one number on both.
    """

    relation: Relation
    sides: Callable[[I], Sides]
    tight: bool = False
    slack: str = ""
    bitwise: bool = False

    def holds(self, instance: I) -> bool:
        """Whether it is true on this instance; NaN on either side is false."""
        return self.true_of(self.sides(instance))

    def refuted_by(self, instance: I) -> bool:
        """Whether it is false with finite sides: NaN is no evidence."""
        s = self.sides(instance)
        return s.finite and not self.true_of(s)

    def true_of(self, s: Sides) -> bool:
        """Whether these sides stand in the relation."""
        if not s.finite:
            return False
        gap = s.measured - s.bound
        return {"=": abs(gap) <= s.slack, "<=": gap <= s.slack, ">=": gap >= -s.slack}[self.relation]


def exact(
    relation: Relation,
    measured: Callable[[I], Any],
    bound: Callable[[I], Any],
    *,
    scale: Callable[[I], Any] = lambda i: 1.0,
    tight: bool = False,
) -> Claim[I]:
    """The claim between two numbers of an instance that differ by rounding alone, relative to a third."""
    return Claim(relation, lambda i: Sides.exact(measured(i), bound(i), scale=float(scale(i))), tight)


@dataclass(frozen=True)
class Border(Generic[I]):
    """An assumption with a border: an inequality between numbers of the instance.

    Attributes:
        margin: relative distance from the border, positive inside (beta/(2 tau) − 1 for tau < beta/2). The draws must
            come within 20% of it on both sides.
        sharp: whether a claim fails just outside; then some draw there must show it. False for an assumption that is
            only sufficient.
    """

    margin: Callable[[I], float]
    sharp: bool = True

    def __call__(self, instance: I) -> bool:
        """Whether the instance is inside; not on the border."""
        return bool(self.margin(instance) > 0)


@dataclass(frozen=True)
class Search(Generic[I]):
    """An adversarial search for the largest measured/bound of the claim ``of`` under the assumptions.

    Attributes:
        ratio: takes a torch float64 vector of ``size`` free parameters and returns a 0-dimensional tensor,
            differentiable; every parameter value satisfies the assumptions by construction (e.g. T = tau * X/‖X‖₂).
        instance: makes the statement's instance of the same vector (in numpy), on which the claim itself is evaluated:
            what the search found counts only there.
    """

    of: str
    size: int
    ratio: Callable[[Any], Any]
    instance: Callable[[np.ndarray], I]
    restarts: int = 6
    steps: int = 300


@dataclass(frozen=True)
class Route(Generic[I]):
    """A second computation of one side of the claim ``of``, sharing no function of this library with the first.

    Attributes:
        other: the value by the second way.
        side: which side it is.
        slack: how far the two may be apart (the accuracy of an optimiser or an integral), a number or a function of the
            instance.
        given: names of functions that both may call because they are the instance's data ("Instance.M"); a cached
            property of the instance is computed once for both.
    """

    of: str
    other: Callable[[I], float]
    slack: float | Callable[[I], float]
    side: Literal["measured", "bound"] = "bound"
    given: tuple[str, ...] = ()


@dataclass(frozen=True)
class Rate:
    """The order at which a limit is approached: error(size, rng) = constant * size^order.

    Attributes:
        error: root mean square error at one size, over enough trials that its own noise is below 10%.
        tolerance: how far the fitted slope, with its standard error, may be from ``order`` (finite-size curvature).
        constant: the error at the largest size must lie within 25% of constant * size^order, so that a wrong limit,
            whose error stays, cannot pass. Derived, or measured once where no formula for it is known.
        exact: the error is computed, not sampled: it does not depend on rng.
    """

    of: str
    sizes: tuple[int, ...]
    error: Callable[[int, np.random.Generator], float]
    order: float
    tolerance: float
    constant: float
    deep_sizes: tuple[int, ...] = ()
    exact: bool = False


@dataclass(frozen=True)
class Statement(Generic[I]):
    """One statement of the theory, with what is needed to check it.

    Attributes:
        key: its name, with underscores that of its folder.
        kind: identity, tight, upper, limit or converse.
        law: it in one line.
        basis: "proved here", "proved in <source>" or "checked numerically"; never "proved" for a numeric check.
        assumptions: name -> predicate or ``Border``; an instance that fails one is outside the statement. The text
            lists the same names, after "Assumes:".
        draw: a planted instance: sizes, strengths, gaps drawn, dense random directions. It may fall outside the
            assumptions (it is then rejected and counted), but must not be vacuous by construction.
        claims: name -> claim.
        extremal: instances on which the tight claims are attained.
        violators: assumption -> instance that breaks exactly that one, and on which a claim fails with finite sides.
        regimes: borders within the law (beta = beta_c), name -> relative distance; the draws come close on both sides.
        always: exact equalities that are true of every instance, or nearly, whatever is assumed; any other has to be
            refuted by a violator or by a draw outside the assumptions, so that its two sides are two things.
        fixed: fields that are the same on every draw because an assumption says so; all others have to vary.
        route: one side of a claim by a computation that shares nothing with the first but the instance.
        variants: name -> false variant of a claim; the same checks must refute each. ``find`` adds them from the
            folder's ``variants.py``.
        blind: those of the variants whose author had seen the docstring and the claims, not the draws nor the checks.
        text: the docstring of its folder; ``find`` adds it.
    """

    key: str
    kind: Kind
    law: str
    basis: str
    assumptions: Mapping[str, Border[I] | Callable[[I], bool]]
    draw: Callable[[np.random.Generator], I]
    claims: Mapping[str, Claim[I]]
    extremal: Callable[[np.random.Generator], I] | None = None
    violators: Mapping[str, Callable[[np.random.Generator], I]] = field(default_factory=dict)
    regimes: Mapping[str, Callable[[I], float]] = field(default_factory=dict)
    always: frozenset[str] = frozenset()
    fixed: frozenset[str] = frozenset()
    search: Search[I] | None = None
    route: Route[I] | None = None
    rates: tuple[Rate, ...] = ()
    draws: int = 200
    variants: Mapping[str, Claim[I]] = field(default_factory=dict)
    blind: frozenset[str] = frozenset()
    text: str = ""

    def broken(self, instance: I) -> list[str]:
        """The assumptions that the instance fails."""
        return [name for name, holds in self.assumptions.items() if not holds(instance)]

    def evaluate(self, instance: I) -> dict[str, Sides]:
        """Both sides of every claim. Raises AssumptionError, naming the assumptions, for an instance outside them."""
        broken = self.broken(instance)
        if broken:
            raise AssumptionError(f"{self.key} assumes: {'; '.join(broken)}. The instance does not satisfy it")
        sides = {name: claim.sides(instance) for name, claim in self.claims.items()}
        for name, s in sides.items():
            if not s.finite:
                raise AssumptionError(f"{self.key}, claim {name}: a side is not finite on this instance ({s})")
        return sides


def assumed(text: str) -> set[str]:
    """The assumptions that a statement's text lists: after "Assumes:", separated by semicolons, up to a blank line."""
    found = re.search(r"^ *Assumes: (.*?)(?:\n\s*\n|\Z)", text, flags=re.MULTILINE | re.DOTALL)
    if found is None:
        return set()
    return {" ".join(name.split()) for name in found[1].removesuffix(".").split(";")}
