"""posthoc-rank-gain at r = 1 for inputs of two dimensions and any number of outputs.

X = M S = Σ s_i û_i v̂_iᵀ with s₁ >= s₂ >= 0; a_i = uᵀû_i, of which only a₁² + a₂² <= 1 is known. P_u X has the Gram
matrix s_i s_j (δ_ij − a_i a_j), whose eigenvalues low <= high are given by trace and determinant; the naive run
projected loses ‖P_u s₂ û₂‖² = s₂² (1 − a₂²), the one trained behind the projection low.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import z3

from ..derivations import Core
from ..shared.reals import Values, numbers, reals, square
from . import Instance, draw

s, a = reals("s", 2), reals("a", 2)
low, high = z3.Reals("low high")
GRAM = np.array([[s[i] * s[j] * (int(i == j) - a[i] * a[j]) for j in range(2)] for i in range(2)], object)
PREMISES = (
    *(s[0] >= s[1], s[1] >= 0, s[0] > 0, square(a) <= 1, 0 <= low, low <= high),
    *(low + high == GRAM[0, 0] + GRAM[1, 1], low * high == GRAM[0, 0] * GRAM[1, 1] - GRAM[0, 1] * GRAM[1, 0]),
)
GAIN = s[1] * s[1] * (1 - a[1] * a[1]) - low


def cores() -> list[Core[Instance]]:
    """σ_r(P_u T Sigma^½)² is high, as P_u X = P_u T S; σ_{r+1}(M Sigma^½)² is s₂²."""
    return [
        Core(
            "never a loss",
            "never a loss",
            "m x 2, r = 1",
            PREMISES,
            GAIN >= 0,
            {"post-hoc is as good": GAIN == 0, "converse: projecting afterwards never loses": GAIN <= 0},
            _instance,
        ),
        Core(
            "at most the first one dropped",
            "at most the first one dropped",
            "m x 2, r = 1",
            PREMISES,
            GAIN <= s[1] * s[1],
            {"gain <= σ_r²/2": 2 * GAIN <= high, "never more than the shortcut itself": GAIN <= 1},
            _instance,
        ),
        Core(
            "at most one direction",
            "at most one direction",
            "m x 2, r = 1",
            PREMISES,
            z3.And(GAIN <= high, s[1] * s[1] <= high),
            {"always the right end": GAIN == high, "gain <= σ_r, not squared": z3.Or(GAIN <= 0, GAIN * GAIN <= high)},
            _instance,
        ),
    ]


def _instance(values: Values) -> Instance:
    """Four outputs, u = e₁: û_i of first entries a_i and orthonormal; Sigma = I, beta = 1 and T = X − u vᵀ."""
    a, s = numbers(values, "a", 2), numbers(values, "s", 2)
    second = -a[0] * a[1] / np.sqrt(1 - a[0] ** 2) if abs(a[0]) < 1 else 0.0
    left = np.array([[a[0], np.sqrt(max(1 - a[0] ** 2, 0.0)), 0.0, 0.0], [a[1], second, 0.0, 0.0]])
    left[1, 2] = np.sqrt(max(1 - left[1] @ left[1], 0.0))
    u, v = np.eye(4)[0], np.array([0.6, 0.8])
    given = {"T": left.T * s - np.outer(u, v), "u": u, "v": v, "beta": 1.0, "r": 1}
    return replace(
        draw(np.random.default_rng(0)),
        **given,
        H=np.eye(4),
        **dict.fromkeys(("Sigma", "Sigma_t", "Sigma_d"), np.eye(2)),
    )
