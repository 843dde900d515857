"""Every statement stands, and falls under each lazy sabotage: a claim or a check made easier must not go unnoticed."""

from __future__ import annotations

import zlib
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, TypeVar

import numpy as np
import pytest
from breaking import killed

from grasp_theory.statements import ORDER, find
from grasp_theory.statements import checks as c
from grasp_theory.statements.derivations import _disagreements, derive
from grasp_theory.statements.rates import fit_rate
from grasp_theory.statements.registry import decided, symbolic
from grasp_theory.statements.routes import differences
from grasp_theory.statements.statement import Border, Claim, Sides, Statement

# as users run them: that the theory keeps its annotations is seen by all other tests, and costs a quarter more here
pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("no_contracts")]
SEED = 1  # another than the command line's


@dataclass
class Drawn:
    """A statement and its draws, made once for all tests of it."""

    statement: Statement[Any]

    @cached_property
    def all(self) -> tuple[list[Any], np.random.Generator]:
        rng = np.random.default_rng([SEED, zlib.crc32(self.statement.key.encode())])
        return [self.statement.draw(rng) for _ in range(self.statement.draws)], rng

    @cached_property
    def inside(self) -> list[Any]:
        return [i for i in self.all[0] if not self.statement.broken(i)]

    @cached_property
    def sides(self) -> list[dict[str, Sides]]:
        return c.evaluated(self.statement, self.inside)

    @cached_property
    def beyond(self) -> list[Any]:
        rng = np.random.default_rng(0)
        return [make(rng) for make in self.statement.violators.values()]

    def failures(self, check: Callable[..., None], statement: Statement[Any], *args: Any, **options: Any) -> list[str]:
        outcome = c.Outcome(statement.key, statement.kind, statement.basis)
        check(statement, *args, outcome, **options)
        return outcome.failures


T = TypeVar("T")


def present(part: T | None) -> T:
    """A part that some statements do not have."""
    if part is None:
        pytest.skip("the statement has none")
    return part


@pytest.fixture(scope="module", params=ORDER)
def drawn(request) -> Drawn:
    return Drawn(find([request.param])[0])


def test_statement_stands(drawn):
    statement = drawn.statement
    outcome = c.check_all(statement, *drawn.all, sides=drawn.sides)
    assert outcome.failures == []
    assert outcome.held == outcome.draws > 0
    assert outcome.variants[0] == outcome.variants[1] >= 2
    if statement.kind == "limit":
        assert outcome.rates
    if outcome.decided is not None:  # every core, and at least two false variants refuted by a model
        assert len(outcome.decided.sizes) == outcome.decided.cores
        assert outcome.decided.refuted >= 2
    if any(claim.tight for claim in statement.claims.values()):
        assert outcome.best_ratio is not None
        assert outcome.best_ratio >= c.ATTAINED


def test_statement_falls_when_broken(drawn):
    """One side of each claim scaled by 1 ± 0.05, tight bounds by 0.9: identities and tight bounds must notice all."""
    statement = drawn.statement
    outcome = killed(statement, drawn.inside)
    must = {
        label: dead
        for label, dead in outcome.items()
        for name, claim in statement.claims.items()
        if label.startswith(name + " ") and (claim.relation == "=" or claim.tight)
    }
    if statement.kind in ("identity", "tight"):
        assert [label for label, dead in must.items() if not dead] == []
    assert sum(outcome.values()) >= len(outcome) / 2


def test_sabotage_slack_times_ten(drawn):
    """Of every claim alone."""
    statement = drawn.statement

    def wide(name: str) -> list[dict[str, Sides]]:
        return [{name: replace(sides[name], slack=10 * sides[name].slack)} for sides in drawn.sides]

    unnoticed = [
        name
        for name, claim in statement.claims.items()
        if not drawn.failures(c.check_slack, replace(statement, claims={name: claim}), wide(name))
    ]
    # a statistical inequality has no smallest slack; its false variants hold it
    assert [name for name in unnoticed if statement.claims[name].relation == "="] == []


def test_sabotage_draws_of_one_instance(drawn):
    assert drawn.failures(c.check_holds, drawn.statement, drawn.sides[:1] * 20)


def test_sabotage_draws_far_from_every_border(drawn):
    statement = drawn.statement
    borders = {name: a.margin for name, a in statement.assumptions.items() if isinstance(a, Border)}
    for name, margin in {**borders, **statement.regimes}.items():
        for easy in ([i for i in drawn.all[0] if margin(i) > 0], [i for i in drawn.all[0] if abs(margin(i)) > c.NEAR]):
            found = drawn.failures(c.check_borders, statement, easy)
            assert [f for f in found if repr(name) in f], name


def test_sabotage_assumption_removed_with_its_violator(drawn):
    statement = drawn.statement
    for gone in statement.assumptions:
        rest = {name: a for name, a in statement.assumptions.items() if name != gone}
        found = drawn.failures(
            c.check_needed, replace(statement, assumptions=rest, violators={}), [], np.random.default_rng(0)
        )
        assert f"needed: the text assumes {gone}, which nothing checks" in found


