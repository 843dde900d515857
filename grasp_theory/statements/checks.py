"""The checks of a statement: each finds out whether the statement, or the check itself, can be trusted.

*holds* on drawn instances, close to every border too; *slack* no larger than it has to be; tight claims *attained* and
not exceeded; each assumption *needed* and named in the text; the sides of an equality *apart* without them; every
*false variant* refuted; the algebra *derived*; a *second route* to the same number; the *rate* of a limit; the scalar
core *decided*; the proof *machine-checked*.
"""

from __future__ import annotations

import zlib
from typing import Any

import numpy as np

from ..formal import machine_checked
from .derivations import decide, derive
from .outcome import Outcome
from .rates import fit_rate
from .registry import find
from .routes import differences
from .search import largest_ratio, value_at
from .statement import ROUNDING, Border, Claim, Search, Sides, Statement, assumed
from .variety import shapes, unrefuted, unvaried

ATTAINED = 0.999  # a tight claim must reach this
EXCEEDED = 1 + 1e-9  # and never this
FEWEST = 6  # draws inside the assumptions
DISTINCT = 0.9  # of them; fewer is one seed used again
MAX_REJECTED = 0.9  # of the draws; beyond it the generator does not test the statement
NEAR = 0.2  # draws come this close to each border, on both sides
USED = 0.1  # of the slack that is not rounding, by the worst draw; below, the slack is ten times too wide
SCALED = 1e-3  # of the scale of rounding, by the larger side on some draw; below, the scale is not that of the sides
VIOLATIONS = 3  # draws of each violator
TWINS = 5  # instances on which derived expressions are compared with the claims
ROUTED = 25  # instances that take the second route
STARTS = 2  # points, beside its optimum, where a search must agree with the claim


def verify(statement: Statement[Any] | str, *, deep: bool = False, seed: int = 0) -> Outcome:
    """Run all checks that apply to one statement. Deterministic for a seed, whatever else is verified beside it.

    Args:
        statement: its key, or the statement itself.
        deep: ten times the draws, larger sizes, longer searches.
        seed: of the draws and the starts of the searches.

    Raises InputError for a key that no statement has. Cost: seconds; up to a minute for limits.
    """
    if isinstance(statement, str):
        (statement,) = find([statement])
    rng = np.random.default_rng([seed, zlib.crc32(statement.key.encode())])
    drawn = [statement.draw(rng) for _ in range(statement.draws * (10 if deep else 1))]
    return check_all(statement, drawn, rng, deep=deep)


def check_all(
    statement: Statement[Any],
    drawn: list[Any],
    rng: np.random.Generator,
    *,
    deep: bool = False,
    sides: list[dict[str, Sides]] | None = None,
) -> Outcome:
    """The checks on these draws; ``sides``, of those inside the assumptions, where they are evaluated already."""
    outcome = Outcome(statement.key, statement.kind, statement.basis)
    instances = check_draws(statement, drawn, outcome)
    sides = evaluated(statement, instances) if sides is None else sides
    check_holds(statement, sides, outcome)
    check_borders(statement, drawn, outcome)
    check_slack(statement, sides, outcome)
    check_attained(statement, rng, outcome, deep=deep)
    beyond = check_needed(statement, drawn, rng, outcome)
    check_apart(statement, beyond, sides, outcome)
    check_variants(statement, instances, rng, outcome)
    check_derived(statement, instances, outcome)
    check_route(statement, instances, outcome)
    check_rates(statement, rng, outcome, deep=deep)
    check_decided(statement, outcome)
    outcome.formal = machine_checked(statement.key, statement.text)
    return outcome


def check_draws(statement: Statement[Any], drawn: list[Any], outcome: Outcome) -> list[Any]:
    """Instances inside the assumptions, enough and of which no part is trivial throughout; the others are counted."""
    inside = [instance for instance in drawn if not statement.broken(instance)]
    outcome.draws, outcome.rejected = len(inside), 1 - len(inside) / max(len(drawn), 1)
    if not drawn:
        outcome.failures.append("draw: there are no draws")
    elif outcome.rejected > MAX_REJECTED:
        outcome.failures.append(f"draw: {100 * outcome.rejected:.0f}% of the draws are outside the assumptions")
    elif len(inside) < FEWEST:
        outcome.failures.append(f"draw: {len(inside)} draws are inside the assumptions, fewer than {FEWEST}")
    else:
        same = {name: words for name, words in unvaried(inside).items() if name not in statement.fixed}
        outcome.failures += [f"draw: {name} is {words} on every draw" for name, words in same.items()]
        if len({shapes(instance) for instance in inside} - {()}) == 1:
            outcome.failures.append("draw: all arrays have the same sizes on every draw")
    return inside


