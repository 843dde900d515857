"""The false variants of the statements: no two alike, and the larger part written blind."""

from __future__ import annotations

import zlib
from collections.abc import Mapping
from dataclasses import replace
from importlib import import_module
from typing import Any

import numpy as np
import pytest

from grasp_theory.statements import ORDER, find
from grasp_theory.statements.registry import package
from grasp_theory.statements.statement import Claim, Sides, Statement

ALIKE = 1e-7  # of the larger side
INSTANCES = 12


def same(a: Sides, b: Sides) -> bool:
    """Whether two claims ask the same of an instance: equal measured − bound, in units of their sides."""
    gaps = np.array([a.measured - a.bound, b.measured - b.bound])
    if not np.isfinite(gaps).all():
        return bool(np.isfinite(gaps[0]) == np.isfinite(gaps[1]))
    scale = max(abs(a.measured), abs(a.bound), abs(b.measured), abs(b.bound))
    return bool(abs(gaps[0] - gaps[1]) <= ALIKE * scale)


def alike(statement: Statement[Any], claims: Mapping[str, Claim[Any]]) -> list[list[str]]:
    """Groups of claims that no drawn instance tells apart; each claim is evaluated only until it stands alone."""
    rng = np.random.default_rng([0, zlib.crc32(statement.key.encode())])
    groups = [[name for name in claims if claims[name].relation == relation] for relation in ("=", "<=", ">=")]
    for _ in range(INSTANCES):
        instance = statement.draw(rng)
        while statement.broken(instance):
            instance = statement.draw(rng)
        groups = [part for group in groups if len(group) > 1 for part in split(group, claims, instance)]
    return [group for group in groups if len(group) > 1]


def split(group: list[str], claims: Mapping[str, Claim[Any]], instance: Any) -> list[list[str]]:
    parts: list[tuple[Sides, list[str]]] = []
    for name in group:
        sides = claims[name].sides(instance)
        names = next((names for first, names in parts if same(first, sides)), None)
        if names is None:
            parts.append((sides, [name]))
        else:
            names.append(name)
    return [names for _, names in parts]


@pytest.mark.parametrize("key", ORDER)
def test_false_variants_are_no_two_alike(key):
    (statement,) = find([key])
    assert alike(statement, statement.variants) == []


def test_false_variants_alike_are_found_under_any_name():
    """Control: a copy, and one with its sides exchanged for others of the same difference."""
    (statement,) = find(["prior-angle"])
    name, variant = next(iter(statement.variants.items()))

    def shifted(instance: Any) -> Sides:
        s = variant.sides(instance)
        return replace(s, measured=s.measured + s.bound, bound=2 * s.bound)

    copies = {"copy": variant, "shifted": replace(variant, sides=shifted)}
    assert alike(statement, {**statement.variants, **copies}) == [[name, "copy", "shifted"]]


@pytest.mark.parametrize("key", ORDER)
def test_false_variants_have_names_of_their_own(key):
    (statement,) = find([key])
    false = import_module(f"{package(key)}.variants")
    assert len(statement.variants) == len(false.OWN) + len(false.BLIND)
    assert len(false.BLIND) >= 7
    assert not set(statement.variants) & set(statement.claims)


def test_false_variants_are_mostly_written_blind():
    everything, blind = sum(len(s.variants) for s in find()), sum(len(s.blind) for s in find())
    assert 2 * blind >= everything
