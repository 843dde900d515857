"""compensation-removes-pressure: the amplification of (b) for d = 2 and 3, Wedderburn's part in (c) at r = 1.

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
from ..shared.reals import Values, numbers, outer, reals, square
from . import STATEMENT, draw
from .compensated import Compensated, oblique


def cores() -> list[Core[Compensated]]:
    """Two sizes of one inequality, that of Kantorovich for the moments λ⁻¹; the rank by a determinant."""
    return [_amplification(2), _amplification(3), _part()]


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


def _part() -> Core[Compensated]:
    """N, of rank two, in frames of its rows and columns; p N a and Nᵀb make C, p (bᵀN a) = 1."""
    N, a, b, p = reals("N", 2, 2), reals("a", 2), reals("b", 2), z3.Real("p")
    det, part = N[0, 0] * N[1, 1] - N[0, 1] * N[1, 0], outer(N @ a, b @ N) * p

    def left(share) -> z3.ArithRef:
        """det(N − share C)."""
        E = N - part * share
        return E[0, 0] * E[1, 1] - E[0, 1] * E[1, 0]

    return Core(
        "one rank",
        "any part of rank one",
        "rank 2, any size",
        (det != 0, square(a) == 1, square(b) == 1, p * (b @ N @ a) == 1),
        left(1) == 0,
        {"half of the component": left(z3.Q(1, 2)) == 0},
        _of_rank_two,
    )


def _of_rank_two(values: Values) -> Compensated:
    """A drawn instance with M of these two singular pairs in random frames, Sigma = I and r = 1."""
    rng = np.random.default_rng(0)
    i = draw(rng)
    n = len(i.u)
    L, R = (orthonormal(rng, n, 2) for _ in range(2))
    M = L @ numbers(values, "N", 2, 2) @ R.T
    i = replace(i, u=L @ numbers(values, "b", 2), v_hat=R @ numbers(values, "a", 2), Sigma=np.eye(n), r=1)
    return replace(i, T=M - i.shortcut)


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