def evaluated(statement: Statement[Any], instances: list[Any]) -> list[dict[str, Sides]]:
    """Both sides of every claim on every instance."""
    return [{name: claim.sides(instance) for name, claim in statement.claims.items()} for instance in instances]


def check_holds(statement: Statement[Any], found: list[dict[str, Sides]], outcome: Outcome) -> None:
    """*holds*: every claim on every instance; the sides differ from instance to instance, and are two numbers.

    An exact inequality between sides that are always equal says less than is true, and sides that are the same to the
    last bit on every instance were computed once.
    """
    seen: list[tuple[float, ...]] = []
    for sides in found:
        failed = [name for name, claim in statement.claims.items() if not claim.true_of(sides[name])]
        outcome.held += not failed
        if failed and len(outcome.failures) < 5:
            name = failed[0]
            outcome.failures.append(f"holds: {name} is violated, {sides[name]}")
        seen.append(tuple(side for s in sides.values() for side in (s.measured, s.bound)))
    if len(set(seen)) < DISTINCT * len(seen):
        outcome.failures.append(f"holds: {len(seen)} draws are {len(set(seen))} instances")
    for name in statement.claims:
        if len({(sides[name].measured, sides[name].bound) for sides in found}) == 1 < len(found):
            outcome.failures.append(f"holds: {name} has the same two sides on every draw")
    for name, claim in statement.claims.items():
        exact = [sides[name] for sides in found if sides[name].scale is not None]
        if len(exact) < max(len(found), FEWEST):
            continue
        if not claim.bitwise and all(s.measured == s.bound != 0 for s in exact):
            outcome.failures.append(f"holds: {name} compares a number with itself")
        elif claim.relation != "=" and all(abs(s.measured - s.bound) <= s.slack for s in exact):
            outcome.failures.append(f"holds: {name} is an equality on every draw")


def check_borders(statement: Statement[Any], drawn: list[Any], outcome: Outcome) -> None:
    """*borders*: draws come within 20% of each on both sides, and a claim fails just outside a sharp one.

    Where no draw is further inside than that, the distance is in another unit than the distance from the border.
    """
    borders = {name: a for name, a in statement.assumptions.items() if isinstance(a, Border)}
    margins = {**{name: border.margin for name, border in borders.items()}, **statement.regimes}
    if not margins:
        return
    approached = 0
    for name, margin in margins.items():
        distance = np.array([margin(instance) for instance in drawn])
        sides = [bool(np.any((distance > low) & (distance <= high))) for low, high in ((-NEAR, 0), (0, NEAR))]
        approached += all(sides)
        if not all(sides):
            where = "outside" if sides[1] else "inside" if sides[0] else "either side of"
            outcome.failures.append(f"borders: no draw is within {100 * NEAR:.0f}%, {where} {name!r}")
        elif not np.any(distance > NEAR):
            outcome.failures.append(f"borders: no draw is further than {100 * NEAR:.0f}% inside {name!r}")
        elif name in borders and borders[name].sharp:
            beyond = [i for i, far in zip(drawn, distance, strict=True) if -NEAR < far <= 0]
            alone = [i for i in beyond if statement.broken(i) == [name]]
            if not any(claim.refuted_by(i) for claim in statement.claims.values() for i in alone):
                outcome.failures.append(f"borders: every claim survives just outside {name!r} ({len(alone)} draws)")
    outcome.borders = approached, len(margins)


def check_slack(statement: Statement[Any], found: list[dict[str, Sides]], outcome: Outcome) -> None:
    """*slack*: rounding in its one place, and any other slack explained and within ten times of what a draw uses."""
    for name, claim in statement.claims.items():
        sides = [each[name] for each in found]
        exact = [s for s in sides if s.scale is not None]
        if any(abs(s.slack - ROUNDING * s.scale) > 1e-3 * s.slack for s in exact):  # type: ignore[operator]
            outcome.failures.append(f"slack: {name} has another rounding than 1e-9 of the scale of its sides")
        sizes = [max(abs(s.measured), abs(s.bound)) / s.scale for s in exact if s.scale]
        if any(s.bound for s in exact) and max(sizes, default=1.0) < SCALED:
            outcome.failures.append(f"slack: {name} rounds to a scale {1 / max(sizes):.0f} times its sides")
        others = [s for s in sides if s.scale is None]
        if not others:
            continue
        used = max(abs(s.measured - s.bound) / s.slack if s.slack else float("inf") for s in others)
        if not claim.slack:
            outcome.failures.append(f"slack: {name} does not say how its slack was derived")
        if claim.relation == "=" and not used >= USED:
            outcome.failures.append(f"slack: {name} has {1 / max(used, 1e-300):.0f} times the slack that any draw uses")


