"""Derives the two angle laws of ``layer-in-a-product`` for a generic 2 x 2 R.

u = e₁ is any unit vector: the rotation that takes it there is absorbed in R.
"""

import sympy as sp


def residuals() -> dict[str, sp.Expr]:
    """Left minus right side of each identity, R = [[p, q], [r, s]] invertible."""
    p, q, r, s = sp.symbols("p q r s", real=True)
    R = sp.Matrix([[p, q], [r, s]])
    u = sp.Matrix([1, 0])
    early, late, K = R.T * u, R.inv() * u, R * R.T
    k = (u.T * K * u)[0]
    rest = K * u - k * u
    opposite = R.inv() * rest
    cos2 = (early.T * late)[0] ** 2 / ((early.T * early)[0] * (late.T * late)[0])
    law = 1 / (k * (u.T * K.inv() * u)[0])
    side = (opposite.T * opposite)[0] / (k**2 * (late.T * late)[0])
    # only the part of dW along Rᵀu reaches u
    dW = sp.Matrix(sp.symbols("d1 d2", real=True))
    kept = dW - early * (early.T * dW)[0] / (early.T * early)[0]
    return {
        "⟨Rᵀu, R⁻¹u⟩ = 1": sp.cancel((early.T * late)[0] - 1),
        "cos² = 1/((uᵀKu)(uᵀK⁻¹u))": sp.cancel(cos2 - law),
        "Rᵀu − k R⁻¹u ⟂ Rᵀu": sp.cancel((opposite.T * early)[0]),
        "sin² by the opposite side": sp.cancel(1 - law - side),
        "projecting Rᵀu: uᵀR dW = 0": sp.cancel((u.T * R * kept)[0]),
    }
