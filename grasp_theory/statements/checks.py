"""The seven checks of a statement: holds, attained, needed, derived, rate, two routes, false variants."""

from __future__ import annotations

import zlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from .registry import find, symbolic
from .search import largest_ratio
from .statement import Claim, Rate, Statement

ATTAINED = 0.999  # a tight claim must reach this
EXCEEDED = 1 + 1e-9  # and never this
MAX_REJECTED = 0.9  # of the draws; beyond it the generator does not test the statement
SLOPE_Z = 3.0


@dataclass(frozen=True)
class RateFound:
    """A fitted order with its standard error, beside the predicted one."""

    of: str
    sizes: tuple[int, ...]
    errors: tuple[float, ...]
    slope: float
    standard_error: float
    order: float
    holds: bool


@dataclass
class Outcome:
    """Result of all checks of one statement. None: the check does not apply to its kind.

    held/draws : draws inside the assumptions on which every claim held. rejected : share of draws outside them.
    best_ratio : the largest measured/bound of a tight claim found by extremal instance or search.
    needed : assumptions shown needed / assumptions. variants : refuted / all; variant_draws : draws the slowest needed.
    derived : symbolic residuals that simplify to 0 / all. route : largest difference of the two routes in slacks.
    failures : what went wrong, in words; empty if the statement stands.
    """

    key: str
    kind: str
    basis: str
    draws: int = 0
    held: int = 0
    rejected: float = 0.0
    best_ratio: float | None = None
    needed: tuple[int, int] | None = None
    variants: tuple[int, int] = (0, 0)
    variant_draws: int = 0
    derived: tuple[int, int] | None = None
    route: float | None = None
    rates: list[RateFound] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)

    @property
    def stands(self) -> bool:
        """Whether no check failed."""
        return not self.failures

    @classmethod
    def of(cls, record: Mapping[str, Any]) -> Outcome:
        """The outcome that ``plain`` of the reports made this record of. TypeError if it is none."""
        pairs = {name: record[name] and tuple(record[name]) for name in ("needed", "variants", "derived")}
        rates = [RateFound(**r | {"sizes": tuple(r["sizes"]), "errors": tuple(r["errors"])}) for r in record["rates"]]
        return cls(**{**record, **pairs, "rates": rates})


def verify(statement: Statement[Any] | str, *, deep: bool = False, seed: int = 0) -> Outcome:
    """All checks that apply to one statement, given by its key or itself.

    Deterministic for a seed, whatever else is verified beside it. deep : ten times the draws, larger sizes, longer
    searches. Raises InputError for a key that no statement has. Cost: seconds; up to a minute for limits.
    """
    if isinstance(statement, str):
        (statement,) = find([statement])
    rng = np.random.default_rng([seed, zlib.crc32(statement.key.encode())])
    outcome = Outcome(statement.key, statement.kind, statement.basis)
    instances = _draw(statement, statement.draws * (10 if deep else 1), rng, outcome)
    check_holds(statement, instances, outcome)
    check_attained(statement, rng, outcome, deep=deep)
    check_needed(statement, rng, outcome)
    check_variants(statement, instances, rng, outcome)
    check_derived(statement, outcome)
    check_route(statement, instances, outcome)
    check_rates(statement, rng, outcome, deep=deep)
    return outcome


def _draw(statement: Statement[Any], count: int, rng: np.random.Generator, outcome: Outcome) -> list[Any]:
    """Instances inside the assumptions; the others are counted."""
    drawn = [statement.draw(rng) for _ in range(count)]
    inside = [instance for instance in drawn if not statement.broken(instance)]
    outcome.draws, outcome.rejected = len(inside), 1 - len(inside) / count
    if outcome.rejected > MAX_REJECTED:
        outcome.failures.append(f"draw: {100 * outcome.rejected:.0f}% of the draws are outside the assumptions")
    return inside


def check_holds(statement: Statement[Any], instances: list[Any], outcome: Outcome) -> None:
    """*holds*: every claim on every instance."""
    for instance in instances:
        failed = [name for name, claim in statement.claims.items() if not claim.holds(instance)]
        outcome.held += not failed
        if failed and len(outcome.failures) < 5:
            name = failed[0]
            outcome.failures.append(f"holds: {name} is violated, {statement.claims[name].sides(instance)}")


