"""The false variants that were written blind: where they are, and that they are the larger part."""

from __future__ import annotations

import pytest

from grasp_theory.statements.checks import blind, find
from grasp_theory.statements.statement import Claim
from grasp_theory.statements import ORDER


@pytest.mark.parametrize("key", ORDER)
def test_blind_mutants_join_the_statements_own(key):
    (statement,) = find([key])
    unseen = blind(key)
    assert len(unseen) >= 7
    assert set(unseen) <= set(statement.mutants)
    assert all(isinstance(claim, Claim) for claim in unseen.values())
    assert not set(unseen) & set(statement.claims)


def test_blind_mutants_are_at_least_half_of_all():
    everything = sum(len(s.mutants) for s in find())
    unseen = sum(len(blind(key)) for key in ORDER)
    assert 2 * unseen >= everything
    # none took the place of one of the author's own of the same name
    own = sum(len(s.mutants) for s in find()) - unseen
    from importlib import import_module

    assert own == sum(
        len(import_module(f"grasp_theory.statements.{key.replace('-', '_')}").STATEMENT.mutants) for key in ORDER
    )
