"""What every statement has, refuses and covers at its edges; that it stands and falls is test_sabotage's."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from strategies import rotation, with_singular_values

from grasp_theory import AssumptionError, InputError
from grasp_theory.statements import ORDER, prior_angle
from grasp_theory.statements.checks import find
from grasp_theory.statements.factored_svd import Instance
from grasp_theory.statements.routes import differences
from grasp_theory.statements.statement import Claim, Sides, assumed

KEYS = list(ORDER)


@pytest.mark.parametrize("key", KEYS)
def test_statement_is_complete(key):
    (statement,) = find([key])
    assert statement.key == key
    assert statement.basis.startswith(("proved here", "proved in", "checked numerically", "derived"))
    assert set(statement.violators) == set(statement.assumptions) == assumed(statement.text)
    assert len(statement.variants) >= 2
    assert statement.law


@pytest.mark.parametrize("key", KEYS)
def test_statement_refuses_what_is_outside_its_assumptions(key):
    (statement,) = find([key])
    for name, make in statement.violators.items():
        with pytest.raises(AssumptionError, match=f"{key} assumes"):
            statement.evaluate(make(np.random.default_rng(0)))
        assert name in statement.broken(make(np.random.default_rng(0)))


class Scripted(np.random.Generator):
    """A generator whose first integers, the sizes of an instance, are given, and whose coins all show tails."""

    def __init__(self, first: list[Any], seed: int) -> None:
        super().__init__(np.random.PCG64(seed))
        self.first = list(first)

    def integers(self, *args, **options):  # type: ignore[override]
        drawn = super().integers(*args, **options) if not self.first else self.first.pop(0)
        return np.asarray(drawn) if isinstance(drawn, tuple) else drawn

    def random(self, size=None, **options):  # type: ignore[override]
        return 0.9 if size is None else super().random(size, **options)


# The first integers that each draw takes for (m, d), at rank 1 where there is one. Left out: limits, and statements
# whose instances contain a plane, a stream to turn in or a rank to lose (minimax-angle, angle-forgiveness, ...).
SIZES: dict[str, Callable[[int, int], list[Any]]] = {
    **dict.fromkeys(
        ("naive-solution", "whitened-angle", "prior-angle", "spectral-order", "identify-then-remove"),
        lambda m, d: [(m, d)],
    ),
    **dict.fromkeys(
        ("write-removal", "read-removal", "ablation-cost", "steering-bias", "who-wins"), lambda m, d: [(m, d)]
    ),
    **dict.fromkeys(("one-step-sketch", "caft-gap", "posthoc-rank-gain"), lambda m, d: [(m, d), 1]),
    "factored-svd": lambda m, d: [(m, d, 1)],
    "posterior-angle": lambda m, d: [(m, d), 0],
    "subspace-angle": lambda m, d: [1, (m, d), 1, 2],
    "scalar-output": lambda m, d: [m, d],
    "layer-in-a-product": lambda m, d: [(m, d), 3],
    "projection-invariance": lambda m, d: [(m, d), 1, 1],
}


@pytest.mark.parametrize("shape", [(1, 1), (1, 5), (5, 1)], ids=str)
@pytest.mark.parametrize("key", list(SIZES))
def test_statement_holds_with_one_row_or_one_column(key, shape):
    (statement,) = find([key])
    inside = 0
    for seed in range(6):
        instance = statement.draw(Scripted(SIZES[key](*shape), seed))
        if key == "caft-gap":
            instance = replace(instance, rank=max(instance.rank, 1))
        if statement.broken(instance):
            continue
        inside += 1
        assert [name for name, claim in statement.claims.items() if not claim.holds(instance)] == []
        assert differences(statement, [instance])[1] == []
    assert inside >= 4


def test_optimizer_leak_with_one_row_is_the_coordinate_vector_it_excludes():
    (statement,) = find(["optimizer-leak"])
    row, column = (statement.draw(Scripted([shape, 1], 0)) for shape in ((1, 5), (5, 1)))
    with pytest.raises(AssumptionError, match="optimizer-leak assumes: "):
        statement.evaluate(row)
    assert statement.broken(column) == []
    assert all(claim.holds(column) for claim in statement.claims.values())


@pytest.mark.parametrize(("condition", "holds"), [(1e2, True), (1e7, False)])
def test_factored_svd_by_cholesky_loses_half_the_digits_before_it_fails(condition, holds):
    """The false variant is wrong not only where a Gram matrix cannot be factored: also where it can."""
    (statement,) = find(["factored-svd"])
    rng = np.random.default_rng(0)
    B = with_singular_values(rng, 9, 3, np.array([1.0, 0.5, 1 / condition]))
    i = Instance(B, rotation(rng, 6, 3).T, 1.0, np.eye(3), index=2)
    variant = statement.variants["Gram + Cholesky"]
    assert np.isfinite(variant.sides(i).measured)
    assert variant.holds(i) == holds
    assert statement.claims["values"].holds(i)  # the control


def test_claims_do_not_hold_on_nan():
    for relation in ("=", "<=", ">="):
        assert not Claim(relation, lambda _: Sides(float("nan"), 1.0, 1.0)).holds(None)
        assert Claim(relation, lambda _: Sides(1.0, 1.0, 0.0)).holds(None)  # control


def test_statements_without_docstrings_are_refused_not_refuted(monkeypatch):
    """python -OO leaves them out, and with them what is assumed."""
    monkeypatch.setattr(prior_angle, "__doc__", None)
    with pytest.raises(InputError, match="-OO"):
        find(["prior-angle"])


def test_unknown_statement_is_named():
    with pytest.raises(InputError, match="no statement is called 'nope'; there are: theorem-1, naive-solution"):
        find(["nope"])
