"""Derives the two identities behind ``subspace-angle``'s bound before looking, in a plane: mirroring at the singular
vector leaves M alone and doubles the angle."""

import sympy as sp


def residuals() -> dict[str, sp.Expr]:
    """Left minus right side of each identity."""
    s1, s2 = sp.symbols("s1 s2", positive=True)
    a, b, t = sp.symbols("a b t", real=True)  # tangents of half the angles of û₁, v̂₁, u

    def at(half: sp.Expr) -> sp.Matrix:
        return sp.Matrix([1 - half**2, 2 * half]) / (1 + half**2)

    def across(half: sp.Expr) -> sp.Matrix:
        return sp.Matrix([-2 * half, 1 - half**2]) / (1 + half**2)

    def mirror(half: sp.Expr) -> sp.Matrix:
        return 2 * at(half) * at(half).T - sp.eye(2)

    M = s1 * at(a) * at(b).T + s2 * across(a) * across(b).T
    moved = (mirror(a) * M * mirror(b) - M).applyfunc(sp.cancel)
    cos, sin = (at(t).T * at(a))[0], (at(t).T * across(a))[0]  # of the angle between u and û₁
    off = (across(t).T * mirror(a) * at(t))[0]
    return {
        "J_L M J_R = M": sum((entry**2 for entry in moved), sp.Integer(0)),
        "‖P_u J u‖ = |sin 2 theta|": sp.cancel(off**2 - (2 * sin * cos) ** 2),
    }
