"""rerouting-share: the Schur complement in two dimensions and three (u = e₁), Kantorovich's gap as a square.

Derived: uᵀHu − uᵀHP (PHP)⁺ PHu = 1/(uᵀH⁻¹u); for H = diag(κ, 1) and u = (c, s) the bound ((κ−1)/(κ+1))² exceeds the
share by κ(κ−1)²(c² − s²)²/((κ+1)²(κ + (κ−1)²c²s²)), 0 iff u is halfway.
"""

from __future__ import annotations

import sympy as sp


def residuals() -> dict[str, sp.Expr]:
    """Left side minus right side of each identity."""
    h = sp.symbols("h11 h12 h22 h13 h23 h33", real=True)
    c, s = sp.symbols("c s", real=True)  # not normalised: both sides are homogeneous once divided by u·u
    kappa = sp.symbols("kappa", positive=True)
    H = sp.Matrix([[h[0], h[1]], [h[1], h[2]]])
    u, n = sp.Matrix([c, s]), sp.Matrix([-s, c])
    left = (u.T * H * u)[0] - (u.T * H * n)[0] ** 2 / (n.T * H * n)[0]
    H3 = sp.Matrix([[h[0], h[1], h[3]], [h[1], h[2], h[4]], [h[3], h[4], h[5]]])
    left3 = H3[0, 0] - (H3[0, 1:] * H3[1:, 1:].inv() * H3[1:, 0])[0]
    circle = c**2 + s**2
    product = (kappa * c**2 + s**2) * (c**2 / kappa + s**2)
    gap = kappa * (kappa - 1) ** 2 * (c**2 - s**2) ** 2
    gap /= (kappa + 1) ** 2 * (kappa * circle**2 + (kappa - 1) ** 2 * c**2 * s**2)
    return {
        "Schur complement, 2 x 2": sp.cancel(left - circle**2 / (u.T * H.inv() * u)[0]),
        "Schur complement, 3 x 3": sp.cancel(left3 - 1 / H3.inv()[0, 0]),
        "gap to Kantorovich": sp.cancel(((kappa - 1) / (kappa + 1)) ** 2 - (1 - circle**2 / product) - gap),
    }
