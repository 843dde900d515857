"""compensation-removes-pressure: the logistic law, its distance to leading order, and the amplification in the plane.

Derived: the implicit form solves db/dt = e^(−a−b)/(1 + e^(−a−b)); t in terms of b gives 1 + t e^-a =
e^b (1 + b e^(−a−b)), whose correction is largest at b = 1; for Sigma = diag(κ, 1) and v = (c, s) the bound (κ+1)²/(4κ)
exceeds 1 + ‖ell‖² by (κ−1)²(c² − κ s²)²/(4κ(c² + κ s²)²); the projected error is T v̂ (ell − v̂ᵀ) − Delta Q; and
N − N a bᵀN/(bᵀN a) has lost a on its right and b on its left, so a rank.
"""

from __future__ import annotations

import numpy as np
import sympy as sp

from .compensated import Compensated

A, B, KAPPA = sp.symbols("a b kappa", positive=True)
TIME = sp.exp(A + B) + B - sp.exp(A)  # t at which b is learnt
CORRECTION = 1 + B * sp.exp(-A - B)  # (1 + t e^-a)/e^b
BOUND = (KAPPA + 1) ** 2 / (4 * KAPPA)  # of ‖Q‖₂²


def residuals() -> dict[str, sp.Expr]:
    """Left side minus right side of each identity."""
    c, s = sp.symbols("c s", real=True)
    slope = 1 / sp.diff(TIME, B)
    circle = c**2 + s**2  # not normalised: everything is homogeneous of degree 0
    P, v = sp.Matrix([[s**2, -c * s], [-c * s, c**2]]) / circle, sp.Matrix([c, s])
    n = sp.Matrix([-s, c])
    Sigma = sp.diag(KAPPA, 1)
    # the regression of unit v on the other direction, times |v|²
    ell = (v.T * Sigma * n)[0] / (n.T * Sigma * n)[0] * n.T
    squared = 1 + (ell * ell.T)[0] / circle
    gap = (KAPPA - 1) ** 2 * (c**2 - KAPPA * s**2) ** 2 / (4 * KAPPA * (c**2 + KAPPA * s**2) ** 2)
    T, Delta = (sp.Matrix(2, 2, sp.symbols(f"{x}11 {x}12 {x}21 {x}22")) for x in "td")
    Q = P + v * ell / circle
    error = (T - Delta) * Q - T - (T * v * (ell - v.T) / circle - Delta * Q)
    left, right = sp.Matrix(sp.symbols("b1:3")), sp.Matrix(sp.symbols("a1:3"))
    rest = T - T * right * left.T * T / (left.T * T * right)[0]  # any N
    out = {
        "logistic flow": slope - sp.exp(-A - B) / (1 + sp.exp(-A - B)),
        "distance to leading order": 1 + TIME * sp.exp(-A) - sp.exp(B) * CORRECTION,
        "largest at b = 1": sp.diff(CORRECTION, B) - (1 - B) * sp.exp(-A - B),
        "amplification": BOUND - squared - gap,
    }
    out |= {f"a rank less, entry {k}": x for k, x in enumerate([*(rest * right), *(left.T * rest)])}
    return out | {f"projected error, entry {k}": x for k, x in enumerate(error)}


def twin(i: Compensated) -> dict[str, float]:
    """The margin learnt, where the correction is largest, and the amplification, of the instance's a, t and κ."""
    b = sp.nsolve(TIME.subs(A, i.a) - i.t, B, np.log1p(i.t * np.exp(-i.a)))
    largest = sp.log(CORRECTION.subs({A: i.a, B: 1}))
    kappa = float(np.linalg.cond(i.Sigma))
    off = float(np.linalg.norm(i.C - i.beta * np.outer(i.u, i.v)))
    return {
        "logistic": float(b),
        "leading order is that close": float(largest),
        "amplification": float(sp.sqrt(BOUND.subs(KAPPA, kappa))) * off,
    }
