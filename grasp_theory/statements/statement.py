"""What a statement is: claims on instances, with everything needed to check it and to check the checks."""

from __future__ import annotations

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

    slack : what they may differ by although the claim is true: rounding for exact statements (``exact``), standard
        errors and the stated finite-size term for limits.
    """

    measured: float
    bound: float
    slack: float

    @classmethod
    def exact(cls, measured: float, bound: float, *, scale: float = 1.0) -> Sides:
        """Sides that differ by rounding alone: slack 1e-9 of the larger of ``scale``, |measured| and |bound|."""
        return cls(float(measured), float(bound), ROUNDING * max(scale, abs(measured), abs(bound)))


@dataclass(frozen=True)
class Claim(Generic[I]):
    """measured (relation) bound. tight : the inequality is attained, so the largest measured/bound must reach 1."""

    relation: Relation
    sides: Callable[[I], Sides]
    tight: bool = False

    def holds(self, instance: I) -> bool:
        """Whether it is true on this instance; NaN on either side is false."""
        s = self.sides(instance)
        if not np.isfinite([s.measured, s.bound, s.slack]).all():
            return False
        gap = s.measured - s.bound
        return {"=": abs(gap) <= s.slack, "<=": gap <= s.slack, ">=": gap >= -s.slack}[self.relation]


@dataclass(frozen=True)
class Search:
    """An adversarial search for the largest measured/bound of the claim ``of`` under the assumptions.

    ratio : takes a torch float64 vector of ``size`` free parameters and returns a 0-dimensional tensor, differentiable;
        every parameter value satisfies the assumptions by construction (e.g. T = tau * X/‖X‖₂).
    """

    of: str
    size: int
    ratio: Callable[[Any], Any]
    restarts: int = 6
    steps: int = 300


@dataclass(frozen=True)
class Rate:
    """The order at which a limit is approached: error(size, rng) ~ size^order.

    error : root mean square error at one size, over enough trials that its own noise is below 10%.
    tolerance : how far the fitted slope may be from ``order`` at these sizes (finite-size curvature).
    """

    of: str
    sizes: tuple[int, ...]
    error: Callable[[int, np.random.Generator], float]
    order: float
    tolerance: float
    deep_sizes: tuple[int, ...] = ()


@dataclass(frozen=True)
class Statement(Generic[I]):
    """One statement of the theory, with what is needed to check it seven ways.

    key : its name, with underscores that of its folder. kind : identity, tight, upper, limit or converse.
    law : it in one line.
    basis : "proved here", "proved in <source>" or "checked numerically"; never "proved" for a numeric check.
    assumptions : name -> predicate; an instance that fails one is outside the statement.
    draw : a planted instance: sizes, strengths, gaps drawn, dense random directions. It may fall outside the
        assumptions (it is then rejected and counted), but must not be vacuous by construction.
    claims : name -> claim.
    extremal : instances on which the tight claims are attained.
    violators : assumption -> instance that breaks exactly that one, and on which a claim fails.
    route : two values of one quantity by computations that share nothing but the instance.
    variants : name -> false variant of a claim; the same checks must refute each. ``find`` adds them from the folder's
        ``variants.py``.
    blind : those of the variants whose author had seen the docstring and the claims, not the draws nor the checks.
    """

    key: str
    kind: Kind
    law: str
    basis: str
    assumptions: Mapping[str, Callable[[I], bool]]
    draw: Callable[[np.random.Generator], I]
    claims: Mapping[str, Claim[I]]
    extremal: Callable[[np.random.Generator], I] | None = None
    violators: Mapping[str, Callable[[np.random.Generator], I]] = field(default_factory=dict)
    search: Search | None = None
    route: Callable[[I], Sides] | None = None
    rates: tuple[Rate, ...] = ()
    draws: int = 200
    variants: Mapping[str, Claim[I]] = field(default_factory=dict)
    blind: frozenset[str] = frozenset()

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
            if not np.isfinite([s.measured, s.bound, s.slack]).all():
                raise AssumptionError(f"{self.key}, claim {name}: a side is not finite on this instance ({s})")
        return sides
