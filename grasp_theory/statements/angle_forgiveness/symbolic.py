"""angle-forgiveness in the plane: general 2 x 2 T, u = e₁ and v = e₁ up to rotations, û and v̂ at angles a and b.

Derived: response, norm² (rank one: largest eigenvalue = trace of F Fᵀ) and risk on the read side, the
write side and both, and the response of the whole error. Angles enter by the tangent of their half.
"""

from __future__ import annotations

from collections.abc import Mapping

import sympy as sp

from . import SIDES, Instance

beta, sine, lost = sp.symbols("beta sine lost", positive=True)
cosine, corner = sp.symbols("cosine corner", real=True)
RESPONSE, NORM, RISK = beta * sine**2, beta * sine, beta**2 * sine**2 + lost
WHOLE = beta * sine**2 - cosine * corner  # corner = uᵀT v̂


def residuals() -> dict[str, sp.Expr]:
    """Left side minus right side of each entry of the table."""
    half_a, half_b = sp.symbols("half_a half_b", real=True)
    (cos_a, sin_a), (cos_b, sin_b) = (((1 - h**2) / (1 + h**2), 2 * h / (1 + h**2)) for h in (half_a, half_b))
    T = sp.Matrix(2, 2, sp.symbols("t11 t12 t21 t22", real=True))
    e = sp.Matrix([1, 0])
    u_hat, v_hat = sp.Matrix([cos_a, sin_a]), sp.Matrix([cos_b, sin_b])
    eye = sp.eye(2)
    P_u, P_v = eye - u_hat * u_hat.T, eye - v_hat * v_hat.T
    Tv, uT = T * v_hat, T.T * u_hat
    sizes = {
        "read": {sine: sin_b, lost: Tv.dot(Tv)},
        "write": {sine: sin_a, lost: uT.dot(uT)},
        "both": {sine: sin_a * sin_b, lost: Tv.dot(Tv) + uT.dot(uT) - (u_hat.T * Tv)[0] ** 2},
    }
    out: dict[str, sp.Expr] = {}
    for side, (left, right) in {"read": (eye, P_v), "write": (P_u, eye), "both": (P_u, P_v)}.items():
        F = left * (beta * e * e.T) * right
        E = F + left * T * right - T
        out[f"response, {side}"] = F[0, 0] - RESPONSE.subs(sizes[side])
        out[f"norm, {side}"] = (F * F.T).trace() - (NORM**2).subs(sizes[side])
        out[f"risk, {side}"] = (E * E.T).trace() - RISK.subs(sizes[side])
    read = (T + beta * e * e.T) * P_v - T
    out["response of the whole error"] = read[0, 0] - WHOLE.subs({sine: sin_b, cosine: cos_b, corner: Tv[0]})
    return out


def twin(i: Instance) -> Mapping[str, float]:
    """The whole table at the instance's numbers."""
    Tv, uT = i.T @ i.v_hat, i.u_hat @ i.T
    sin_v, sin_u = (1 - (a @ b) ** 2 for a, b in ((i.v, i.v_hat), (i.u, i.u_hat)))
    table = {
        "read": (sin_v, Tv @ Tv),
        "write": (sin_u, uT @ uT),
        "both": (sin_v * sin_u, Tv @ Tv + uT @ uT - (i.u_hat @ Tv) ** 2),
    }
    found: dict[str, float] = {}
    for side in SIDES:
        at = {beta: i.beta, sine: table[side][0] ** 0.5, lost: table[side][1]}
        for name, value in (("response", RESPONSE), ("norm", NORM), ("risk", RISK)):
            found[f"{name}, {side}"] = float(value.subs(at))
    at = {beta: i.beta, sine: sin_v**0.5, cosine: i.v @ i.v_hat, corner: i.u @ Tv}
    return {**found, "response of the whole error": float(WHOLE.subs(at))}
