"""pooled-layers: at w_l = B_l/(1 + B_l) the outlier equation is the Bayes-optimal fixed point, a = 1 − q, overlap q."""

from __future__ import annotations

import sympy as sp


def residuals() -> dict[str, sp.Expr]:
    """Two layers of free strengths (every sum over layers is over terms of one form); k = m/d."""
    q, a, k = sp.symbols("q a k", positive=True)
    strengths = sp.symbols("B1 B2", positive=True)
    weights = [B / (1 + B) for B in strengths]
    outlier = sp.Add(*(W * B * a / (k * (1 - a * W)) for W, B in zip(weights, strengths, strict=True)))  # b² = d B
    edge = 1 - a**2 / k * sum((W / (1 - a * W)) ** 2 for W in weights)  # −a² x'(a)/m
    equation = 1 - (1 - q) * sum(B**2 / (k * (1 + q * B)) for B in strengths)  # 0 at the fixed point
    at = {a: 1 - q}
    # overlap − q = (edge − q a D')/(a D'), and edge − q a D' is the fixed-point equation itself
    excess = (edge - q * a * sp.diff(outlier, a)).subs(at)
    # equal weights and strengths: the overlap in closed form, theta² = L B/L of the m x L d matrix
    B, L = sp.symbols("B L", positive=True)
    c = k / L
    root = (L * B**2 - k) / (B * (k + L * B))
    return {
        "D(1 − q) = 1 is the fixed point": sp.simplify(1 - outlier.subs(at) - equation),
        "overlap is q": sp.simplify(excess - equation),
        "equal layers solve it": sp.simplify(1 - (1 - root) * L * B**2 / (k * (1 + root * B))),
        "equal layers: the plain stack's law": sp.simplify(root - (B**2 - c) / (B * (B + c))),
        "border Σ b⁴ = m d": equation.subs(q, 0) - (1 - sum(B**2 for B in strengths) / k),
    }
