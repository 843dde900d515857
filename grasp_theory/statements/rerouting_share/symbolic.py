"""rerouting-share: the Schur complement in two dimensions and three (u = e₁), Kantorovich's gap as a square.

Derived: uᵀHu − uᵀHP (PHP)⁺ PHu = 1/(uᵀH⁻¹u); for H = diag(κ, 1) and u = (c, s) the bound ((κ−1)/(κ+1))² exceeds the
share by κ(κ−1)²(c² − s²)²/((κ+1)²(κ + (κ−1)²c²s²)), 0 iff u is halfway.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import sympy as sp

from ..shared.maps import plane
from . import Instance

p, q, s, kappa = sp.symbols("p q s kappa", positive=True)
SHARE = s**2 / (q * p)  # p = uᵀHu, q = nᵀHn, s = nᵀHu
KANTOROVICH = ((kappa - 1) / (kappa + 1)) ** 2


def residuals() -> dict[str, sp.Expr]:
    """Left side minus right side of each identity."""
    h = sp.symbols("h11 h12 h22 h13 h23 h33", real=True)
    c, d = sp.symbols("c d", real=True)  # not normalised: both sides are homogeneous once divided by u·u
    H = sp.Matrix([[h[0], h[1]], [h[1], h[2]]])
    u, n = sp.Matrix([c, d]), sp.Matrix([-d, c])
    left = (u.T * H * u)[0] - (u.T * H * n)[0] ** 2 / (n.T * H * n)[0]
    H3 = sp.Matrix([[h[0], h[1], h[3]], [h[1], h[2], h[4]], [h[3], h[4], h[5]]])
    left3 = H3[0, 0] - (H3[0, 1:] * H3[1:, 1:].inv() * H3[1:, 0])[0]
    circle = c**2 + d**2
    product = (kappa * c**2 + d**2) * (c**2 / kappa + d**2)
    gap = kappa * (kappa - 1) ** 2 * (c**2 - d**2) ** 2
    gap /= (kappa + 1) ** 2 * (kappa * circle**2 + (kappa - 1) ** 2 * c**2 * d**2)
    across = {p: (u.T * H * u)[0], q: (n.T * H * n)[0], s: (u.T * H * n)[0]}
    return {
        "Schur complement, 2 x 2": left - circle**2 / (u.T * H.inv() * u)[0],
        "Schur complement, 3 x 3": left3 - 1 / H3.inv()[0, 0],
        "share": SHARE.subs(across) - (1 - circle**2 / (across[p] * (u.T * H.inv() * u)[0])),
        "gap to Kantorovich": KANTOROVICH - (1 - circle**2 / product) - gap,
    }


def twin(i: Instance) -> Mapping[str, float]:
    """Both shares and Kantorovich's bound at the instance's numbers."""
    write, read = (dict(zip((p, q, s), plane(S, x)[0], strict=True)) for S, x in ((i.H, i.u), (i.Sigma, i.v)))
    return {
        "share, write": float(SHARE.subs(write)),
        "share, read": float(SHARE.subs(read)),
        "Kantorovich": float(KANTOROVICH.subs(kappa, np.linalg.cond(i.H))),
    }
