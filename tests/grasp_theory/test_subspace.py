"""Subspaces: projections, principal angles down to 1e-9 rad, spans and the sign rule."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from strategies import rotation, seeds
from tolerance import backward

from grasp_theory import InputError, Subspace
from grasp_theory.subspace import fix_sign


def pair_at(rng: np.random.Generator, d: int, angles: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Two orthonormal bases with principal angles ``angles``, in random coordinates of R^d and of each subspace."""
    k = len(angles)
    E = rotation(rng, d, 2 * k)
    first, second = E[:, :k], E[:, :k] * np.cos(angles) + E[:, k:] * np.sin(angles)
    return first @ rotation(rng, k), second @ rotation(rng, k)


dims = st.tuples(st.integers(1, 30), st.integers(1, 30)).filter(lambda t: t[1] <= t[0])


@given(dims=dims, seed=seeds, columns=st.sampled_from([None, 0, 1, 5]))
def test_projection_is_idempotent_and_symmetric(dims, seed, columns):
    d, k = dims
    rng = np.random.default_rng(seed)
    Q = Subspace(rotation(rng, d, k))
    x = rng.standard_normal((d,) if columns is None else (d, columns))
    inside, outside = Q.project(x), Q.reject(x)
    atol = backward((d, k), float, np.sqrt(d) * 4)
    np.testing.assert_allclose(Q.project(inside), inside, atol=atol)
    np.testing.assert_allclose(Q.project(outside), 0, atol=atol)
    np.testing.assert_allclose(inside + outside, x, atol=atol)
    np.testing.assert_allclose(inside, Q.basis @ Q.basis.T @ x, atol=atol)
    assert (Q.ambient, Q.dimension) == (d, k)


@given(seed=seeds, k=st.integers(1, 4), power=st.floats(-9, -0.31))
def test_angles_are_the_planted_ones_down_to_1e_9(seed, k, power):
    rng = np.random.default_rng(seed)
    planted = np.sort(10.0**power * np.linspace(1, 3, k))[::-1].clip(0, np.pi / 2)
    a, b = (Subspace(Q) for Q in pair_at(rng, 25, planted))
    atol = backward((25, k), float, 1.0)
    np.testing.assert_allclose(a.angles(b), planted, rtol=1e-6, atol=atol)
    np.testing.assert_allclose(b.angles(a), a.angles(b), atol=2 * atol)


@pytest.mark.parametrize("angle", [1e-9, 1e-8])
def test_angles_by_arccos_would_be_lost(angle):
    """Control: the cosine route rounds a small angle to 0, or to about 1e-8."""
    a, b = pair_at(np.random.default_rng(0), 25, np.array([angle]))
    arccos = np.arccos(np.clip(np.linalg.svd(a.T @ b, compute_uv=False), -1, 1))
    np.testing.assert_array_less(0.4, np.abs(arccos / angle - 1))
    np.testing.assert_allclose(Subspace(a).angles(Subspace(b)), angle, rtol=1e-5)


def test_angles_between_unequal_dimensions_and_with_nothing():
    rng = np.random.default_rng(1)
    Q = rotation(rng, 9)
    line, plane, nothing = Subspace(Q[:, :1]), Subspace(Q[:, :2]), Subspace(np.zeros((9, 0)))
    np.testing.assert_allclose(line.angles(plane), [0.0], atol=1e-14)
    np.testing.assert_allclose(Subspace(Q[:, 3:5]).angles(line), [np.pi / 2])
    assert nothing.angles(line).size == line.angles(nothing).size == 0
    np.testing.assert_array_equal(nothing.project(np.ones(9)), 0)


@given(seed=seeds, dtype=st.sampled_from([np.float64, np.float32]), scale=st.sampled_from([1e-6, 1.0, 1e6]))
def test_span_drops_dependent_columns_and_keeps_the_space(seed, dtype, scale):
    rng = np.random.default_rng(seed)
    Q = rotation(rng, 20, 3)
    X = np.hstack([Q, Q @ rng.standard_normal((3, 2)), np.zeros((20, 1))]) * scale ** rng.uniform(0, 1, 6)
    span = Subspace.span(X.astype(dtype))
    assert span.dimension == 3
    np.testing.assert_allclose(span.angles(Subspace(Q)), 0, atol=backward((20, 6), dtype, 1.0))


def test_span_of_small_and_large_columns_keeps_both():
    Q = rotation(np.random.default_rng(0), 20, 2)
    span = Subspace.span(Q * [1e-12, 1e12])
    np.testing.assert_allclose(span.angles(Subspace(Q)), 0, atol=1e-14)


def test_span_keeps_orthonormal_columns_in_place():
    Q = rotation(np.random.default_rng(0), 20, 4)
    np.testing.assert_allclose(Subspace.span(Q).basis, Q, atol=1e-14)
    np.testing.assert_allclose(Subspace.span(3 * Q[:, 0]).basis[:, 0], Q[:, 0], atol=1e-15)
    assert Subspace.span(np.zeros((5, 2))).dimension == Subspace.span(np.zeros((5, 0))).dimension == 0


def test_span_rtol_decides_what_counts_as_dependent():
    Q = rotation(np.random.default_rng(0), 20, 2)
    X = np.stack([Q[:, 0], Q[:, 0] + 1e-6 * Q[:, 1]], axis=1)
    assert Subspace.span(X).dimension == 2
    assert Subspace.span(X, rtol=1e-5).dimension == 1


def test_span_takes_integers(no_contracts):
    np.testing.assert_allclose(Subspace.span(np.array([3, 4])).basis[:, 0], [0.6, 0.8])


@given(seed=seeds, k=st.integers(1, 4), l=st.integers(1, 4), shared=st.integers(0, 2))
def test_union_is_the_smallest_space_with_both(seed, k, l, shared):
    rng = np.random.default_rng(seed)
    Q = rotation(rng, 20, k + l)
    shared = min(shared, k, l)
    a, b = Subspace(Q[:, :k]), Subspace(Q[:, k - shared : k - shared + l])
    union = a.union(b)
    assert union.dimension == k + l - shared
    for part in (a, b):
        np.testing.assert_allclose(union.project(part.basis), part.basis, atol=backward((20, 8), float, 1.0))


@given(seed=seeds, d=st.integers(1, 20), k=st.integers(0, 5))
def test_sign_rule_forgets_the_sign(seed, d, k):
    rng = np.random.default_rng(seed)
    X = rng.standard_normal((d, k))
    X[0] *= rng.integers(0, 2, k) if d > 1 else 1  # a rule by the first entry would not know what to do
    signs = rng.choice([-1.0, 1.0], k)
    np.testing.assert_array_equal(fix_sign(X * signs), fix_sign(X))
    largest = np.abs(X).argmax(axis=0)
    np.testing.assert_array_less(0, fix_sign(X)[largest, np.arange(k)])
    np.testing.assert_array_equal(np.abs(fix_sign(X)), np.abs(X))


def test_sign_rule_takes_the_first_of_equal_entries_and_leaves_zero():
    np.testing.assert_array_equal(
        fix_sign(np.array([[0.5, -2.0], [-2.0, 2.0], [2.0, 0.0]])), [[-0.5, 2], [2, -2], [-2, 0]]
    )
    np.testing.assert_array_equal(fix_sign(np.zeros((3, 1))), 0)


@pytest.mark.parametrize("excess", [1e-7, 1e-6, 4e-6])
def test_subspace_refuses_a_basis_off_by_more_than_1e_8(excess):
    with pytest.raises(InputError, match="not orthonormal"):
        Subspace(rotation(np.random.default_rng(0), 10, 2) * (1 + excess))
