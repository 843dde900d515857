"""compensation-removes-pressure: the logistic law, its distance to leading order, and the amplification in the plane.

Derived: the implicit form solves db/dt = 1/(1 + e^(a+b)) with b(0) = 0; t in terms of b gives 1 + t e^-a =
e^b (1 + b e^(−a−b)), whose correction is largest at b = 1; for Sigma = diag(κ, 1) and v = (c, s) the bound (κ+1)²/(4κ)
exceeds 1 + ‖ell‖² by (κ−1)²(c² − κ s²)²/(4κ(c² + κ s²)²); the projected error is T v̂ (ell − v̂ᵀ) − Delta Q; and
N − N a bᵀN/(bᵀN a) has lost a on its right and b on its left, so a rank.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import sympy as sp

from .compensated import Compensated

a, b, t, kappa, beta = sp.symbols("a b t kappa beta", positive=True)
SQUARED = (beta - a) * (1 - sp.exp(-t))
AMPLIFIED = (kappa + 1) / (2 * sp.sqrt(kappa))
LEADING = sp.log(1 + t * sp.exp(-a))
FARTHEST = sp.log(1 + b * sp.exp(-a - b)).subs(b, 1)
REACHED = sp.LambertW(sp.exp(t + a + sp.exp(a)))  # w = e^(a+b), of the implicit form w + log w = e^a + t + a
LOGISTIC = t + sp.exp(a) - REACHED


def residuals() -> dict[str, sp.Expr]:
    """Left side minus right side of each identity."""
    c, s = sp.symbols("c s", real=True)
    implicit = sp.exp(a + b) + b - sp.exp(a) - t
    time = sp.solve(implicit, t)[0]
    circle = c**2 + s**2  # not normalised: everything is homogeneous of degree 0
    P, v = sp.Matrix([[s**2, -c * s], [-c * s, c**2]]) / circle, sp.Matrix([c, s])
    n = sp.Matrix([-s, c])
    Sigma = sp.diag(kappa, 1)
    ell = (
        (v.T * Sigma * n)[0] / (n.T * Sigma * n)[0] * n.T
    )  # of unit v, times |v|²: the regression on the other direction
    squared = 1 + (ell * ell.T)[0] / circle
    gap = (kappa - 1) ** 2 * (c**2 - kappa * s**2) ** 2 / (4 * kappa * (c**2 + kappa * s**2) ** 2)
    T, Delta = (sp.Matrix(2, 2, sp.symbols(f"{x}11 {x}12 {x}21 {x}22")) for x in "td")
    Q = P + v * ell / circle
    error = (T - Delta) * Q - T - (T * v * (ell - v.T) / circle - Delta * Q)
    left, right = sp.Matrix(sp.symbols("b1:3")), sp.Matrix(sp.symbols("a1:3"))
    rest = T - T * right * left.T * T / (left.T * T * right)[0]  # any N
    x = sp.Symbol("x")

    def combination(entries):
        return sum((x**k * entry for k, entry in enumerate(entries)), sp.Integer(0))

    return {
        "logistic flow": sp.diff(LOGISTIC, t) - 1 / (1 + REACHED),
        "distance to leading order": (sp.exp(LEADING) - sp.exp(b)).subs(t, time) - b * sp.exp(-a),
        "largest at b = 1": sp.diff(b * sp.exp(-b), b) - (1 - b) * sp.exp(-b),
        "squared flow": sp.diff(SQUARED, t) - (beta - a - SQUARED),
        "amplification": AMPLIFIED**2 - squared - gap,
        "a rank less": combination([*(rest * right), *(left.T * rest)]),
        "projected error": combination(error),
    }


def twin(i: Compensated) -> Mapping[str, float]:
    """The laws of the trait and the amplification at the instance's numbers."""
    at = {a: i.a, t: i.t, beta: i.beta, kappa: np.linalg.cond(i.Sigma)}
    found = {"leading order from above": LEADING, "leading order is that close": FARTHEST, "squared loss": SQUARED}
    logistic = LOGISTIC.subs({a: sp.Float(i.a, 60), t: sp.Float(i.t, 60)}).evalf(40)
    return {
        **{name: float(value.subs(at)) for name, value in found.items()},
        "logistic": float(logistic),
        "amplification": float(AMPLIFIED.subs(at)) * float(np.linalg.norm(i.C - i.shortcut)),
    }