def check_attained(statement: Statement[Any], rng: np.random.Generator, outcome: Outcome, *, deep: bool) -> None:
    """*attained*: tight claims reach their bound on the extremal instance or by adversarial search, and not beyond.

    An exact inequality that the extremal instance attains has to be said to be tight.
    """
    ratios: dict[str, list[float]] = {name: [] for name, claim in statement.claims.items() if claim.tight}
    if statement.kind == "tight" and not ratios:
        outcome.failures.append("attained: no claim of a tight statement is tight")
    if statement.extremal is not None:
        instance = statement.extremal(rng)
        if statement.broken(instance):
            outcome.failures.append(f"attained: the extremal instance breaks {statement.broken(instance)}")
        for name, claim in statement.claims.items():
            if claim.tight:
                ratios[name].append(_ratio(claim, instance))
            elif claim.relation != "=" and _reached(claim, claim.sides(instance)) and _reaches(statement, claim, rng):
                outcome.failures.append(f"attained: {name} reaches its bound and is not said to be tight")
    if statement.search is not None:
        found = _searched(statement, statement.search, outcome, deep=deep, seed=int(rng.integers(2**31)))
        ratios.setdefault(statement.search.of, []).append(found)
        if statement.claims[statement.search.of].tight and not found >= ATTAINED:
            outcome.failures.append(f"attained: the search reaches only {found:.6f} of {statement.search.of}")
    for name, values in ratios.items():
        best = max(values, default=0.0)
        outcome.best_ratio = best if outcome.best_ratio is None else min(outcome.best_ratio, best)
        if not np.isfinite(values).all():
            outcome.failures.append(f"attained: {name} has no ratio, {values}")
        elif best > EXCEEDED:
            outcome.failures.append(f"attained: {name} is exceeded, ratio {best:.12f}")
        elif statement.claims[name].tight and best < ATTAINED:
            outcome.failures.append(f"attained: {name} reaches only {best:.6f} of its bound")


def _reached(claim: Claim[Any], s: Sides) -> bool:
    """Whether exact sides that are not 0 are equal but for 1e-3."""
    return bool(s.scale and max(s.measured, s.bound) > SCALED * s.scale and _of(claim, s) >= ATTAINED)


def _reaches(statement: Statement[Any], claim: Claim[Any], rng: np.random.Generator) -> bool:
    """Whether further extremal instances reach the bound too: one may by chance."""
    make = statement.extremal
    return make is not None and all(_reached(claim, claim.sides(make(rng))) for _ in range(VIOLATIONS))


def _searched(statement: Statement[Any], search: Search[Any], outcome: Outcome, *, deep: bool, seed: int) -> float:
    """The claim's own ratio where the search found its largest; there and elsewhere both must be the same."""
    ratio, x = largest_ratio(search, deep=deep, seed=seed)
    instance = search.instance(x)
    broken = statement.broken(instance)
    if broken:
        outcome.failures.append(f"attained: the optimum of the search breaks {broken}")
    own = _ratio(statement.claims[search.of], instance)
    points = [(ratio, own)]
    for start in np.random.default_rng(seed).standard_normal((STARTS, search.size)):
        points.append((value_at(search, start), _ratio(statement.claims[search.of], search.instance(start))))
    for ratio, mine in points:
        if not abs(mine - ratio) <= 1e-6 * max(abs(mine), 1.0):
            outcome.failures.append(f"attained: the search finds {ratio:.9f} where the claim's own ratio is {mine:.9f}")
            break
    if len({mine for _, mine in points}) == 1:
        outcome.failures.append(f"attained: the claim's ratio is {own:.9f} wherever the search looks")
    return own


def _ratio(claim: Claim[Any], instance: Any) -> float:
    return _of(claim, claim.sides(instance))


def _of(claim: Claim[Any], s: Sides) -> float:
    """How much of its bound is reached."""
    top, bottom = (s.bound, s.measured) if claim.relation == ">=" else (s.measured, s.bound)
    return top / bottom if bottom else (1.0 if top == 0 else float("inf"))


