"""Derives ``write-removal`` for a generic 2 x 2 metric: the leak, the oblique projector, its angle and the risk.

In coordinates where u = e₁ (H, T are generic, so nothing is lost); n spans u^⊥.
"""

from typing import Any

import sympy as sp


def residuals() -> dict[str, sp.Expr]:
    """Left minus right side of each identity."""
    p, q, beta = sp.symbols("p q beta", positive=True)
    s = sp.symbols("s", real=True)
    T = sp.Matrix(2, 2, sp.symbols("t11 t12 t21 t22", real=True))
    v = sp.Matrix([sp.Rational(3, 5), sp.Rational(4, 5)])
    H = sp.Matrix([[p, s], [s, q]])
    u, n = sp.Matrix([1, 0]), sp.Matrix([0, 1])
    M = T + beta * u * v.T

    # P_u H P_u = (nᵀHn) n nᵀ
    solution = n * (n.T * H * M) / (n.T * H * n)[0]
    w = n * (n.T * H * u)[0] / (n.T * H * n)[0]
    leak = solution - (sp.eye(2) - u * u.T) * M - w * u.T * M

    h = H.inv() * u / (u.T * H.inv() * u)[0]
    oblique = solution - (sp.eye(2) - h * u.T) * M
    tangent2 = (n.T * h)[0] ** 2 / (u.T * h)[0] ** 2

    row, full = u.T * T, u.T * M
    error = solution - T
    risk = sp.trace(error * error.T) - (row * row.T)[0] - (w.T * w)[0] * (full * full.T)[0]
    return {
        "D = P_u M + w uᵀM": _total(leak),
        "D = (I − h uᵀ) M": _total(oblique),
        "‖w‖ = tan ∠(u, H⁻¹u)": sp.cancel((w.T * w)[0] - tangent2),
        "risk at Sigma_t = I": sp.cancel(risk),
    }


def _total(X: Any) -> sp.Expr:
    """A generic combination of the entries, 0 iff all are."""
    a = sp.symbols("a", positive=True)
    return sp.cancel(sum((a**k * sp.cancel(entry) for k, entry in enumerate(X)), sp.Integer(0)))
