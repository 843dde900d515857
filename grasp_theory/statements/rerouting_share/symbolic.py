"""rerouting-share: the Schur complement in two dimensions and three (u = e₁), Kantorovich's gap as a square.

Derived: uᵀHu − uᵀHP (PHP)⁺ PHu = 1/(uᵀH⁻¹u); for H = diag(κ, 1) and u = (c, s) the bound ((κ−1)/(κ+1))² exceeds the
share by κ(κ−1)²(c² − s²)²/((κ+1)²(κ + (κ−1)²c²s²)), 0 iff u is halfway.
"""

from __future__ import annotations

import numpy as np
import sympy as sp
from jaxtyping import Float
from numpy import ndarray

from . import Instance

ENTRIES = sp.symbols("h11 h12 h22 h13 h23 h33", real=True)
KAPPA = sp.symbols("kappa", positive=True)
WORST = ((KAPPA - 1) / (KAPPA + 1)) ** 2
# of H = [[h11, h12], [h12, h22]] and u = e₁
SHARE = ENTRIES[1] ** 2 / (ENTRIES[0] * ENTRIES[2])


def residuals() -> dict[str, sp.Expr]:
    """Left side minus right side of each identity."""
    h = ENTRIES
    c, s = sp.symbols("c s", real=True)  # not normalised: both sides are homogeneous once divided by u·u
    H = sp.Matrix([[h[0], h[1]], [h[1], h[2]]])
    u, n = sp.Matrix([c, s]), sp.Matrix([-s, c])
    left = (u.T * H * u)[0] - (u.T * H * n)[0] ** 2 / (n.T * H * n)[0]
    H3 = sp.Matrix([[h[0], h[1], h[3]], [h[1], h[2], h[4]], [h[3], h[4], h[5]]])
    left3 = H3[0, 0] - (H3[0, 1:] * H3[1:, 1:].inv() * H3[1:, 0])[0]
    circle = c**2 + s**2
    product = (KAPPA * c**2 + s**2) * (c**2 / KAPPA + s**2)
    gap = KAPPA * (KAPPA - 1) ** 2 * (c**2 - s**2) ** 2
    gap /= (KAPPA + 1) ** 2 * (KAPPA * circle**2 + (KAPPA - 1) ** 2 * c**2 * s**2)
    return {
        "Schur complement, 2 x 2": left - circle**2 / (u.T * H.inv() * u)[0],
        "Schur complement, 3 x 3": left3 - 1 / H3.inv()[0, 0],
        "share, 2 x 2": 1 - 1 / (H[0, 0] * H.inv()[0, 0]) - SHARE,
        "gap to Kantorovich": WORST - (1 - circle**2 / product) - gap,
    }


def twin(i: Instance) -> dict[str, float]:
    """The shares of H and Sigma, and Kantorovich's bound at the instance's κ."""
    values = np.linalg.eigvalsh(i.H)
    return {
        "share, write": _share(i.H, i.u),
        "share, read": _share(i.Sigma, i.v),
        "Kantorovich": float(WORST.subs(KAPPA, values[-1] / values[0])),
    }


def _share(H: Float[ndarray, "n n"], u: Float[ndarray, " n"]) -> float:
    """In the plane of u and the direction off u that imitates it best, where the Schur complement is that of H."""
    off = np.linalg.svd(u[None])[2][1:].T
    best = off @ np.linalg.solve(off.T @ H @ off, off.T @ H @ u)
    return float(SHARE.subs(dict(zip(ENTRIES[:3], (u @ H @ u, u @ H @ best, best @ H @ best), strict=True))))
