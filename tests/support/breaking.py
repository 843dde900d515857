"""Break a statement on purpose: the checks must notice. A check that survives this checks nothing."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np

from grasp_theory.statements.checks import check_attained
from grasp_theory.statements.outcome import Outcome
from grasp_theory.statements.statement import Claim, Sides, Statement

FACTOR = 0.05
TIGHT = 0.9


def breaks(statement: Statement[Any]) -> Iterator[tuple[str, Statement[Any]]]:
    """(what was done, the broken statement): one side of each claim scaled by 1 ± 0.05, tight bounds also by 0.9.

    Where a side is zero, 0.05 of the other side, or of the claim's own scale, is added instead of scaling nothing.
    """
    for name, claim in statement.claims.items():
        for label, change in (("× 1.05", 1 + FACTOR), ("× 0.95", 1 - FACTOR)):
            yield f"{name} {label}", _with(statement, name, claim, measured=change)
        if claim.tight:
            yield f"{name} bound × 0.9", _with(statement, name, claim, bound=TIGHT)


def killed(statement: Statement[Any], instances: list[Any]) -> dict[str, bool]:
    """Whether *holds* or *attained* notices each broken variant on these instances."""
    return {label: _noticed(broken, instances) for label, broken in breaks(statement)}


def _noticed(broken: Statement[Any], instances: list[Any]) -> bool:
    if any(not claim.holds(instance) for instance in instances for claim in broken.claims.values()):
        return True
    if broken.extremal is None:  # a search has its own formula and cannot see the change
        return False
    outcome = Outcome(broken.key, broken.kind, broken.basis)
    check_attained(replace(broken, search=None), np.random.default_rng(0), outcome, deep=False)
    return not outcome.stands


def _with(
    statement: Statement[Any], name: str, claim: Claim[Any], *, measured: float = 1.0, bound: float = 1.0
) -> Statement[Any]:
    """The statement with this claim alone, one of its sides changed."""

    def sides(instance: Any) -> Sides:
        s = claim.sides(instance)
        shift = 0.0
        if measured != 1 and abs(s.measured) <= s.slack:
            # 1e9 slacks are the scale of an exact claim's sides
            shift = (measured - 1) * max(abs(s.bound), 1e9 * s.slack)
        return Sides(s.measured * measured + shift, s.bound * bound, s.slack)

    return replace(statement, claims={name: Claim(claim.relation, sides, claim.tight)})
