"""pooled-layers: at w_l = B_l/(1 + B_l) the outlier equation is the Bayes-optimal fixed point, a = 1 − q, overlap q."""

from __future__ import annotations

from collections.abc import Sequence

import sympy as sp
from scipy.optimize import brentq

from . import Instance

q, a, k = sp.symbols("q a k", positive=True)  # k = m/d


def outlier(strengths: Sequence[sp.Expr]) -> sp.Expr:
    """D(a) at the optimal weights, b² = d B."""
    weights = [B / (1 + B) for B in strengths]
    return sp.Add(*(W * B * a / (k * (1 - a * W)) for W, B in zip(weights, strengths, strict=True)))


def residuals() -> dict[str, sp.Expr]:
    """One layer of free strength: every sum over layers is over terms of the same form."""
    B, L = sp.symbols("B L", positive=True)
    W, shown = B / (1 + B), outlier([B])
    edge = 1 - a**2 / k * (W / (1 - a * W)) ** 2  # −a² x'(a)/m
    equation = 1 - (1 - q) * B**2 / (k * (1 + q * B))  # 0 at the fixed point
    at = {a: 1 - q}
    # overlap − q = (edge − q a D')/(a D'), and edge − q a D' is the fixed-point equation itself
    excess = (edge - q * a * sp.diff(shown, a)).subs(at)
    # equal weights and strengths: the overlap in closed form, theta² = L B/L of the m x L d matrix
    c = k / L
    root = (L * B**2 - k) / (B * (k + L * B))
    return {
        "D(1 − q) = 1 is the fixed point": 1 - shown.subs(at) - equation,
        "overlap is q": excess - equation,
        "equal layers solve it": 1 - (1 - root) * L * B**2 / (k * (1 + root * B)),
        "equal layers: the plain stack's law": root - (B**2 - c) / (B * (B + c)),
    }


def twin(i: Instance) -> dict[str, float]:
    """q = 1 − a where D(a) = 1, 0 where D is below 1 up to a = 1."""
    shown = sp.lambdify(a, outlier([float(B) for B in i.B]).subs(k, i.m / i.d))
    return {"weighted stack": 1 - brentq(lambda x: shown(x) - 1, 1e-12, 1.0, xtol=1e-15) if shown(1.0) > 1 else 0.0}