def check_attained(statement: Statement[Any], rng: np.random.Generator, outcome: Outcome, *, deep: bool) -> None:
    """*attained*: tight claims reach their bound on the extremal instance or by adversarial search, and not beyond."""
    ratios: dict[str, list[float]] = {name: [] for name, claim in statement.claims.items() if claim.tight}
    if statement.extremal is not None:
        instance = statement.extremal(rng)
        if statement.broken(instance):
            outcome.failures.append(f"attained: the extremal instance breaks {statement.broken(instance)}")
        for name in ratios:
            ratios[name].append(_ratio(statement.claims[name], instance))
    if statement.search is not None:
        found = largest_ratio(statement.search, deep=deep, seed=int(rng.integers(2**31)))
        ratios.setdefault(statement.search.of, []).append(found)
    for name, values in ratios.items():
        best = max(values, default=0.0)
        outcome.best_ratio = best if outcome.best_ratio is None else min(outcome.best_ratio, best)
        if best > EXCEEDED:
            outcome.failures.append(f"attained: {name} is exceeded, ratio {best:.12f}")
        if statement.claims[name].tight and best < ATTAINED:
            outcome.failures.append(f"attained: {name} reaches only {best:.6f} of its bound")


def _ratio(claim: Claim[Any], instance: Any) -> float:
    s = claim.sides(instance)
    top, bottom = (s.bound, s.measured) if claim.relation == ">=" else (s.measured, s.bound)
    return top / bottom if bottom else (1.0 if top == 0 else float("inf"))


def check_needed(statement: Statement[Any], rng: np.random.Generator, outcome: Outcome) -> None:
    """*needed*: for each assumption an instance that breaks it alone and on which a claim fails."""
    if not statement.assumptions:
        return
    shown = 0
    for name, make in statement.violators.items():
        instance = make(rng)
        broken = statement.broken(instance)
        if broken != [name]:
            outcome.failures.append(f"needed: the violator of {name!r} breaks {broken or 'nothing'}")
        elif all(claim.holds(instance) for claim in statement.claims.values()):
            outcome.failures.append(f"needed: every claim survives without {name!r}")
        else:
            shown += 1
    outcome.needed = shown, len(statement.assumptions)


def check_variants(statement: Statement[Any], instances: list[Any], rng: np.random.Generator, outcome: Outcome) -> None:
    """*false variants*: the same instances (the extremal one last) refute every false variant."""
    pool = instances + ([statement.extremal(rng)] if statement.extremal else [])
    refuted = 0
    for name, variant in statement.variants.items():
        draws = next((n + 1 for n, instance in enumerate(pool) if not variant.holds(instance)), None)
        if draws is None:
            outcome.failures.append(f"false variants: {name!r} survives {len(pool)} instances")
        else:
            refuted += 1
            outcome.variant_draws = max(outcome.variant_draws, draws)
    outcome.variants = refuted, len(statement.variants)
    if len(statement.variants) < 2:
        outcome.failures.append("false variants: a statement needs at least two")


def check_derived(statement: Statement[Any], outcome: Outcome) -> None:
    """*derived*: the residuals of the statement's ``symbolic.py`` simplify to 0, where it has one."""
    algebra = symbolic(statement.key)
    if algebra is None:
        return
    residuals = algebra.residuals()
    zero = {label: expression == 0 or expression.simplify() == 0 for label, expression in residuals.items()}
    outcome.derived = sum(zero.values()), len(zero)
    outcome.failures += [f"derived: {label} does not simplify to 0" for label, ok in zero.items() if not ok]


def check_route(statement: Statement[Any], instances: list[Any], outcome: Outcome, most: int = 25) -> None:
    """*two routes*: an independent computation of the same quantity, on some of the instances."""
    if statement.route is None:
        return
    outcome.route = 0.0
    for instance in instances[:most]:
        s = statement.route(instance)
        difference = abs(s.measured - s.bound) / s.slack
        if not difference <= 1:  # NaN too
            outcome.failures.append(f"two routes: {s}")
            return
        outcome.route = max(outcome.route, difference)


def check_rates(statement: Statement[Any], rng: np.random.Generator, outcome: Outcome, *, deep: bool) -> None:
    """*rate*: the error against the size on a log scale has the predicted slope."""
    if statement.kind == "limit" and not statement.rates:
        outcome.failures.append("rate: a limit needs one")
    for rate in statement.rates:
        found = fit_rate(rate, rng, deep=deep)
        outcome.rates.append(found)
        if not found.holds:
            outcome.failures.append(
                f"rate: {rate.of} has slope {found.slope:.2f} ± {found.standard_error:.2f}, predicted {rate.order:.2f}"
            )


def fit_rate(rate: Rate, rng: np.random.Generator, *, deep: bool) -> RateFound:
    """Least-squares slope of log error against log size, with its standard error from the residuals."""
    sizes = rate.sizes + (rate.deep_sizes if deep else ())
    errors = [rate.error(size, rng) for size in sizes]
    x, y = np.log(sizes), np.log(errors)
    slope, intercept = np.polyfit(x, y, 1)
    residual = y - slope * x - intercept
    spread = float(np.sqrt(np.sum(residual**2) / max(len(x) - 2, 1) / np.sum((x - x.mean()) ** 2)))
    holds = bool(abs(slope - rate.order) <= rate.tolerance + SLOPE_Z * spread) and bool(slope < 0)
    return RateFound(rate.of, sizes, tuple(errors), float(slope), spread, rate.order, holds)
