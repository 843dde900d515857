"""LowRank's arithmetic against dense float64: sums, stacks, products, norms and what follows from the matrix alone."""

from __future__ import annotations

import tracemalloc

import numpy as np
import pytest
from hypothesis import given
from strategies import case, cases, factor, seeds, shapes, with_singular_values
from tolerance import backward

from grasp_theory import LowRank
from grasp_theory.lowrank import add, hstack


def of_same_shape(seed: int, shape: tuple[int, int, int], dtype) -> tuple:
    rng = np.random.default_rng(seed)
    m, r, d = shape
    return tuple(
        case(LowRank(rng.standard_normal((m, n)).astype(dtype), rng.standard_normal((n, d)).astype(dtype), s))
        for n, s in ((r, -1 / 3), (r + 2, 0.7))
    )


# Arithmetic is float64 whatever the factors are stored in: one tolerance for both dtypes.
stored = pytest.mark.parametrize("dtype", [np.float64, np.float32])


@stored
@pytest.mark.parametrize("shape", [(9, 3, 7), (4, 6, 30), (1, 1, 1), (5, 2, 0), (0, 2, 3)])
def test_sum_difference_and_stack_equal_dense(shape, dtype):
    a, b = of_same_shape(0, shape, dtype)
    p, q = a.lowrank, b.lowrank
    atol = backward((*shape, 99), float, a.K + b.K)
    for name, ours, dense in [
        ("+", p + q, a.dense + b.dense),
        ("-", p - q, a.dense - b.dense),
        ("add", add([p, q, p]), 2 * a.dense + b.dense),
        ("hstack", hstack([p, q]), np.hstack([a.dense, b.dense])),
        ("vstack", hstack([p.T, q.T]).T, np.vstack([a.dense, b.dense])),
        ("neg", -p, -a.dense),
        ("mul", p * 2.5, 2.5 * a.dense),
        ("rmul", 2 * p, 2 * a.dense),
        ("T", p.T, a.dense.T),
    ]:
        np.testing.assert_allclose(case(ours).dense, dense, rtol=0, atol=atol, err_msg=name)


@stored
@pytest.mark.parametrize("columns", [None, 0, 1, 4])
def test_matmul_equals_dense_from_both_sides(dtype, columns):
    c = of_same_shape(1, (9, 3, 7), dtype)[0]
    rng = np.random.default_rng(2)
    more = () if columns is None else (columns,)
    x, y = rng.standard_normal((7, *more)).astype(dtype), rng.standard_normal((*more, 9)).astype(dtype)
    atol = backward((9, 3, 7), dtype, 10 * c.K)  # numpy's promotion: float32 operands give a float32 product
    assert (c.lowrank @ x).dtype == dtype
    np.testing.assert_allclose(c.lowrank @ x, c.dense @ x.astype(float), rtol=0, atol=atol)
    np.testing.assert_allclose(y @ c.lowrank, y.astype(float) @ c.dense, rtol=0, atol=atol)
    assert (c.lowrank @ x).shape == (9, *more)
    assert (y @ c.lowrank).shape == (*more, 7)


@stored
def test_inner_product_and_norms_equal_dense(dtype):
    a, b = of_same_shape(3, (12, 3, 10), dtype)
    p, q = a.lowrank, b.lowrank
    atol = backward((12, 10), float, 10 * a.K * b.K)
    np.testing.assert_allclose(p.inner(q), np.sum(a.dense * b.dense), rtol=0, atol=atol)
    np.testing.assert_allclose(p.inner(q), q.inner(p), rtol=0, atol=atol)
    np.testing.assert_allclose(p.inner(p), p.norm() ** 2, rtol=1e-10)
    np.testing.assert_allclose(p.norm(), np.linalg.norm(a.dense), rtol=1e-10)
    np.testing.assert_allclose(p.norm(2), np.linalg.norm(a.dense, 2), rtol=1e-10)


@given(c=cases())
def test_left_factor_has_the_same_outer_gram(c):
    W = c.lowrank.left_factor()
    assert W.shape == (c.dense.shape[0], min(*c.dense.shape, c.lowrank.rank))
    atol = backward((*c.dense.shape, c.lowrank.rank), float, c.K**2)
    np.testing.assert_allclose(W @ W.T, c.dense @ c.dense.T, rtol=0, atol=atol)
    W = c.lowrank.T.left_factor()
    np.testing.assert_allclose(W @ W.T, c.dense.T @ c.dense, rtol=0, atol=atol)


@given(seed=seeds, shape=shapes)
def test_properties_are_those_of_the_matrix(seed, shape):
    m, r, d = shape
    rng = np.random.default_rng(seed)
    p = LowRank(rng.standard_normal((m, r)), rng.standard_normal((r, d)))
    assert (p.shape, p.rank, p.T.shape, p.T.rank) == ((m, d), r, (d, m), r)
    assert np.shares_memory(p.T.B, p.A)


def test_lowrank_never_forms_the_dense_matrix():
    m = d = 20_000
    rng = np.random.default_rng(0)
    p = LowRank(rng.standard_normal((m, 8), np.float32), rng.standard_normal((8, d), np.float32))
    x = rng.standard_normal(d)
    tracemalloc.start()
    p.svd()
    p.svd(rtol=0.0)
    p.singular_values()
    _ = p.norm(), p.norm(2), p.inner(p), p.left_factor(), p.T.left_factor(), p @ x, x @ p, p.factor_spectra()
    _ = (p + p).norm(), (-p - 2.0 * p).svd(1)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    np.testing.assert_array_less(peak, m * d * 8 / 50)


@pytest.mark.parametrize("condition", [1e4, 1e8, 1e10])
def test_products_survive_an_ill_conditioned_gauge(condition):
    """(BG, G⁻¹A) is the same update: its left factor and its inner product with itself must be too."""
    rng = np.random.default_rng(0)
    B, A = factor(rng, 40, 6, "generic"), factor(rng, 6, 30, "generic")
    G = with_singular_values(rng, 6, 6, np.geomspace(1, 1 / condition, 6))
    p, q = LowRank(B, A), LowRank(B @ G, np.linalg.solve(G, A))
    atol = 1e3 * condition * np.finfo(float).eps
    np.testing.assert_allclose(q.inner(q) / p.inner(p), 1, atol=atol)
    np.testing.assert_allclose(q.inner(p) / p.inner(p), 1, atol=atol)
    W, V = p.left_factor(), q.left_factor()
    np.testing.assert_allclose(V @ V.T, W @ W.T, rtol=0, atol=atol * np.linalg.norm(W) ** 2)
