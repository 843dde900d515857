"""compensation-removes-pressure: the amplification of (b) for d = 2 and 3.

Q = P_v̂ + v̂ ell has ‖Q‖₂² = 1 + ‖ell‖² = ‖Sigma⁻¹v̂‖²/(v̂ᵀSigma⁻¹v̂)², of eigenvalues and squared parts of v̂.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import z3
from jaxtyping import Float
from numpy import ndarray

from ..derivations import Core
from ..shared.draws import orthonormal
from ..shared.reals import numbers, reals
from . import STATEMENT, draw
from .compensated import Compensated, oblique


def cores() -> list[Core[Compensated]]:
    """Two sizes of one inequality, that of Kantorovich for the moments λ⁻¹."""
    return [_amplification(2), _amplification(3)]


def _amplification(d: int) -> Core[Compensated]:
    """g = 1/λ from 1 to κ, w the squared parts of v̂: Σ w g² <= (Σ w g)² (κ + 1)²/(4 κ)."""
    g, w, root = reals("g", d), reals("w", d), z3.Real("root")
    first, second, kappa = w @ g, w @ (g * g), g[d - 1]

    def at_most(k: z3.ArithRef) -> z3.BoolRef:
        return 4 * k * second <= first * first * (k + 1) * (k + 1)

    return Core(
        f"amplification, d = {d}",
        "amplification",
        f"d = {d}",
        (
            *(g[0] == 1, sum(w) == 1, *(w[k] >= 0 for k in range(d)), *(g[k] <= g[k + 1] for k in range(d - 1))),
            *(root >= 1, root * root == kappa),
        ),
        at_most(kappa),
        {
            "projection amplifies by at most 3.4": second <= first * first * z3.Q(1156, 100),
            "amplified by no more than √κ/2": z3.Or(kappa <= 4, 4 * second <= first * first * kappa),
            "Kantorovich with √κ": at_most(root),
        },
        lambda values: _instance(1 / numbers(values, "g", d), np.sqrt(numbers(values, "w", d))),
    )


def _instance(eigenvalues: Float[ndarray, " d"], v_hat: Float[ndarray, " d"]) -> Compensated:
    """A drawn instance with these of Sigma and v̂; further dimensions get the first eigenvalue, v̂ none of them.

    Delta is a row (‖ell‖² v̂ + ell) of a matrix, which Q stretches most.
    """
    rng, k = np.random.default_rng(0), len(v_hat)
    while True:
        i = draw(rng)
        n = len(i.u)
        Q, values = orthonormal(rng, n, n), np.full(n, eigenvalues[0])
        values[:k] = eigenvalues
        i = replace(i, Sigma=Q * values @ Q.T, v_hat=Q[:, :k] @ v_hat)
        ell = oblique(i)[1]
        i = replace(i, C=i.shortcut + np.outer(i.u, (ell @ ell) * i.v_hat + ell))
        if not STATEMENT.broken(i):
            return i
