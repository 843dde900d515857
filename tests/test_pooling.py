"""Leading triples of a stack against a dense SVD, for spectra that a Lanczos iteration finds hard."""

from __future__ import annotations

import numpy as np
import pytest
from strategies import rotation, with_singular_values
from tolerance import backward

from grasp_theory import InputError, leading_svd


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


def assert_leading(W: np.ndarray, k: int, *, rtol: float = 1e-6) -> None:
    """S, its error, and U, against dense float64."""
    found = leading_svd(W, k, rtol=rtol)
    S = np.linalg.svd(W.astype(float), compute_uv=False)
    k = min(k, *W.shape)
    assert found.U.shape == (W.shape[0], k)
    assert found.S.shape == (k,)
    rounding = backward(W.shape, W.dtype, S[0]) / 8
    # the bound of every value is true, the values are the leading ones, and U is orthonormal
    distance = np.abs(found.S[:, None] - np.append(S, 0.0)[None, :]).min(axis=1)
    np.testing.assert_array_less(distance, found.error + rounding)
    np.testing.assert_allclose(found.S, S[:k], rtol=0, atol=10 * rtol * S[0] + rounding)
    np.testing.assert_allclose(found.U.T @ found.U, np.eye(k), rtol=0, atol=1e-8)
    strong = S[:k] > 1e-3 * S[0]
    images = np.linalg.norm(W.astype(float).T @ found.U, axis=0)
    np.testing.assert_allclose(images[strong], S[:k][strong], rtol=0, atol=1e-4 * S[0] + rounding)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("shape", [(420, 520), (700, 430)])
@pytest.mark.parametrize("name", NAMES)
def test_leading_svd_equals_dense(name, shape, dtype):
    rng = np.random.default_rng(0)
    W = with_singular_values(rng, *shape, spectrum(name, min(shape))).astype(dtype)
    assert_leading(W, 8)


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
        assert leading_svd(W, k).S.size == 0


def test_leading_svd_of_a_stack_with_one_dead_module_equals_dense():
    # Σr > 400, most modules hardly trained: numerical rank far below the number of columns
    rng = np.random.default_rng(0)
    parts = [rng.standard_normal((600, 2)) @ rng.standard_normal((2, 16)) * 10.0 ** -(i % 8) for i in range(32)]
    assert_leading(np.hstack(parts).astype(np.float32), 9, rtol=1e-5)


def test_leading_svd_says_so_when_it_stops_early():
    """Control of ``error``: cut off after one block it is large, and still a true bound."""
    W = with_singular_values(np.random.default_rng(0), 500, 450, np.linspace(1, 0.9, 450))
    S = np.linalg.svd(W, compute_uv=False)
    early = leading_svd(W, 8, max_blocks=1)
    np.testing.assert_array_less(1e-3, early.error)
    np.testing.assert_array_less(np.abs(early.S[:, None] - S).min(axis=1), early.error)
    np.testing.assert_array_less(leading_svd(W, 8).error, 1e-6)


@pytest.mark.parametrize("shape", [(500, 600), (50, 60)])
def test_leading_svd_is_deterministic(shape):
    W = np.random.default_rng(0).standard_normal(shape).astype(np.float32)
    first, second = leading_svd(W, 5), leading_svd(W.copy(), 5)
    np.testing.assert_array_equal(first.U, second.U)
    np.testing.assert_array_equal(first.S, second.S)
    assert first.error == second.error


def test_leading_svd_is_equivariant_under_scaling_and_rotation():
    rng = np.random.default_rng(0)
    W = with_singular_values(rng, 500, 450, spectrum("separated", 450))
    Q = rotation(rng, 500)
    first, second = leading_svd(W, 3), leading_svd(1e-3 * (Q @ W), 3)
    np.testing.assert_allclose(second.S, 1e-3 * first.S, rtol=1e-6)
    np.testing.assert_allclose(np.abs(np.sum(second.U * (Q @ first.U), axis=0)), 1, rtol=1e-5)


@pytest.mark.parametrize("shape", [(500, 600), (50, 60)])
def test_leading_svd_of_no_vectors_is_empty(shape):
    found = leading_svd(np.random.default_rng(0).standard_normal(shape), 0)
    assert (found.U.shape, found.S.shape) == ((shape[0], 0), (0,))


@pytest.mark.parametrize("shape", [(500, 600), (50, 60)])
def test_leading_svd_refuses_a_negative_number(shape):
    with pytest.raises(InputError, match="k must not be negative, got -1"):
        leading_svd(np.ones(shape), -1)


@pytest.mark.parametrize("shape", [(500, 600), (50, 60)])
def test_leading_svd_refuses_what_is_not_finite(shape):
    W = np.ones(shape)
    W[3, 4] = np.nan
    with pytest.raises(InputError):
        leading_svd(W, 2)
