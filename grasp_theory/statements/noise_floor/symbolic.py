"""noise-floor: equal eigenvalues l give the edge s²l(√m + √r)² and Johnstone's width."""

from __future__ import annotations

import sympy as sp

from . import Instance

M, R, l, a = sp.symbols("M R l a", positive=True)  # M = √m, R = √r, s = 1
X = M**2 / a + R**2 * l / (1 - a * l)
AT = M / (l * (M + R))


def residuals() -> dict[str, sp.Expr]:
    """x(a) = m/a + r l/(1 − a l), s = 1."""
    width3 = M**2 / a**3 + R**2 * (l / (1 - a * l)) ** 3
    return {
        "stationary": sp.diff(X, a).subs(a, AT),
        "edge²": X.subs(a, AT) - l * (M + R) ** 2,
        "width³ is x''/2": sp.diff(X, a, 2) / 2 - width3,
        "width³ is Johnstone's": width3.subs(a, AT) - l**3 * (M + R) ** 3 * (1 / M + 1 / R),
    }


def twin(i: Instance) -> dict[str, float]:
    """x at its minimum for every l_j replaced by the largest."""
    at = {M: i.m**0.5, R: len(i.lam) ** 0.5, l: float(i.lam.max())}
    return {"edge <= s ‖A‖ (√m + √r)": i.s * float(sp.sqrt(X.subs(a, AT).subs(at)))}
