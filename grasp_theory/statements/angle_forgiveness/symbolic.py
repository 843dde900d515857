"""angle-forgiveness in the plane: general 2 x 2 T, u = e₁ and v = e₁ up to rotations, û and v̂ at angles a and b.

Derived: response, norm² (rank one: largest eigenvalue = trace of F Fᵀ, determinant 0) and risk on the read side, the
write side and both, and the response of the whole error. Cosines and sines are symbols, and the
remainder modulo cos² + sin² = 1 decides.
"""

from __future__ import annotations

import sympy as sp


def residuals() -> dict[str, sp.Expr]:
    """Left side minus right side of each entry of the table."""
    cos_a, sin_a, cos_b, sin_b = angles = sp.symbols("cos_a sin_a cos_b sin_b", real=True)
    circles = [cos_a**2 + sin_a**2 - 1, cos_b**2 + sin_b**2 - 1]
    beta = sp.symbols("beta", positive=True)
    T = sp.Matrix(2, 2, sp.symbols("t11 t12 t21 t22", real=True))
    e = sp.Matrix([1, 0])
    u_hat, v_hat = sp.Matrix([cos_a, sin_a]), sp.Matrix([cos_b, sin_b])
    eye = sp.eye(2)
    P_u, P_v = eye - u_hat * u_hat.T, eye - v_hat * v_hat.T
    sines = {"read": sin_b, "write": sin_a, "both": sin_a * sin_b}
    lost = {
        "read": (T * v_hat).dot(T * v_hat),
        "write": (T.T * u_hat).dot(T.T * u_hat),
        "both": (T * v_hat).dot(T * v_hat) + (T.T * u_hat).dot(T.T * u_hat) - (u_hat.T * T * v_hat)[0] ** 2,
    }
    out: dict[str, sp.Expr] = {}
    for side, (left, right) in {"read": (eye, P_v), "write": (P_u, eye), "both": (P_u, P_v)}.items():
        F = left * (beta * e * e.T) * right
        E = F + left * T * right - T
        out[f"response, {side}"] = F[0, 0] - beta * sines[side] ** 2
        out[f"norm, {side}"] = (F * F.T).trace() - (beta * sines[side]) ** 2
        out[f"rank one, {side}"] = F.det()
        out[f"risk, {side}"] = (E * E.T).trace() - (beta * sines[side]) ** 2 - lost[side]
    read = (T + beta * e * e.T) * P_v - T
    out["response of the whole error"] = read[0, 0] - beta * sin_b**2 + cos_b * (e.T * T * v_hat)[0]
    return {name: sp.sympify(sp.reduced(value, circles, *angles)[1]).as_expr() for name, value in out.items()}
