"""noise-floor: equal eigenvalues l give the edge s²l(√m + √r)² and Johnstone's width."""

from __future__ import annotations

import sympy as sp


def residuals() -> dict[str, sp.Expr]:
    """x(a) = m/a + r l/(1 − a l), s = 1; M = √m, R = √r."""
    M, R, l, a = sp.symbols("M R l a", positive=True)
    x = M**2 / a + R**2 * l / (1 - a * l)
    at = M / (l * (M + R))
    width3 = M**2 / a**3 + R**2 * (l / (1 - a * l)) ** 3
    return {
        "stationary": sp.simplify(sp.diff(x, a).subs(a, at)),
        "edge²": sp.simplify(x.subs(a, at) - l * (M + R) ** 2),
        "width³ is x''/2": sp.simplify(sp.diff(x, a, 2) / 2 - width3),
        "width³ is Johnstone's": sp.simplify(width3.subs(a, at) - l**3 * (M + R) ** 3 * (1 / M + 1 / R)),
    }