def test_sabotage_route_is_the_claim(drawn):
    statement, route = drawn.statement, present(drawn.statement.route)
    claim = statement.claims[route.of]
    same = replace(route, other=lambda i: getattr(claim.sides(i), route.side))
    assert [words for words in differences(replace(statement, route=same), drawn.inside[:3])[1] if "both ways" in words]


def test_sabotage_search_returns_one(drawn):
    statement = drawn.statement
    lazy = replace(present(statement.search), ratio=lambda x: 1 + 0 * x.sum(), restarts=1, steps=2)
    found = drawn.failures(c.check_attained, replace(statement, search=lazy), np.random.default_rng(0), deep=False)
    assert [words for words in found if words.startswith("attained: the search finds 1.0")]


def test_sabotage_symbolic_returns_zero(drawn, monkeypatch):
    statement, algebra = drawn.statement, present(symbolic(drawn.statement.key))
    import sympy

    labels = list(algebra.residuals())
    with monkeypatch.context() as patch:
        patch.setattr(algebra, "residuals", lambda: dict.fromkeys(labels, sympy.Integer(0)))
        assert len(derive(statement, drawn.inside[:2])[1]) >= len(labels)
    with monkeypatch.context() as patch:
        patch.setattr(algebra, "residuals", dict)
        twin = algebra.twin
        patch.setattr(
            algebra, "twin", lambda i: {name: value + 0.01 * max(abs(value), 1) for name, value in twin(i).items()}
        )
        assert derive(statement, drawn.inside[:2])[1]


def test_sabotage_rate_returns_the_order(drawn):
    for rate in drawn.statement.rates:
        lazy = replace(rate, error=lambda size, rng, order=rate.order: size**order)
        assert fit_rate(lazy, np.random.default_rng(0), deep=False).failures, rate.of


def test_sabotage_claim_is_a_constant_truth(drawn):
    statement = drawn.statement
    for name in statement.claims:
        lazy = [{**sides, name: Sides(0.0, 0.0, 1.0)} for sides in drawn.sides]
        assert f"holds: {name} has the same two sides on every draw" in drawn.failures(c.check_holds, statement, lazy)


def test_sabotage_few_draws(drawn):
    for few in (0, c.FEWEST - 1):
        assert drawn.failures(c.check_draws, drawn.statement, drawn.inside[:few])


def test_sabotage_scale_of_rounding(drawn):
    """Ten thousand times that of the sides; where the bound is 0 the scale is all there is."""
    for name, claim in drawn.statement.claims.items():
        wide = [
            {name: replace(s, slack=1e-5 * size, scale=1e4 * size)}
            for s in (sides[name] for sides in drawn.sides)
            if s.scale is not None and (size := max(abs(s.measured), abs(s.bound)))
        ]
        if wide and any(each[name].bound for each in wide):
            alone = replace(drawn.statement, claims={name: claim})
            assert [f for f in drawn.failures(c.check_slack, alone, wide) if "rounds to a scale" in f], name


def _exact(drawn: Drawn) -> dict[str, list[Sides]]:
    """Sides on every draw of the claims that are exact."""
    found = {name: [sides[name] for sides in drawn.sides] for name in drawn.statement.claims}
    return {name: sides for name, sides in found.items() if all(s.scale is not None for s in sides)}


def test_sabotage_identity_made_an_inequality(drawn):
    statement = drawn.statement
    for name in [name for name in _exact(drawn) if statement.claims[name].relation == "="]:
        loose = replace(statement, claims={name: replace(statement.claims[name], relation="<=")})
        assert f"holds: {name} is an equality on every draw" in drawn.failures(c.check_holds, loose, drawn.sides)


def test_sabotage_claim_compared_with_itself(drawn):
    statement = drawn.statement
    for name, sides in _exact(drawn).items():
        if all(s.bound for s in sides) and not statement.claims[name].bitwise:
            lazy = [{**found, name: replace(found[name], measured=found[name].bound)} for found in drawn.sides]
            assert f"holds: {name} compares a number with itself" in drawn.failures(c.check_holds, statement, lazy)


def test_sabotage_claim_compared_with_itself_and_noise(drawn):
    """A thousandth of rounding's slack, other on every instance, so that no two sides are the same number."""
    statement, rng = drawn.statement, np.random.default_rng(0)
    exact = [name for name in _exact(drawn) if statement.claims[name].relation == "="]
    for name in [name for name in exact if name not in statement.always]:

        def sides(i: Any, claim: Claim[Any] = statement.claims[name]) -> Sides:
            s = claim.sides(i)
            return replace(s, measured=s.bound + 1e-3 * s.slack * rng.standard_normal())

        lazy = replace(statement, claims={name: replace(statement.claims[name], sides=sides)})
        found = drawn.failures(c.check_apart, lazy, drawn.beyond, [{name: each[name]} for each in drawn.sides[:1]])
        assert found == [f"apart: {name} is refuted nowhere"]


