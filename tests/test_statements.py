"""Every statement stands, and every one of them falls when it is broken on purpose."""

from __future__ import annotations

import numpy as np
import pytest

from grasp_theory import AssumptionError, InputError
from grasp_theory.breaking import killed
from grasp_theory.checks import ATTAINED, find, verify
from grasp_theory.statement import Claim, Sides
from grasp_theory.theorems import ORDER

KEYS = list(ORDER)


@pytest.mark.slow
@pytest.mark.parametrize("key", KEYS)
def test_statement_stands(key):
    (statement,) = find([key])
    outcome = verify(statement, seed=1)  # another seed than the command line's
    assert outcome.failures == []
    assert outcome.held == outcome.draws > 0
    assert outcome.mutants[0] == outcome.mutants[1] >= 2
    if statement.kind == "limit":
        assert outcome.rates
    if any(claim.tight for claim in statement.claims.values()):
        assert outcome.best_ratio is not None
        assert outcome.best_ratio >= ATTAINED


@pytest.mark.slow
@pytest.mark.parametrize("key", KEYS)
def test_statement_falls_when_broken(key):
    """One side of each claim scaled by 1 ± 0.05, tight bounds by 0.9: identities and tight bounds must notice all."""
    (statement,) = find([key])
    outcome = killed(statement)
    must = {
        label: dead
        for label, dead in outcome.items()
        for name, claim in statement.claims.items()
        if label.startswith(name + " ") and (claim.relation == "=" or claim.tight)
    }
    if statement.kind in ("identity", "tight"):
        assert [label for label, dead in must.items() if not dead] == []
    assert sum(outcome.values()) >= len(outcome) / 2


@pytest.mark.parametrize("key", KEYS)
def test_statement_is_complete(key):
    (statement,) = find([key])
    assert statement.key == key
    assert statement.basis.startswith(("proved here", "proved in", "checked numerically", "derived"))
    assert set(statement.violators) <= set(statement.assumptions)
    assert len(statement.mutants) >= 2
    assert statement.law


@pytest.mark.parametrize("key", KEYS)
def test_statement_refuses_what_is_outside_its_assumptions(key):
    (statement,) = find([key])
    for name, make in statement.violators.items():
        with pytest.raises(AssumptionError, match=f"{key} assumes"):
            statement.evaluate(make(np.random.default_rng(0)))
        assert name in statement.broken(make(np.random.default_rng(0)))


def test_claims_do_not_hold_on_nan():
    for relation in ("=", "<=", ">="):
        assert not Claim(relation, lambda _: Sides(float("nan"), 1.0, 1.0)).holds(None)
        assert Claim(relation, lambda _: Sides(1.0, 1.0, 0.0)).holds(None)  # control


def test_unknown_statement_is_named():
    with pytest.raises(InputError, match="no statement is called nope; there are: naive-solution"):
        find(["nope"])
