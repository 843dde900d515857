"""complexity-law: the secular equation of the 3 x 3 matrix is phi_m phi_d = 1/beta²; the closed form at k = m = d."""

from __future__ import annotations

import sympy as sp


def residuals() -> dict[str, sp.Expr]:
    """p = k/m, q = k/d; x and y are the limits of u and v in the reduced coordinates."""
    z, tau, beta, p, q = sp.symbols("z tau beta p q", positive=True)
    x = sp.Matrix([sp.sqrt(p), 0, sp.sqrt(1 - p)])
    y = sp.Matrix([0, sp.sqrt(q), sp.sqrt(1 - q)])
    N = sp.diag(tau, tau, 0) + beta * x * y.T

    def phi(share: sp.Expr) -> sp.Expr:
        return share * z / (z**2 - tau**2) + (1 - share) / z

    # det(z² − N Nᵀ) = det(z² − N0 N0ᵀ) (1 − beta² phi_m phi_d), N0 = diag(tau, tau, 0)
    secular = (z**2 * sp.eye(3) - N * N.T).det() - (z**2 - tau**2) ** 2 * z**2 * (1 - beta**2 * phi(p) * phi(q))

    root = (beta + sp.sqrt(beta**2 + 4 * tau**2)) / 2
    whole = phi(sp.Integer(1))
    overlap = -2 * whole / (beta**2 * sp.diff(whole**2, z))
    # where phi = 1/beta: beta = (z² − tau²)/z
    closed = sp.simplify(overlap.subs(beta, (z**2 - tau**2) / z))
    return {
        "secular equation": sp.simplify(sp.expand(secular)),
        "z at k = m = d": sp.expand(root**2 - beta * root - tau**2),
        "overlap² at k = m = d": closed - z**2 / (z**2 + tau**2),
        "its excess over ½ is beta z/(2(z² + tau²)) > 0": sp.simplify(
            z**2 / (z**2 + tau**2) - sp.Rational(1, 2) - (z**2 - tau**2) / z * z / (2 * (z**2 + tau**2))
        ),
    }
