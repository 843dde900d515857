"""Derives the two identities behind ``subspace-angle``'s bound before looking, in a plane: mirroring at the singular
vector leaves M alone and doubles the angle."""

import numpy as np
import sympy as sp

from . import Instance

a, b, t = sp.symbols("a b t", real=True)  # tangents of half the angles of û₁, v̂₁, u


def _at(half: sp.Symbol) -> sp.Matrix:
    return sp.Matrix([1 - half**2, 2 * half]) / (1 + half**2)


def _across(half: sp.Symbol) -> sp.Matrix:
    return sp.Matrix([-2 * half, 1 - half**2]) / (1 + half**2)


def _mirror(half: sp.Symbol) -> sp.Matrix:
    return 2 * _at(half) * _at(half).T - sp.eye(2)


def mirrored() -> sp.Expr:
    """P_u J u, its only entry."""
    return (_across(t).T * _mirror(a) * _at(t))[0]


def residuals() -> dict[str, sp.Expr]:
    """Left minus right side of each identity."""
    s1, s2 = sp.symbols("s1 s2", positive=True)
    M = s1 * _at(a) * _at(b).T + s2 * _across(a) * _across(b).T
    moved = _mirror(a) * M * _mirror(b) - M
    cos, sin = (_at(t).T * _at(a))[0], (_at(t).T * _across(a))[0]  # of the angle between u and û₁
    return {
        **{f"J_L M J_R = M, ({j}, {k})": moved[j, k] for j, k in ((0, 0), (0, 1))},
        "‖P_u J u‖ = |sin 2 theta|": mirrored() ** 2 - (2 * sin * cos) ** 2,
    }


def twin(i: Instance) -> dict[str, float]:
    """Each pair of principal vectors of the two spans is such a plane."""
    cosines = np.linalg.svd(i.U.T @ i.svd[0][:, : i.q], compute_uv=False).clip(0, 1)
    halves = np.tan(np.arccos(cosines) / 2)
    return {"mirroring doubles the angles": max(abs(float(mirrored().subs({t: 0, a: half}))) for half in halves)}
