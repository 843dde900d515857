"""angle-forgiveness in the plane: general 2 x 2 T, u = e₁ and v = e₁ up to rotations, û and v̂ at angles a and b.

Derived: response, norm² (F is an outer product: trace of F Fᵀ) and risk on the read side, the write side and both, and
the response of the whole error. û and v̂ are not normalised; everything is homogeneous of degree 0 in each.
"""

from __future__ import annotations

import numpy as np
import sympy as sp
from jaxtyping import Float
from numpy import ndarray

from . import Instance

BETA = sp.Symbol("beta", positive=True)
COS_A, SIN_A, COS_B, SIN_B = ANGLES = sp.symbols("cos_a sin_a cos_b sin_b", real=True)
ENTRIES = sp.symbols("t11 t12 t21 t22", real=True)
T, E1, EYE = sp.Matrix(2, 2, ENTRIES), sp.Matrix([1, 0]), sp.eye(2)
U_HAT, V_HAT = sp.Matrix([COS_A, SIN_A]), sp.Matrix([COS_B, SIN_B])
A2, B2 = U_HAT.dot(U_HAT), V_HAT.dot(V_HAT)
P_U, P_V = EYE - U_HAT * U_HAT.T / A2, EYE - V_HAT * V_HAT.T / B2
PROJECTORS = {"read": (EYE, P_V), "write": (P_U, EYE), "both": (P_U, P_V)}
WHOLE = ((T + BETA * E1 * E1.T) * P_V - T)[0, 0]


def left(side: str) -> sp.Matrix:
    """F, what the shortcut leaves."""
    L, R = PROJECTORS[side]
    return L * (BETA * E1 * E1.T) * R


def residuals() -> dict[str, sp.Expr]:
    """Left side minus right side of each entry of the table."""
    squares = {"read": SIN_B**2 / B2, "write": SIN_A**2 / A2, "both": SIN_A**2 / A2 * SIN_B**2 / B2}
    read, write, corner = T * V_HAT, T.T * U_HAT, (U_HAT.T * T * V_HAT)[0]
    lost = {"read": read.dot(read) / B2, "write": write.dot(write) / A2}
    lost["both"] = lost["read"] + lost["write"] - corner**2 / (A2 * B2)
    out: dict[str, sp.Expr] = {}
    for side, (L, R) in PROJECTORS.items():
        F = left(side)
        E = F + L * T * R - T
        out[f"response, {side}"] = F[0, 0] - BETA * squares[side]
        out[f"norm, {side}"] = (F * F.T).trace() - BETA**2 * squares[side]
        out[f"risk, {side}"] = (E * E.T).trace() - BETA**2 * squares[side] - lost[side]
    whole = BETA * SIN_B**2 / B2 - COS_B / B2 * (E1.T * T * V_HAT)[0]
    return out | {"response of the whole error": WHOLE - whole}


def twin(i: Instance) -> dict[str, float]:
    """F and the whole error at the instance's angles, in the planes of u, û and of v, v̂: no more of T plays a part."""
    U, V = _plane(i.u, i.u_hat), _plane(i.v, i.v_hat)
    numbers = (i.beta, *(U @ i.u_hat), *(V @ i.v_hat), *(U @ i.T @ V.T).ravel())
    at = dict(zip((BETA, *ANGLES, *ENTRIES), numbers, strict=True))
    out = {"response of the whole error": float(WHOLE.subs(at))}
    for side in PROJECTORS:
        F = np.array(left(side).subs(at), dtype=float)
        out[f"response, {side}"], out[f"norm, {side}"] = float(F[0, 0]), float(np.linalg.norm(F))
    return out


def _plane(a: Float[ndarray, " n"], b: Float[ndarray, " n"]) -> Float[ndarray, "2 n"]:
    """Rows: a, and the unit vector ⟂ a in the plane of a and b."""
    off = b - a * (a @ b)
    return np.stack([a, off / np.linalg.norm(off)])