def test_sabotage_residuals_of_another_identity(drawn, monkeypatch):
    algebra = present(symbolic(drawn.statement.key))
    import sympy

    x = sympy.Symbol("x", positive=True)
    another = dict.fromkeys(algebra.residuals(), (x + 1) ** 2 - x**2 - 2 * x - 1)
    monkeypatch.setattr(algebra, "residuals", lambda: another)
    zeros, found = derive(drawn.statement, drawn.inside[: c.TWINS])
    assert zeros == (len(another), len(another))
    assert [words for words in found if words.endswith("stands in no identity")] == found != []


def test_sabotage_attained_and_not_said(drawn):
    statement, extremal = drawn.statement, present(drawn.statement.extremal)
    rng = np.random.default_rng(0)
    instances = [extremal(rng) for _ in range(2 * c.VIOLATIONS)]
    for name, claim in statement.claims.items():
        if claim.tight and all(c._reached(claim, claim.sides(i)) for i in instances):
            lazy = replace(statement, claims={name: replace(claim, tight=False)}, search=None, kind="upper")
            found = drawn.failures(c.check_attained, lazy, np.random.default_rng(0), deep=False)
            assert f"attained: {name} reaches its bound and is not said to be tight" in found


def test_sabotage_search_returns_the_extremal_instance(drawn):
    statement, search = drawn.statement, present(drawn.statement.search)
    instance = present(statement.extremal)(np.random.default_rng(0))
    lazy = replace(search, ratio=lambda x: 1 + 0 * x.sum(), instance=lambda _: instance, restarts=1, steps=2)
    alone = replace(statement, search=lazy, claims={search.of: statement.claims[search.of]}, extremal=None)
    found = drawn.failures(c.check_attained, alone, np.random.default_rng(0), deep=False)
    assert [f for f in found if "wherever the search looks" in f]


def test_sabotage_twin_asks_the_claim(drawn):
    statement = drawn.statement
    name, claim = next(iter(statement.claims.items()))
    found = _disagreements(statement, lambda i: {name: claim.sides(i).bound}, drawn.inside[:1])
    assert found == ["the derived expression asks the claim that it is compared with"]


def test_sabotage_assumption_that_asks_too_much(drawn):
    """It refuses three draws more on which every claim holds."""
    statement = drawn.statement
    for name, holds in [(n, a) for n, a in statement.assumptions.items() if not isinstance(a, Border)][:1]:
        gone = drawn.inside[:3]
        strict = {
            **statement.assumptions,
            name: lambda i, holds=holds, gone=gone: holds(i) and all(i is not g for g in gone),
        }
        lazy = replace(statement, assumptions=strict, violators={})
        found = drawn.failures(c.check_needed, lazy, gone, np.random.default_rng(0))
        assert f"needed: every claim survives on the 3 draws that {name!r} refuses" in found


def test_sabotage_violators_are_not_tried(drawn, monkeypatch):
    statement = drawn.statement
    monkeypatch.setattr(c, "VIOLATIONS", 0)
    found = drawn.failures(c.check_needed, statement, [], np.random.default_rng(0))
    assert found == [f"needed: every claim survives without {name!r}" for name in statement.assumptions]


def test_sabotage_route_on_no_instance(drawn):
    present(drawn.statement.route)
    assert differences(drawn.statement, [])[1] == ["no instance takes them"]


def test_sabotage_no_claim_is_tight(drawn):
    statement = drawn.statement
    if statement.kind != "tight":
        pytest.skip("not tight")
    loose = {name: replace(claim, tight=False) for name, claim in statement.claims.items()}
    lazy = replace(statement, claims=loose, extremal=None, search=None)
    assert drawn.failures(c.check_attained, lazy, np.random.default_rng(0), deep=False)


def test_sabotage_route_with_room(drawn):
    route = present(drawn.statement.route)
    size = max(abs(getattr(s[route.of], route.side)) for s in drawn.sides[:3])
    wide = replace(route, slack=0.1 * size + 1e-12)
    assert differences(replace(drawn.statement, route=wide), drawn.inside[:3])[1]


def test_sabotage_rate_with_room(drawn):
    for rate in drawn.statement.rates:
        straight = replace(rate, error=lambda size, rng, rate=rate: rate.constant * size**rate.order, exact=True)
        assert len(fit_rate(straight, np.random.default_rng(0), deep=False).failures) == 1, rate.of
        line = replace(straight, error=lambda size, rng, rate=rate: rate.constant * size**rate.order * (1 + 0.1 / size))
        assert not fit_rate(line, np.random.default_rng(0), deep=False).failures, rate.of
        for lazy in (replace(line, tolerance=1.0), replace(line, sizes=line.sizes[-2:])):
            assert fit_rate(lazy, np.random.default_rng(0), deep=False).failures, rate.of


def test_sabotage_nothing_is_decided(drawn, monkeypatch):
    pytest.importorskip("z3")
    monkeypatch.setattr(present(decided(drawn.statement.key)), "cores", list)
    assert drawn.failures(c.check_decided, drawn.statement)
