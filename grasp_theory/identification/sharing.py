"""Is the leading direction of a module shared with the same kind of module in other layers? With its effect size."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from math import ceil

import numpy as np
from jaxtyping import Float, Int
from numpy import ndarray

from .. import linalg
from .rule import P_VALUE

DRAWS = 4000  # or as many as the level asks for: Holm multiplies the smallest p-value, 1/(1 + draws), by the layers
ROWS = 512  # of the directions that are multiplied at a time
CERTAIN = 1e-9  # bound on a p-value, below which no draw would reach the statistic


@dataclass(frozen=True, eq=False)
class Sharing:
    """The test of one kind of module over the layers, by :func:`sharing`.

    Attributes:
        directions, along: as given.
        gram: inner products of the directions.
        statistics: Σ_{l' ≠ l} ⟨u_l, u_l'⟩² of each module.
        means: of the statistics under the null.
        energy: ‖dW‖_F² of all these modules.
    """

    directions: Float[ndarray, "d L"]
    along: Float[ndarray, " L"]
    gram: Float[ndarray, "L L"]
    statistics: Float[ndarray, " L"]
    means: Float[ndarray, " L"]
    energy: float
    seed: int

    @property
    def cosines(self) -> Float[ndarray, " L"]:
        """Of each module with the others, root mean square ``|cos|``."""
        return np.sqrt(self.statistics / (len(self.along) - 1))

    @property
    def expected(self) -> Float[ndarray, " L"]:
        """What the mean statistic is under the null."""
        return np.sqrt(self.means / (len(self.along) - 1))

    @cached_property
    def p_values(self) -> Float[ndarray, " L"]:
        """The p-value of each module, corrected for their number (Holm).

        None is drawn for a module whose p-value a bound puts below CERTAIN. Proved here: with lambda_j >= 0 of sum T,
        E exp(s Σ lambda_j g_j²) = Π (1 − 2 s lambda_j)^−½ is log-convex in lambda, hence largest with all of T in one
        of them; Chernoff's bound at the best s is P(Σ lambda_j g_j² >= x T) <= √x exp((1 − x)/2) for x >= 1. The
        modules in doubt all take the same normal draws.

        Cost: O(d L²) for each module that is in doubt.
        """
        L = len(self.along)
        x = np.maximum(self.statistics / np.maximum(self.means, np.finfo(float).tiny), 1.0)
        doubt = np.flatnonzero(np.sqrt(x) * np.exp((1 - x) / 2) >= CERTAIN)
        p, count = np.full(L, CERTAIN), max(DRAWS, ceil(L / P_VALUE))
        if doubt.size:
            others = np.array([np.delete(np.arange(L), l) for l in doubt])
            forms = _forms(self.directions, doubt)
            rows = np.arange(len(doubt))[:, None, None]
            lam = np.maximum(linalg.eigvalsh(forms[rows, others[:, :, None], others[:, None, :]]), 0)
            draws = np.random.default_rng(self.seed).standard_normal((count, L - 1)) ** 2 @ lam.T
            p[doubt] = (1 + np.count_nonzero(draws >= self.statistics[doubt], axis=0)) / (1 + count)
        return holm(p)

    @cached_property
    def common(self) -> Float[ndarray, " d"]:
        """The direction nearest to all of them, weighted by their singular values."""
        # the leading left singular vector of U diag(along), from the small Gram matrix
        mixing = self.along * linalg.eigh(self.along[:, None] * self.gram * self.along)[1][:, -1]
        common = self.directions @ mixing
        return common / np.linalg.norm(common)

    @property
    def explained(self) -> float:
        """Share of ‖dW‖_F² of these modules that their leading directions have along ``common``.

        The whole of it, ‖cᵀdW‖²/‖dW‖² = Σ s_i² ⟨c, u_i⟩²/Σ s_i², is at least that; other directions add to it.
        """
        return float(np.sum((self.along * (self.common @ self.directions)) ** 2) / self.energy)


def sharing(
    directions: Float[ndarray, "d L"],
    along: Float[ndarray, " L"],
    energies: Float[ndarray, " L"],
    *,
    seed: int = 0,
) -> Sharing:
    """The leading directions of L >= 3 modules of one kind, one a layer, tested against random signs of coordinates.

    Statistic of module l: Σ_{l' ≠ l} ⟨u_l, u_l'⟩². Null: the signs of u_l's coordinates are random. What all layers
    share because the stream has a few large coordinates is in the null too (an isotropic null, and one that permutes
    components, call that sharing). Then ⟨ε∘u_l, u_l'⟩ = Σ_i ε_i u_li u_l'i, and the statistic is the quadratic form
    εᵀ W Wᵀ ε with W = diag(u_l) U'; it is drawn as Σ_j lambda_j g_j², lambda_j the eigenvalues of WᵀW, g normal. That
    is its limit for directions that are spread over many coordinates; where one coordinate dominates, the form is less
    variable than the draws (a sign squared is 1) and p is too large, never too small. Rank 1 is enough.

    Args:
        along: largest singular value of each module.
        energies: ‖dW_l‖_F².

    Cost: O(d L²); p-values are computed when they are asked for.
    """
    L = directions.shape[1]
    gram, squares = np.zeros((L, L)), np.zeros((L, L))
    for start in range(0, len(directions), ROWS):
        rows = directions[start : start + ROWS].astype(np.float64)
        gram += rows.T @ rows
        rows *= rows
        squares += rows.T @ rows
    statistics, means = (np.sum(X, axis=1) - np.diag(X) for X in (gram**2, squares))
    return Sharing(directions, along, gram, statistics, means, float(energies.sum()), seed)


def _forms(U: Float[ndarray, "d L"], modules: Int[ndarray, " n"]) -> Float[ndarray, "n L L"]:
    """Uᵀ diag(u_l²) U for these l; the entries are products of u_a u_b, a <= b, and u_l².

    They are the null alone, to be drawn from: the products are in float32.
    """
    L = U.shape[1]
    a, b = np.triu_indices(L)
    forms = np.zeros((len(modules), len(a)))
    for start in range(0, len(U), ROWS):
        turned = U[start : start + ROWS].T.astype(np.float32)
        forms += turned[modules] ** 2 @ (turned[a] * turned[b]).T
    full = np.empty((len(modules), L, L))
    full[:, a, b] = full[:, b, a] = forms
    return full


def holm(p: Sequence[float] | Float[ndarray, " n"]) -> Float[ndarray, " n"]:
    """p-values corrected for their number by Holm's step-down rule."""
    values = np.asarray(p, dtype=float)
    order = np.argsort(values)
    steps = values[order] * np.arange(len(values), 0, -1)
    corrected = np.empty_like(values)
    corrected[order] = np.minimum(np.maximum.accumulate(steps), 1.0)
    return corrected
