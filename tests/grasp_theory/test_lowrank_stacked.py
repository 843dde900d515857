"""Updates that are decomposed together, and decompositions of one side: the same as one by one and of both."""

from __future__ import annotations

import numpy as np
import pytest

import grasp_theory.lowrank
from grasp_theory import InputError, LowRank, linalg
from grasp_theory.lowrank import _norm_bounds, decompose


def updates() -> list[LowRank]:
    """Of several ranks, shapes and scalings: sound, zero, overflowing, ill-conditioned, with a rank above the sizes."""
    rng = np.random.default_rng(0)
    made = [
        LowRank(rng.standard_normal((m, r)).astype(kind), rng.standard_normal((r, d)).astype(kind), s)
        for m, r, d, s, kind in [
            (40, 4, 30, 1.0, np.float32),
            (50, 4, 20, -2.0, np.float64),
            (9, 3, 9, 0.5, np.float64),
            (5, 9, 7, 1.0, np.float64),
            (20, 1, 20, 1.0, np.float32),
            (6, 0, 6, 1.0, np.float64),
        ]
    ]
    made += [LowRank(np.zeros((12, 4)), rng.standard_normal((4, 8)))]
    made += [LowRank(rng.standard_normal((12, 4)) * 1e-200, rng.standard_normal((4, 8)) * 1e-200)]
    made += [LowRank(rng.standard_normal((30, 4)) * np.logspace(0, -12, 4), rng.standard_normal((4, 30)))]
    return made


def test_updates_decomposed_together_are_the_same_as_one_by_one(monkeypatch):
    together = updates()
    decompose(together)
    calls = []
    monkeypatch.setattr(grasp_theory.lowrank, "_gram_routes", lambda terms: calls.append(terms))
    found = [u.svd(rtol=1e-7) for u in together]
    assert not calls  # nothing is computed again
    monkeypatch.undo()
    for a, b in zip(found, (u.svd(rtol=1e-7) for u in updates()), strict=True):
        assert a.route == b.route
        np.testing.assert_allclose(a.S, b.S, rtol=1e-12, atol=1e-12 * b.S.max(initial=0.0))
        np.testing.assert_allclose((a.U * a.S) @ a.Vh, (b.U * b.S) @ b.Vh, atol=1e-11 * b.S.max(initial=0.0))
    assert {a.route for a in found} == {"gram", "qr"}


def test_decompose_refuses_what_is_not_finite():
    broken = LowRank(np.full((5, 4), np.nan), np.ones((4, 5)))
    with pytest.raises(InputError, match="factor B holds NaN"):
        decompose([*updates(), broken])
    decompose([])


@pytest.mark.parametrize("rtol", [1e-7, 0.0])
def test_svd_of_one_side_is_that_side_of_both(rtol):
    for u in updates():
        both = u.svd(2, rtol=rtol)
        left, right = u.svd(2, rtol=rtol, vectors="left"), u.svd(2, rtol=rtol, vectors="right")
        np.testing.assert_array_equal(left.U, both.U)
        np.testing.assert_array_equal(right.Vh, both.Vh)
        assert left.Vh.shape == (0, u.shape[1])
        assert right.U.shape == (u.shape[0], 0)
        np.testing.assert_array_equal(left.S, right.S)


@pytest.mark.parametrize("r", [1, 5, 16])
def test_gram_root_is_one_of_singular_matrices_too(r):
    rng = np.random.default_rng(r)
    X = rng.standard_normal((3, 40, r))
    X[1, :, -1] = 0.0 if r == 1 else X[1, :, 0]  # the second is singular, to rounding or exactly
    for grams in (X[:1].transpose(0, 2, 1) @ X[:1], X.transpose(0, 2, 1) @ X):
        R = linalg.gram_root(grams)
        np.testing.assert_allclose(R.transpose(0, 2, 1) @ R, grams, rtol=0, atol=1e-13 * 40 * r)
    assert linalg.is_definite(grams[0])
    assert not linalg.is_definite(grams[1] - 1e-9 * np.eye(r))


@pytest.mark.parametrize("r", [1, 7, 64])
@pytest.mark.parametrize("decay", [0.0, 0.5, 20.0])
def test_norm_bounds_lie_above_the_norm_and_close(r, decay):
    values = np.exp(-decay * np.arange(r))
    Q = np.linalg.qr(np.random.default_rng(0).standard_normal((r, r)))[0]
    gram = (Q * values) @ Q.T / values.sum()
    found = float(_norm_bounds(gram[None])[0]) * values.sum()
    assert 1 - 1e-12 <= found <= r ** (1 / 16) * (1 + 1e-12)
