"""Leading triples of a stack against a dense SVD, for spectra that a Lanczos iteration finds hard."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest
from strategies import rotation, with_singular_values
from tolerance import backward

from grasp_theory.identification.lanczos import Blocks, leading_svd


def spectrum(name: str, q: int) -> np.ndarray:
    """Singular values, descending, in q places."""
    j = np.arange(q)
    return {
        "random": np.sort(np.random.default_rng(1).uniform(0.1, 1, q))[::-1],
        "separated": np.where(j < 3, 5.0 - j, 0.3),
        "decaying": 0.5**j,
        "slowly decaying": 1.0 / (1 + j),
        "cluster on top": np.where(j < 30, 1.0, 0.1),
        "cluster of two": np.where(j < 2, 2.0, np.where(j < 40, 1.0, 0.2)),
        "flat": np.linspace(1, 0.9, q),
        "equal": np.ones(q),
        "rank 5": np.where(j < 5, 5.0 - j, 0.0),
        "rank 1": np.where(j < 1, 1.0, 0.0),
        "zero": np.zeros(q),
    }[name]


NAMES = [
    "random", "separated", "decaying", "slowly decaying", "cluster on top", "cluster of two", "flat", "equal", "rank 5",
    "rank 1", "zero",
]  # fmt: skip


@cache
def frames(m: int, n: int) -> tuple[np.ndarray, np.ndarray]:
    """Left and right singular vectors of an m x n matrix; half a test's time, were each to draw its own."""
    rng, q = np.random.default_rng(0), min(m, n)
    return rotation(rng, m, q), rotation(rng, n, q)


def split(W: np.ndarray, parts: int = 7) -> list[np.ndarray]:
    """Blocks of columns of unequal sizes, an empty one among them."""
    cuts = np.sort(np.random.default_rng(5).integers(0, W.shape[1] + 1, parts - 1))
    return [*np.split(W, cuts, axis=1), W[:, :0]]


def assert_leading(W: np.ndarray, k: int, *, rtol: float = 1e-6) -> None:
    """S, its error, and U, against dense float64."""
    found = leading_svd(split(W), k, rtol=rtol)
    S = np.linalg.svd(W.astype(float), compute_uv=False)
    k = min(k, *W.shape)
    assert found.U.shape == (W.shape[0], k)
    assert found.S.shape == (k,)
    rounding = backward(W.shape, W.dtype, S[0]) / 8
    # products W Wᵀ q are off by eps s₁², so that s is off by eps s₁²/s, at most √eps s₁
    floor = np.minimum(rounding * S[0] / np.maximum(S[:k], np.finfo(float).tiny), np.sqrt(rounding * S[0]))
    # the bound of every value is true, the values are the leading ones, and U is orthonormal
    distance = np.abs(found.S[:, None] - np.append(S, 0.0)[None, :]).min(axis=1)
    np.testing.assert_array_less(distance, found.error + floor + np.finfo(float).tiny)
    np.testing.assert_array_less(np.abs(found.S - S[:k]), 10 * rtol * S[0] + floor + np.finfo(float).tiny)
    np.testing.assert_allclose(found.U.T @ found.U, np.eye(k), rtol=0, atol=backward(W.shape, W.dtype, 1.0) / 8)
    strong = S[:k] > 1e-3 * S[0]
    images = np.linalg.norm(W.astype(float).T @ found.U, axis=0)
    np.testing.assert_allclose(images[strong], S[:k][strong], rtol=0, atol=1e-4 * S[0] + rounding)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("shape", [(420, 520), (700, 430)])
@pytest.mark.parametrize("name", NAMES)
def test_leading_svd_equals_dense(name, shape, dtype):
    U, V = frames(*shape)
    assert_leading((U * spectrum(name, min(shape)) @ V.T).astype(dtype), 8)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("axis", ["rows", "columns"])
def test_leading_svd_of_a_matrix_with_few_nonzero_rows_or_columns_equals_dense(axis, dtype):
    rng = np.random.default_rng(0)
    W = np.zeros((450, 500), dtype)
    W[(slice(5), slice(None)) if axis == "rows" else (slice(None), slice(5))] = rng.standard_normal(
        (5, 500) if axis == "rows" else (450, 5)
    )
    assert_leading(W, 8)


@pytest.mark.parametrize("shape", [(30, 1000), (1000, 30), (7, 5), (1, 1), (401, 401), (3, 0), (0, 3)])
@pytest.mark.parametrize("k", [1, 9])
def test_leading_svd_of_small_and_thin_stacks_equals_dense(shape, k):
    W = np.random.default_rng(0).standard_normal(shape)
    if W.size:
        assert_leading(W, k)
    else:
        assert leading_svd([W], k).S.size == 0


def test_leading_svd_of_a_stack_with_one_dead_module_equals_dense():
    # Σr > 400, most modules hardly trained: numerical rank far below the number of columns
    rng = np.random.default_rng(0)
    parts = [rng.standard_normal((600, 2)) @ rng.standard_normal((2, 16)) * 10.0 ** -(i % 8) for i in range(32)]
    assert_leading(np.hstack(parts).astype(np.float32), 9, rtol=1e-5)


class Streamed:
    """Blocks that are made anew in every iteration, as modules read from a file are."""

    def __init__(self, W: np.ndarray) -> None:
        self.W, self.rounds = W, 0

    def __iter__(self):
        self.rounds += 1
        for block in split(self.W):
            yield block.copy()


