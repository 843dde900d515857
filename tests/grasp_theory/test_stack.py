"""A stack that is kept, one that is loaded anew and one in parts: the same products as of the matrices side by side."""

from __future__ import annotations

import numpy as np
import pytest

import grasp_theory.identification.measure
from grasp_theory import LowRank, Update
from grasp_theory.identification.measure import Stack

WIDTH = 30


def updates(side: str) -> list[Update]:
    """Five modules of unequal sizes and norms, the last too ill-conditioned to be multiplied out in one step."""
    rng = np.random.default_rng(0)
    made = []
    for n, scale in enumerate([1.0, 1e-3, 5.0, 1.0, 1.0]):
        B, A = rng.standard_normal((WIDTH, 4)), rng.standard_normal((4, 10 + n))
        if n == 4:
            B, A = B * np.logspace(4, -4, 4), A * np.logspace(-4, 4, 4)[:, None]
        lowrank = LowRank(B, scale * A)
        made.append(Update.of(f"m{n}", lowrank if side == "write" else lowrank.T, layer=n // 2))
    return made


def stacked(given: list[Update], side: str = "write") -> Stack:
    stack = Stack(side)
    for u in given:
        stack.add(u, u.lowrank, norm=u.lowrank.norm())
    return stack


@pytest.mark.parametrize("side", ["write", "read"])
@pytest.mark.parametrize("cached", [0, 2 * 4 * WIDTH * 4, 1 << 24])
def test_panels_multiply_as_the_updates_side_by_side(monkeypatch, side, cached):
    monkeypatch.setattr(grasp_theory.identification.measure, "CACHED_BYTES", cached)
    given, stack = updates(side), stacked(updates(side), side)
    assert len(stack.loaded) == {0: 4, 960: 2}.get(cached, 0)
    factors = np.array([1.0, 1e3, 1.0, 2.0, 1.0])
    panels = stack.panels(factors)
    facing = [u.lowrank if side == "write" else u.lowrank.T for u in given]
    dense = np.hstack([c * p.scaling * p.B @ p.A for p, c in zip(facing, factors, strict=True)])
    X = np.random.default_rng(1).standard_normal((WIDTH, 3))
    expected = dense @ (dense.T @ X)
    size = np.abs(expected).max()
    for quick, error in ((False, 1e-6), (True, 1e-5)):  # float32 in which they are kept, and in which they multiply
        found = panels.gram(X.astype(np.float32) if quick else X, quick=quick)
        assert found.dtype == (np.float32 if quick else np.float64)
        np.testing.assert_allclose(found * panels.unit**2, expected, rtol=0, atol=error * size)
    W = panels.dense() * panels.unit
    assert W.shape == panels.shape
    np.testing.assert_allclose(W @ (W.T @ X), expected, rtol=0, atol=1e-6 * size)


@pytest.mark.parametrize("cached", [0, 1 << 24])
def test_leading_directions_of_a_stack_are_those_of_its_modules(monkeypatch, cached):
    monkeypatch.setattr(grasp_theory.identification.measure, "CACHED_BYTES", cached)
    given, stack = updates("write"), stacked(updates("write"))
    S = [u.lowrank.singular_values(rtol=1e-7) for u in given]
    for u, own in zip(given, stack.leading(S), strict=True):
        U = u.lowrank.svd(vectors="left").U
        # the last module's smallest values, 1e-8 of its largest, are below what its columns hold
        count = 4 if u.name != "m4" else 1
        np.testing.assert_allclose(abs(np.sum(U * own, axis=0))[:count], 1, rtol=1e-6)


def test_columns_multiply_from_the_other_side(monkeypatch):
    given = updates("write")[:3]

    def panels(modules: list[Update]):
        return stacked(modules).panels(np.array([1.0, 1e3, 2.0, 1.0, 1.0])[: len(modules)])

    few = panels(given)
    narrow, W = few.narrow(), few.dense()
    assert narrow is not None
    Y = np.random.default_rng(2).standard_normal((W.shape[1], 3))
    np.testing.assert_allclose(narrow.image(Y), W @ Y, rtol=0, atol=1e-12)
    for quick, error in ((False, 1e-12), (True, 1e-5)):
        np.testing.assert_allclose(narrow.inner(Y, quick=quick), W.T @ (W @ Y), rtol=0, atol=error)
    assert panels(updates("write")).narrow() is None  # 20 columns of 30 rows
    monkeypatch.setattr(grasp_theory.identification.measure, "CACHED_BYTES", 0)
    assert panels(given).narrow() is None  # nothing is kept


def test_panels_tell_the_layers_of_a_component():
    given, stack = updates("write"), stacked(updates("write"))
    layers = np.array([u.layer for u in given])
    U = np.linalg.qr(np.random.default_rng(1).standard_normal((WIDTH, 2)))[0]
    parts = np.array([np.sum((U.T @ (u.lowrank.B @ u.lowrank.A)) ** 2, axis=1) for u in given])
    expected = np.array([parts[layers == n].sum(axis=0) for n in range(3)])
    np.testing.assert_allclose(stack.panels().layer_shares(U, layers), expected / expected.sum(axis=0), rtol=1e-5)


def test_update_loads_one_factor_where_its_source_can():
    B, A = np.ones((3, 1)), np.ones((1, 2))
    asked = []

    class File:
        def __call__(self) -> LowRank:
            asked.append("both")
            return LowRank(B, A)

        def factor(self, name: str) -> np.ndarray:
            asked.append(name)
            return B if name == "B" else A

    def function() -> LowRank:
        return LowRank(B, A)

    for source in (File(), function, LowRank(B, A)):
        u = Update("m", 0, "write", (3, 2), 1, source)
        np.testing.assert_array_equal(u.factor("B"), B)
        np.testing.assert_array_equal(u.factor("A"), A)
    assert asked == ["B", "A"]
