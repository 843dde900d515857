"""Derives the identities of ``old-inputs`` in d = 3 with generic moments.

The cost of one input, the least update and how far it moves the old answers, what one more input costs, what comes back
of a factor of rank two, the always-on share.
"""

from __future__ import annotations

import numpy as np
import sympy as sp

from . import Instance

H = sp.Symbol("h", positive=True)
SHARE = H / (1 + H)


def residuals() -> dict[str, sp.Expr]:
    """Left minus right side of each identity."""
    s = sp.symbols("s1:7", real=True)
    Sigma = sp.Matrix(3, 3, [s[0], s[1], s[2], s[1], s[3], s[4], s[2], s[4], s[5]])
    v = sp.Matrix([1, 2, 2]) / 3  # span V, with n and n2 across: no axis of Sigma or of x
    n, n2 = sp.Matrix([2, 1, -2]) / 3, sp.Matrix([2, -2, 1]) / 3
    x, row = sp.Matrix(sp.symbols("x1:4", real=True)), sp.Matrix(sp.symbols("r1:4", real=True))
    any_v = sp.Matrix(sp.symbols("v1:4", real=True))
    y, z, a, w, c = sp.symbols("y z a w c", real=True)
    P = sp.eye(3) - v * v.T
    px = P * x
    D = y * px.T / px.dot(px)
    rival = D + z * v.cross(x).T
    top, low, angle = sp.symbols("lambda1 lambda2 phi", real=True)
    e = sp.Matrix([sp.cos(angle), sp.sin(angle)])
    return {
        "P x is what sin leaves of x": px.dot(px) - v.cross(x).dot(v.cross(x)),
        "it learns y": (D * x)[0] - y,
        "it answers 0 on V": (x - any_v * any_v.dot(x) / any_v.dot(any_v)).dot(any_v),
        "the least": (rival * rival.T)[0] - y**2 / px.dot(px) - z**2 * v.cross(x).dot(v.cross(x)),
        "a rival learns y": (rival * x)[0] - y,
        "movement of the old answers": (D * Sigma * D.T)[0] - y**2 * (px.T * Sigma * px)[0] / px.dot(px) ** 2,
        "one direction of two, λ_max over λ_2": (e.T * sp.diag(top, low) * e)[0]
        - low
        - (top - low) * sp.cos(angle) ** 2,
        "one more input": _least_loss(y, z, a) - (a * y - z) ** 2 / (1 + a**2),
        "what returns of two factors": _returns(Sigma, row, sp.Matrix.hstack(v, n2), n),
        "always-on, one direction off V": _always_on(w, z, c) - SHARE.subs(H, z**2 / c**2),
    }


def twin(i: Instance) -> dict[str, float]:
    """One more input: what is wanted there beside Y a, in one dimension; the share at the instance's h, or as h → ∞."""
    y, z, a = sp.symbols("y z a", real=True)
    gap, length = float(np.linalg.norm(i.Y @ i.a - i.y)), float(np.linalg.norm(i.a))
    asked = float(np.linalg.norm(i.U @ i.R.T @ i.V @ i.w))
    share = SHARE.subs(H, i.h) if np.isfinite(i.h) else sp.limit(SHARE, H, sp.oo)
    return {
        "one more input": float(sp.sqrt(_least_loss(y, z, a).subs({y: 0, z: gap, a: length}))),
        "always-on": float(share) * asked,
    }


def _least_loss(y: sp.Symbol, z: sp.Symbol, a: sp.Symbol) -> sp.Expr:
    """min over g of (g − y)² + (a g − z)², g the response to x."""
    g = sp.Symbol("g", real=True)
    loss = (g - y) ** 2 + (a * g - z) ** 2
    (best,) = sp.solve(sp.diff(loss, g), g)
    return loss.subs(g, best)


def _returns(Sigma: sp.Matrix, row: sp.Matrix, V: sp.Matrix, n: sp.Matrix) -> sp.Expr:
    """Normal equation off span V of D = M P + M V L, for any row of M: (M − D) Sigma n = 0."""
    L = V.T * Sigma * n * n.T / (n.T * Sigma * n)[0]
    D = row.T * n * n.T + row.T * V * L
    return ((row.T - D) * Sigma * n)[0]


def _always_on(w: sp.Symbol, mu: sp.Symbol, c: sp.Symbol) -> sp.Expr:
    """Share of w that its regression on a rest of mean mu and variance c² predicts at the mean."""
    return w * mu / (c**2 + mu**2) * mu / w
