"""complexity-law: secular equation and residues of the 3 x 3 matrix; the closed form at k = m = d."""

from __future__ import annotations

import numpy as np
import sympy as sp

from . import Instance

z, tau, beta = sp.symbols("z tau beta", positive=True)
x1, x3, y2, y3 = sp.symbols("x1 x3 y2 y3", nonnegative=True)  # x1² = k/m, x3² = 1 − k/m, y2² = k/d, y3² = 1 − k/d

# the limits of u and v in the reduced coordinates
x, y = sp.Matrix([x1, 0, x3]), sp.Matrix([0, y2, y3])
N = sp.diag(tau, tau, 0) + beta * x * y.T

PHI_M, PHI_D = (inside**2 * z / (z**2 - tau**2) + outside**2 / z for inside, outside in ((x1, x3), (y2, y3)))


def overlap(phi: sp.Expr) -> sp.Expr:
    """−2 phi/(beta² (phi_m phi_d)')."""
    return -2 * phi / (beta**2 * sp.diff(PHI_M * PHI_D, z))


def residuals() -> dict[str, sp.Expr]:
    """Left minus right side of each identity."""
    apart = (z**2 - tau**2) ** 2 * z**2  # det(z² − N0 N0ᵀ), N0 = diag(tau, tau, 0)
    left, right = z**2 * sp.eye(3) - N * N.T, z**2 * sp.eye(3) - N.T * N
    root = (beta + sp.sqrt(beta**2 + 4 * tau**2)) / 2
    whole = overlap(PHI_M).subs({x1: 1, y2: 1, x3: 0, y3: 0, beta: (z**2 - tau**2) / z})  # where phi = 1/beta
    return {
        "secular equation": left.det() - apart * (1 - beta**2 * PHI_M * PHI_D),
        # ⟨û,x⟩² = xᵀ adj x over the derivative of the determinant in z²
        "left residue": (x.T * left.adjugate() * x)[0] - apart * PHI_M / z,
        "right residue": (y.T * right.adjugate() * y)[0] - apart * PHI_D / z,
        "z at k = m = d": root**2 - beta * root - tau**2,
        "overlap² at k = m = d": whole - z**2 / (z**2 + tau**2),
        "its excess over ½ is beta z/(2(z² + tau²)) > 0": z**2 / (z**2 + tau**2)
        - sp.Rational(1, 2)
        - (z**2 - tau**2) / (2 * (z**2 + tau**2)),
    }


def twin(i: Instance) -> dict[str, float]:
    """z is the largest singular value of N, the overlaps are its residues."""
    p, q = i.k / i.m, i.k / i.d
    at = {tau: i.tau, beta: i.beta, x1: p**0.5, x3: (1 - p) ** 0.5, y2: q**0.5, y3: (1 - q) ** 0.5}
    value = float(np.linalg.norm(np.array(N.subs(at), dtype=float), 2))
    left, right = (float(overlap(phi).subs(at | {z: value})) for phi in (PHI_M, PHI_D))
    return {"left": left, "right": right, "value": value / i.beta}
