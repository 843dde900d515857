"""Do the leading directions of different layers agree more than chance? A permutation test within the adapter."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int
from numpy import ndarray

DRAWS = 999
P_VALUE = 0.01


@dataclass(frozen=True)
class Agreement:
    """Mean cos² of the leading directions over pairs of modules in different layers.

    Attributes
    ----------
    value : the mean; 0 is orthogonal, 1 the same direction everywhere.
    null_mean : its mean under the permutation null.
    isotropic_mean : 1/d, its mean for independent isotropic directions: printed, never used for a verdict.
    p_value : (1 + draws at least as large)/(1 + draws), never below what the number of distinct pairings allows.
    pairs : number of pairs of modules.
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
    *Null*: in each pair of modules the leading direction of one meets a randomly chosen other component of the other
    (which of the two, by a random order of the modules; the same choice in all pairs of a draw), so that it has as
    many terms as the statistic, and whatever all components of these modules share by living in one network is in it
    too. An isotropic null, which ignores that, would call every adapter significant.

    Testing stops at the first component that does not agree (p >= P_VALUE); the entries after it are None. Directions
    that the layers do not share come out of a stack as mixtures, and removing a mixture from every module leaves
    remainders that agree for that reason alone; removing a shared direction does not.

    None also where fewer than two layers or fewer than two components a module are left. Cost O(d (L k)²) once, then
    O(L² k³ + draws L²) a component.
    """
    d, L, k = modules.U.shape
    basis = modules.U.reshape(d, L * k)
    gram = (basis.T @ basis).astype(np.float64)
    inside = (removed.astype(basis.dtype).T @ basis).astype(np.float64)  # (n, L k)
    rng = np.random.default_rng(seed)
    count = removed.shape[1] + 1
    results: list[Agreement | None] = []
    for i in range(count):
        rest = gram - inside[:i].T @ inside[:i]
        cos2, usable = _leading_first(rest.reshape(L, k, L, k), modules.S)
        found = _test(cos2, usable, modules.layers, draws, rng, d)
        results.append(found)
        if found is None or found.p_value >= P_VALUE:
            break
    return results + [None] * (count - len(results))


def _leading_first(gram: Float[ndarray, "L k L k"], S: Float[ndarray, "L k"]) -> tuple[ndarray, ndarray]:
    """(cos²(l, l', j), usable (L, k)): the leading left singular vector of module l against number j of module l'."""
    within = np.einsum("lj,ljli,li->lji", S, gram, S)  # U S restricted to what is left: its Gram matrix, per module
    power, Y = np.linalg.eigh(within)
    power, Y = power[:, ::-1].clip(0), Y[:, :, ::-1]
    usable = power > 1e-10 * np.maximum(power[:, :1], np.finfo(float).tiny)
    coordinates = S[:, :, None] * Y * np.where(usable, 1 / np.sqrt(np.where(usable, power, 1.0)), 0.0)[:, None, :]
    leading = np.einsum("lj,ljmi->lmi", coordinates[:, :, 0], gram)
    return np.einsum("lmi,mij->lmj", leading, coordinates) ** 2, usable


def _test(
    cos2: Float[ndarray, "L L k"], usable: ndarray, layers: ndarray, draws: int, rng: np.random.Generator, d: int
) -> Agreement | None:
    """The permutation test on one table of cos²."""
    others = usable[:, 1:].sum(axis=1)
    keep = others > 0
    if len(np.unique(layers[keep])) < 2:
        return None
    cos2, layers, others = cos2[keep][:, keep], layers[keep], others[keep]
    first, second = np.nonzero(np.triu(layers[:, None] != layers[None, :]))
    value = float(cos2[first, second, 0].mean())
    null = np.concatenate([_null(cos2, others, first, second, n, rng) for n in _batches(draws, len(first))])
    distinct = float(np.exp(min(np.log(others).sum() + np.log(2.0) * (len(first) == 1), 50.0)))
    p = (1 + np.count_nonzero(null >= value)) / (1 + draws)
    return Agreement(value, float(null.mean()), 1 / d, float(max(p, 1 / (1 + distinct))), len(first))


def _batches(draws: int, pairs: int, entries: int = 1 << 16) -> list[int]:
    """Sizes of batches that add up to ``draws`` and hold about ``entries`` cos² each."""
    size = max(1, entries // pairs)
    return [size] * (draws // size) + ([draws % size] if draws % size else [])


def _null(
    cos2: Float[ndarray, "L L k"],
    others: ndarray,
    first: ndarray,
    second: ndarray,
    draws: int,
    rng: np.random.Generator,
) -> Float[ndarray, " draws"]:
    """Draws of the statistic under the null, as described in :func:`agreement`."""
    L = len(others)
    order = rng.random((draws, L))
    other = 1 + (rng.random((draws, L)) * others).astype(np.intp)
    swap = order[:, first] > order[:, second]
    leading, meets = np.where(swap, second, first), np.where(swap, first, second)
    return cos2[leading, meets, np.take_along_axis(other, meets, axis=1)].mean(axis=1)
