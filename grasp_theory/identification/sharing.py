"""Is the leading direction of a module shared with the same kind of module in other layers? With its effect size."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from .. import linalg

DRAWS = 4000
ROWS = 512  # of the directions that are multiplied at a time


@dataclass(frozen=True, eq=False)
class Sharing:
    """The test of one kind of module over the layers.

    Attributes:
        cosines: of each module with the others, root mean square ``|cos|``.
        expected: the same under the null.
        p_values: of each module, corrected for their number (Holm).
        common: the direction nearest to all of them.
        explained: share of ‖dW‖_F² of these modules that lies along ``common``.
    """

    cosines: Float[ndarray, " L"]
    expected: Float[ndarray, " L"]
    p_values: Float[ndarray, " L"]
    common: Float[ndarray, " d"]
    explained: float


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

    Cost: O(d L²) a module.
    """
    L = directions.shape[1]
    gram, forms = _forms(directions)
    rng = np.random.default_rng(seed)
    statistic = np.sum(gram**2, axis=1) - np.diag(gram) ** 2
    others = np.array([np.delete(np.arange(L), l) for l in range(L)])
    lam = np.maximum(linalg.eigvalsh(forms[np.arange(L)[:, None, None], others[:, :, None], others[:, None, :]]), 0)
    expected = lam.sum(axis=1)
    draws = rng.standard_normal((DRAWS, L - 1)) ** 2 @ lam.T
    p = (1 + np.count_nonzero(draws >= statistic, axis=0)) / (1 + DRAWS)
    # the leading left singular vector of U diag(along), from the small Gram matrix
    mixing = along * linalg.eigh(along[:, None] * gram * along)[1][:, -1]
    common = directions @ mixing
    common /= np.linalg.norm(common)
    inside = (along * (common @ directions)) ** 2
    return Sharing(
        np.sqrt(statistic / (L - 1)), np.sqrt(expected / (L - 1)), holm(p), common, float(inside.sum() / energies.sum())
    )


def _forms(U: Float[ndarray, "d L"]) -> tuple[Float[ndarray, "L L"], Float[ndarray, "L L L"]]:
    """(UᵀU, Uᵀ diag(u_l²) U for every l); the entries of the second are products of u_a u_b, a <= b, and u_l².

    The second is the null alone, to be drawn from: its products are in float32.
    """
    L = U.shape[1]
    a, b = np.triu_indices(L)
    gram, forms = np.zeros((L, L)), np.zeros((L, len(a)))
    for start in range(0, len(U), ROWS):
        rows = U[start : start + ROWS].astype(np.float64)
        gram += rows.T @ rows
        turned = rows.T.astype(np.float32)
        forms += (turned * turned) @ (turned[a] * turned[b]).T
    full = np.empty((L, L, L))
    full[:, a, b] = full[:, b, a] = forms
    return gram, full


def holm(p: Sequence[float] | Float[ndarray, " n"]) -> Float[ndarray, " n"]:
    """p-values corrected for their number by Holm's step-down rule."""
    values = np.asarray(p, dtype=float)
    order = np.argsort(values)
    steps = values[order] * np.arange(len(values), 0, -1)
    corrected = np.empty_like(values)
    corrected[order] = np.minimum(np.maximum.accumulate(steps), 1.0)
    return corrected
