"""Derives the two angle laws of ``layer-in-a-product`` for a generic 2 x 2 R.

u = e₁ is any unit vector: the rotation that takes it there is absorbed in R.
"""

import numpy as np
import sympy as sp

from . import Instance

p, q, r, s = sp.symbols("p q r s", real=True)
R = sp.Matrix([[p, q], [r, s]])
u = sp.Matrix([1, 0])
early, late, K = R.T * u, R.inv() * u, R * R.T
k = (u.T * K * u)[0]


def cos2() -> sp.Expr:
    """cos² ∠(Rᵀu, R⁻¹u)."""
    return (early.T * late)[0] ** 2 / ((early.T * early)[0] * (late.T * late)[0])


def residuals() -> dict[str, sp.Expr]:
    """Left minus right side of each identity, R = [[p, q], [r, s]] invertible."""
    opposite = R.inv() * (K * u - k * u)
    law = 1 / (k * (u.T * K.inv() * u)[0])
    side = (opposite.T * opposite)[0] / (k**2 * (late.T * late)[0])
    # only the part of dW along Rᵀu reaches u
    dW = sp.Matrix(sp.symbols("d1 d2", real=True))
    kept = dW - early * (early.T * dW)[0] / (early.T * early)[0]
    return {
        "⟨Rᵀu, R⁻¹u⟩ = 1": (early.T * late)[0] - 1,
        "cos² = 1/((uᵀKu)(uᵀK⁻¹u))": cos2() - law,
        "Rᵀu − k R⁻¹u ⟂ Rᵀu": ((early - k * late).T * early)[0],
        "Rᵀu − k R⁻¹u = R⁻¹ P_u RRᵀu": (early - k * late - opposite)[0],
        "sin² by the opposite side": 1 - law - side,
        "projecting Rᵀu: uᵀR dW = 0": (u.T * R * kept)[0],
    }


def twin(i: Instance) -> dict[str, float]:
    """R with q = 0, s = 1 and the instance's uᵀKu and uᵀK⁻¹u: the laws depend on nothing else."""
    gram = i.R @ i.R.T
    along, inverse = float(i.u @ gram @ i.u), float(i.u @ np.linalg.solve(gram, i.u))
    at = {p: np.sqrt(along), q: 0, r: np.sqrt(max(along * inverse - 1, 0.0)), s: 1}
    found = float(cos2().subs(at))
    return {"cos² left": found, "agree iff u is an eigenvector": float(np.sqrt(max(1 - found, 0.0)))}
