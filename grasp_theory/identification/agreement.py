"""Do the leading directions of different layers agree more than chance? A permutation test within the adapter."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int
from numpy import ndarray

from .. import linalg
from .rule import P_VALUE

DRAWS = 999
ROWS = 1024  # of the directions that are multiplied at a time


@dataclass(frozen=True)
class Agreement:
    """Mean cos² of the leading directions over pairs of modules in different layers.

    Attributes:
        value: the mean; 0 is orthogonal, 1 the same direction everywhere.
        null_mean: its mean under the permutation null.
        isotropic_mean: 1/d, its mean for independent isotropic directions: printed, never used for a verdict.
        p_value: (1 + draws at least as large)/(1 + draws), never below 1 over the number of distinct draws.
        pairs: number of pairs of modules.
    """

    value: float
    null_mean: float
    isotropic_mean: float
    p_value: float
    pairs: int


@dataclass(frozen=True, eq=False)
class LeadingDirections:
    """The k leading singular vectors of L modules that share a space: U (d, L, k), S (L, k), layer of each (L,).

    A module of rank below k is padded with S = 0. Layers are integers; modules with equal ones are not paired.
    """

    U: Float[ndarray, "d L k"]
    S: Float[ndarray, "L k"]
    layers: Int[ndarray, " L"]


def agreement(
    modules: LeadingDirections, removed: Float[ndarray, "d n"], *, draws: int = DRAWS, seed: int = 0
) -> list[Agreement | None]:
    """Agreement of component i = 0 … n of a stack of modules: entry i has the first i columns of ``removed`` taken out.

    Component i is the leading direction of each module once the stack's components 0 … i−1 are projected out of it.
    *Null*: every module's direction is replaced by one of its components drawn at random (the leading one included),
    the same in all pairs of a draw. If the components of a module are exchangeable, statistic and draws are too, so
    that the p-value is exact; what all components share by living in one network is in both. (Pairing the leading
    direction of one module with another component of the next, instead, is not exchangeable: it lacks the closed
    triangles of the statistic, and alarms 1.5 to 3 times too often.) An isotropic null would call every adapter
    significant.

    Testing stops at the first component that does not agree (p >= P_VALUE); the entries after it are None. Directions
    that the layers do not share come out of a stack as mixtures, and removing a mixture from every module leaves
    remainders that agree for that reason alone; removing a shared direction does not.

    None also where fewer than two layers or fewer than two components a module are left.

    Args:
        removed: orthonormal columns.

    Cost O(d (L k)²) once, then O(L² k³ + draws L²) a component; memory O(L² k²).
    """
    d, L, k = modules.U.shape
    basis = modules.U.reshape(d, L * k)
    outside, inside = _inner_products(basis, removed)
    # What is left of a module below the rounding of its stored directions is not there.
    lowest = float(np.finfo(basis.dtype).eps) * modules.S[:, :1] ** 2
    rng = np.random.default_rng(seed)
    count = removed.shape[1] + 1
    results: list[Agreement | None] = []
    for i in range(count):
        rest = outside + inside[i:].T @ inside[i:]
        cos2, usable = _cosines(rest.reshape(L, k, L, k), modules.S, lowest)
        found = _test(cos2, usable, modules.layers, draws, rng, d)
        results.append(found)
        if found is None or found.p_value >= P_VALUE:
            break
    return results + [None] * (count - len(results))


def _inner_products(basis: ndarray, removed: ndarray) -> tuple[ndarray, ndarray]:
    """(restᵀ rest, removedᵀ basis), rest = basis − removed removedᵀ basis.

    What is left with only the first i of them removed has the Gram matrix restᵀ rest + Σ_{j >= i} of the others' outer
    products: sums alone, so that no digit cancels and products in float32 are as good as the stored directions.
    """
    kind, n = basis.dtype, basis.shape[1]
    removed = removed.astype(kind)
    inside, gram = removed.T @ basis, np.zeros((n, n))
    for start in range(0, len(basis), ROWS):
        rest = basis[start : start + ROWS]
        if len(inside):
            rest = rest - removed[start : start + ROWS] @ inside
        gram += rest.T @ rest
    return gram, inside.astype(np.float64)


def _cosines(
    gram: Float[ndarray, "L k L k"], S: Float[ndarray, "L k"], lowest: Float[ndarray, "L 1"]
) -> tuple[Float[ndarray, "L k L k"], ndarray]:
    """(cos²(l, i, l', j) between the singular vectors of what is left of the modules, usable (L, k))."""
    L, k = S.shape
    within = np.einsum("lj,ljli,li->lji", S, gram, S)  # U S restricted to what is left: its Gram matrix, per module
    power, Y = linalg.eigh(within)
    power, Y = power[:, ::-1], Y[:, :, ::-1]
    usable = power > np.maximum(lowest, 1e-10 * np.maximum(power[:, :1], np.finfo(float).tiny))
    unit = np.where(usable, 1 / np.sqrt(np.where(usable, power, 1.0)), 0.0)
    coordinates = S[:, :, None] * Y * unit[:, None, :]
    half = coordinates.transpose(0, 2, 1) @ gram.reshape(L, k, L * k)  # (l, i, m n)
    both = half.reshape(L * k, L, k).transpose(1, 0, 2) @ coordinates  # (m, l i, j)
    return both.reshape(L, L, k, k).transpose(1, 2, 0, 3) ** 2, usable


def _test(
    cos2: Float[ndarray, "L k L k"], usable: ndarray, layers: ndarray, draws: int, rng: np.random.Generator, d: int
) -> Agreement | None:
    """The permutation test on one table of cos²."""
    counts = usable.sum(axis=1)
    keep = counts > 1
    if len(np.unique(layers[keep])) < 2:
        return None
    cos2, layers, counts = np.ascontiguousarray(cos2[keep][:, :, keep]), layers[keep], counts[keep]
    first, second = np.nonzero(np.triu(layers[:, None] != layers[None, :]))
    value = float(cos2[first, 0, second, 0].mean())
    null = np.concatenate([_null(cos2, counts, first, second, n, rng) for n in _batches(draws, len(first))])
    distinct = float(np.exp(min(np.log(counts).sum(), 50.0)))
    p = (1 + np.count_nonzero(null >= value)) / (1 + draws)
    return Agreement(value, float(null.mean()), 1 / d, float(max(p, 1 / distinct)), len(first))


def lowest_p(modules: LeadingDirections) -> float:
    """The smallest p-value that the numbers of layers, components and DRAWS allow; 1 where there is no test."""
    counts = np.count_nonzero(modules.S, axis=1)
    keep = counts > 1
    if len(np.unique(modules.layers[keep])) < 2:
        return 1.0
    return float(max(1 / (1 + DRAWS), np.exp(-np.log(counts[keep]).sum())))


def _batches(draws: int, pairs: int) -> list[int]:
    """Sizes of batches that add up to ``draws`` and hold about 65,536 cos² each."""
    size = max(1, (1 << 16) // pairs)
    return [size] * (draws // size) + ([draws % size] if draws % size else [])


def _null(
    cos2: Float[ndarray, "L k L k"],
    counts: Int[ndarray, " L"],
    first: Int[ndarray, " pairs"],
    second: Int[ndarray, " pairs"],
    draws: int,
    rng: np.random.Generator,
) -> Float[ndarray, " draws"]:
    """Draws of the statistic under the null, as described in :func:`agreement`."""
    L, k = cos2.shape[:2]
    drawn = (rng.random((draws, L)) * counts).astype(np.intp)
    drawn += k * np.arange(L)  # row of the table
    return cos2.ravel().take(drawn[:, first] * (L * k) + drawn[:, second]).mean(axis=1)