def check_needed(statement: Statement[Any], drawn: list[Any], rng: np.random.Generator, outcome: Outcome) -> list[Any]:
    """*needed*: the text names every assumption, and instances that break one alone refute a claim with numbers.

    So must some of the draws that an assumption without a border refuses, where it refuses several: else it asks too
    much.
    """
    named = assumed(statement.text)
    if named != set(statement.assumptions):
        missing, extra = set(statement.assumptions) - named, named - set(statement.assumptions)
        words = [f"does not assume {'; '.join(sorted(missing))}"] * bool(missing)
        words += [f"assumes {'; '.join(sorted(extra))}, which nothing checks"] * bool(extra)
        outcome.failures.append(f"needed: the text {' and '.join(words)}")
    shown, beyond = 0, []
    if not statement.assumptions:
        return beyond
    for name in statement.assumptions:
        if name not in statement.violators:
            outcome.failures.append(f"needed: no violator of {name!r}")
            continue
        instances = [statement.violators[name](rng) for _ in range(VIOLATIONS)]
        beyond += instances
        wrong = next((b for b in map(statement.broken, instances) if b != [name]), None)
        if wrong is not None:
            outcome.failures.append(f"needed: the violator of {name!r} breaks {wrong or 'nothing'}")
        elif not instances or not all(any(c.refuted_by(i) for c in statement.claims.values()) for i in instances):
            outcome.failures.append(f"needed: every claim survives without {name!r}")
        else:
            shown += 1
    conditions = [name for name, a in statement.assumptions.items() if not isinstance(a, Border)]
    broken = [statement.broken(i) for i in drawn] if conditions else []
    for name in conditions:
        refused = [i for i, names in zip(drawn, broken, strict=True) if names == [name]]
        survives = not any(claim.refuted_by(i) for i in refused for claim in statement.claims.values())
        if refused and survives and len(refused) >= VIOLATIONS:
            outcome.failures.append(f"needed: every claim survives on the {len(refused)} draws that {name!r} refuses")
    still = statement.fixed & set(unvaried([*drawn, *beyond]))
    outcome.failures += [f"needed: {name} is fixed, and no violator changes it" for name in sorted(still)]
    outcome.needed = shown, len(statement.assumptions)
    return [*beyond, *(i for i in drawn if statement.broken(i))]


def check_apart(statement: Statement[Any], beyond: list[Any], found: list[dict[str, Sides]], outcome: Outcome) -> None:
    """*apart*: outside the assumptions some instance refutes each exact equality that is not ``always`` true."""
    exact = {name for name in statement.claims if all(sides[name].scale is not None for sides in found)}
    outcome.failures += [f"apart: {name} is refuted nowhere" for name in unrefuted(statement, exact, beyond)]


def check_variants(statement: Statement[Any], instances: list[Any], rng: np.random.Generator, outcome: Outcome) -> None:
    """*false variants*: the same instances (the extremal one last) refute every false variant."""
    pool = instances + ([statement.extremal(rng)] if statement.extremal else [])
    refuted = 0
    for name, variant in statement.variants.items():
        draws = next((n + 1 for n, instance in enumerate(pool) if variant.refuted_by(instance)), None)
        if draws is None:
            outcome.failures.append(f"false variants: {name!r} survives {len(pool)} instances")
        else:
            refuted += 1
            outcome.variant_draws = max(outcome.variant_draws, draws)
    outcome.variants = refuted, len(statement.variants)
    if len(statement.variants) < 2:
        outcome.failures.append("false variants: a statement needs at least two")


def check_derived(statement: Statement[Any], instances: list[Any], outcome: Outcome) -> None:
    """*derived*: the residuals of ``symbolic.py`` simplify to 0, and its expressions give the claims' numbers."""
    outcome.derived, failures = derive(statement, instances[:TWINS])
    outcome.failures += [f"derived: {words}" for words in failures]


def check_route(statement: Statement[Any], instances: list[Any], outcome: Outcome) -> None:
    """*two routes*: an independent computation of one side of a claim, on some of the instances."""
    if statement.route is None:
        return
    outcome.route, failures = differences(statement, instances[:ROUTED])
    outcome.failures += [f"two routes: {words}" for words in failures]


def check_rates(statement: Statement[Any], rng: np.random.Generator, outcome: Outcome, *, deep: bool) -> None:
    """*rate*: the error falls with the predicted order and ends where predicted."""
    if statement.kind == "limit" and not statement.rates:
        outcome.failures.append("rate: a limit needs one")
    for rate in statement.rates:
        found = fit_rate(rate, rng, deep=deep)
        outcome.rates.append(found)
        outcome.failures += [f"rate: {words}" for words in found.failures]


def check_decided(statement: Statement[Any], outcome: Outcome) -> None:
    """*decided*: what a decision procedure answers for the scalar core, where the statement has one."""
    outcome.decided = decide(statement)
    if outcome.decided is not None:
        outcome.failures += [f"decided: {words}" for words in outcome.decided.failures]