@pytest.mark.parametrize("shape", [(500, 600), (50, 60)])
def test_leading_svd_is_deterministic_and_may_be_streamed(shape):
    W = np.random.default_rng(0).standard_normal(shape).astype(np.float32)
    streamed, held = Streamed(W), leading_svd(split(W), 4)
    found = leading_svd(streamed, 4)
    np.testing.assert_array_equal(found.S, held.S)
    np.testing.assert_array_equal(found.U, held.U)
    assert found.error == held.error
    assert (streamed.rounds > 5) == (min(shape) > 400)


def test_leading_svd_of_mixed_dtypes_equals_dense():
    W = np.random.default_rng(0).standard_normal((450, 500))
    found = leading_svd([W[:, :100].astype(np.float32), W[:, 100:]], 4)
    W[:, :100] = W[:, :100].astype(np.float32)
    np.testing.assert_allclose(found.S, np.linalg.svd(W, compute_uv=False)[:4], rtol=1e-6)


def test_leading_svd_says_so_when_it_stops_early():
    """Control of ``error``: cut off after one block it is large, and still a true bound."""
    W = with_singular_values(np.random.default_rng(0), 500, 450, np.linspace(1, 0.9, 450))
    S = np.linalg.svd(W, compute_uv=False)
    early = leading_svd([W], 8, max_steps=1)
    np.testing.assert_array_less(1e-3, early.error)
    np.testing.assert_array_less(np.abs(early.S[:, None] - S).min(axis=1), early.error)
    np.testing.assert_array_less(leading_svd([W], 8).error, 1e-6)


def test_leading_svd_is_equivariant_under_scaling_and_rotation():
    rng = np.random.default_rng(0)
    W = with_singular_values(rng, 500, 450, spectrum("separated", 450))
    Q = rotation(rng, 500)
    first, second = leading_svd([W], 3), leading_svd([1e-3 * (Q @ W)], 3)
    np.testing.assert_allclose(second.S, 1e-3 * first.S, rtol=1e-6)
    np.testing.assert_allclose(np.abs(np.sum(second.U * (Q @ first.U), axis=0)), 1, rtol=1e-5)


@pytest.mark.parametrize("shape", [(500, 600), (50, 60)])
def test_leading_svd_of_no_vectors_is_empty(shape):
    found = leading_svd([np.random.default_rng(0).standard_normal(shape)], 0)
    assert (found.U.shape, found.S.shape) == ((shape[0], 0), (0,))


class Mixed(Blocks):
    """A matrix that is multiplied in float32 where a rough answer is enough."""

    def __init__(self, W: np.ndarray) -> None:
        super().__init__([W])
        self.W, self.rough, self.exact = W, 0, 0

    def gram(self, X: np.ndarray, *, quick: bool = False) -> np.ndarray:
        self.rough, self.exact = self.rough + quick, self.exact + (not quick)
        W, X = (self.W.astype(np.float32), X.astype(np.float32)) if quick else (self.W, X)
        return W @ (W.T @ X)


@pytest.mark.parametrize("name", NAMES)
def test_leading_svd_from_float32_and_float64_equals_dense(name):
    W = with_singular_values(np.random.default_rng(0), 420, 520, spectrum(name, 420))
    S = np.linalg.svd(W, compute_uv=False)[:8]
    found = leading_svd(Mixed(W), 8, rtol=1e-5)
    floor = np.sqrt(backward(W.shape, float, S[0]) * S[0])  # of values that are 0
    np.testing.assert_array_less(np.abs(found.S - S), 1e-4 * S[0] + floor + np.finfo(float).tiny)
    np.testing.assert_allclose(found.U.T @ found.U, np.eye(8), rtol=0, atol=backward(W.shape, float, 1.0))


@pytest.mark.parametrize("ratio", [30.0, 1e4])
def test_leading_svd_finishes_in_float64_what_float32_does_not_see(ratio):
    """A strong value beside a dense spectrum: rounding to float32 is 1e-7 of its square, more than all the others'."""
    values = np.append(ratio, np.linspace(1, 0.1, 449))
    W = with_singular_values(np.random.default_rng(0), 450, 600, values)
    products = Mixed(W)
    found = leading_svd(products, 6, rtol=1e-9, bulk=5e-3)
    np.testing.assert_allclose(found.S, values[:6], rtol=5e-3)
    np.testing.assert_allclose(found.S[0], ratio, rtol=1e-9)
    assert products.rough > 0
    assert (products.exact > 5) == (ratio > 1e3)  # control: one or a few steps are enough where float32 sees them


def test_leading_svd_of_a_bulk_costs_less_and_says_how_far_off_it_is():
    """Values that are followed by a gap are exact all the same, and the errors of the others are bounds."""
    values = np.concatenate([[3.0, 2.0], np.linspace(1, 0.2, 898)])
    W = with_singular_values(np.random.default_rng(1), 900, 1000, values)
    exact, loose = Mixed(W), Mixed(W)
    full = leading_svd(exact, 8, rtol=1e-6)
    found = leading_svd(loose, 8, rtol=1e-6, bulk=5e-3)
    assert loose.rough + loose.exact < exact.rough + exact.exact
    np.testing.assert_allclose(full.S, values[:8], rtol=1e-6)
    np.testing.assert_allclose(found.S[:2], values[:2], rtol=1e-6)
    np.testing.assert_array_less(found.errors[:2], 1e-6 * values[0])
    np.testing.assert_array_less(found.errors[2:], 5e-3 * found.S[2:] * 1.01)
    assert found.errors[2:].max() > 1e-4  # control: they were let off
    np.testing.assert_array_less(np.abs(found.S[:, None] - values).min(axis=1), found.errors + 1e-12)
    np.testing.assert_allclose(found.S, values[:8], rtol=5e-3)
