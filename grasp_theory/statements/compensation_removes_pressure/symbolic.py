"""compensation-removes-pressure: the logistic law, its distance to leading order, and the amplification in the plane.

Derived: the implicit form solves db/dt = 1/(1 + e^(a+b)) with b(0) = 0; t in terms of b gives 1 + t e^-a =
e^b (1 + b e^(−a−b)), whose correction is largest at b = 1; for Sigma = diag(κ, 1) and v = (c, s) the bound (κ+1)²/(4κ)
exceeds 1 + ‖ell‖² by (κ−1)²(c² − κ s²)²/(4κ(c² + κ s²)²); the projected error is T v̂ (ell − v̂ᵀ) − Delta Q; and
N − N a bᵀN/(bᵀN a) has lost a on its right and b on its left, so a rank.
"""

from __future__ import annotations

import sympy as sp


def residuals() -> dict[str, sp.Expr]:
    """Left side minus right side of each identity."""
    a, b, t, kappa = sp.symbols("a b t kappa", positive=True)
    c, s = sp.symbols("c s", real=True)
    implicit = sp.exp(a + b) + b - sp.exp(a) - t
    slope = -sp.diff(implicit, t) / sp.diff(implicit, b)
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
    out = {
        "logistic flow": slope - 1 / (1 + sp.exp(a + b)),
        "starts at 0": implicit.subs({b: 0, t: 0}),
        "distance to leading order": sp.expand(1 + time * sp.exp(-a) - sp.exp(b) * (1 + b * sp.exp(-a - b))),
        "largest at b = 1": sp.diff(b * sp.exp(-b), b).subs(b, 1),
        "amplification": sp.cancel((kappa + 1) ** 2 / (4 * kappa) - squared - gap),
    }
    out |= {f"a rank less, entry {k}": sp.cancel(x) for k, x in enumerate([*(rest * right), *(left.T * rest)])}
    return out | {f"projected error, entry {k}": sp.cancel(x) for k, x in enumerate(error)}
