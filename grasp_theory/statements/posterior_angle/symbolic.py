"""Derives the identity of ``posterior-angle`` for a generic real 2 x 2 M, and its extremal instance.

M is built from its own triples (any 2 x 2 matrix is) in coordinates where u = v = e₁; T is what is left.
"""

import numpy as np
import sympy as sp

from ..shared.draws import sine
from . import Instance

s1, s2, beta, rho = sp.symbols("s1 s2 beta rho", positive=True)
a, b = sp.symbols("a b", real=True)  # angles of û₁ from u, of v̂₁ from v


def _at(angle: sp.Symbol) -> sp.Matrix:
    return sp.Matrix([sp.cos(angle), sp.sin(angle)])


def _across(angle: sp.Symbol) -> sp.Matrix:
    return sp.Matrix([-sp.sin(angle), sp.cos(angle)])


def pushes() -> tuple[sp.Expr, sp.Expr]:
    """(P_u T v̂₁, P_v Tᵀû₁), which for u = v = e₁ are the second entries."""
    M = s1 * _at(a) * _at(b).T + s2 * _across(a) * _across(b).T
    T = M - sp.diag(beta, 0)
    return (T * _at(b))[1], (T.T * _at(a))[1]


def residuals() -> dict[str, sp.Expr]:
    """Left minus right side of each identity."""
    left, right = pushes()
    q = sp.sqrt(1 - rho**2)
    worst = rho * beta * sp.Matrix([[-rho, q], [q, rho]])
    top = sp.Matrix([q, rho])
    image = (worst + sp.diag(beta, 0)) * top - beta * top
    return {
        "left: s1 sin ∠(û,u) = ‖P_u T v̂‖": s1 * sp.sin(a) - left,
        "right: s1 sin ∠(v̂,v) = ‖P_v Tᵀ û‖": s1 * sp.sin(b) - right,
        "extremal: M û = beta û, first entry": image[0],
        "extremal: M û = beta û, second entry": image[1],
        "extremal: ‖T e₁‖ = tau": (worst.T * worst)[0, 0] - (rho * beta) ** 2,
        "extremal: ‖T e₂‖ = tau": (worst.T * worst)[1, 1] - (rho * beta) ** 2,
    }


def twin(i: Instance) -> dict[str, float]:
    """The pushes as derived, at the angles of this triple: what the rest of M is (s2) drops out."""
    U, S, Vh = i.svd
    pairs = (U[:, i.index], i.u), (Vh[i.index], i.v)
    at = [float(np.arctan2(sine(x, y), abs(x @ y))) for x, y in pairs]
    left, right = (
        float(abs(push.subs({s1: i.s, s2: S[-1], beta: i.beta, a: at[0], b: at[1]}))) / i.s for push in pushes()
    )
    return {"left identity": left, "right identity": right}
