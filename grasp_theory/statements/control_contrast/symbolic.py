"""Derives the share of the task that a control of another length leaves, the flow it comes from, and what pushes û.

y = e^(−t lambda) for the longer time, so that the shorter one gives y^κ; p = κ/(1 − κ) makes the exponents rational in
p. The push is derived in coordinates where u = v' = e₁, for a 2 x 2 difference built from its own triples.
"""

from __future__ import annotations

import numpy as np
import sympy as sp

from .instances import Instance, kappa, norm

P, Y = sp.symbols("p y", positive=True)
KAPPA = P / (1 + P)
SHARE = Y**KAPPA - Y
WORST = KAPPA ** (1 + P)
LEFT = KAPPA**P / (1 + P)


def residuals() -> dict[str, sp.Expr]:
    """Left minus right side of each identity."""
    t, t0, eigenvalue, G, C, beta = sp.symbols("t t0 lambda G C beta", positive=True)

    def learned(target, time):
        return target * (1 - sp.exp(-time * eigenvalue))

    gap = learned(G + C + beta, t) - learned(G, t0)
    rest = G * (sp.exp(-t0 * eigenvalue) - sp.exp(-t * eigenvalue)) + C * (1 - sp.exp(-t * eigenvalue))
    s1, s2 = sp.symbols("s1 s2", positive=True)
    a, b = sp.symbols("a b", real=True)

    def pair(angle):
        return sp.Matrix([[sp.cos(angle), -sp.sin(angle)], [sp.sin(angle), sp.cos(angle)]])

    difference = pair(a) * sp.diag(s1, s2) * pair(b).T
    Delta, found = difference - sp.diag(beta, 0), sp.Matrix([sp.cos(b), sp.sin(b)])
    return {
        "the flow dW' = (G − dW) lambda": sp.diff(learned(G, t), t) - (G - learned(G, t)) * eigenvalue,
        "the shared task cancels": gap - rest - beta * (1 - sp.exp(-t * eigenvalue)),
        "stationary: κ y^(κ − 1) = 1": Y * sp.diff(SHARE, Y) - KAPPA * Y**KAPPA + Y,
        "at y = κ^(1/(1−κ))": (KAPPA * Y**KAPPA - Y).subs(Y, WORST),
        "its value is g(κ)": SHARE.subs(Y, WORST) - LEFT,
        "ŝ sin ∠(û,u) = ‖P_u Delta v̂‖": s1 * sp.sin(a) - (Delta * found)[1],
    }


def twin(i: Instance) -> dict[str, float]:
    """g(κ) ‖T‖ of an instance; at κ = 1, p = ∞, its limit."""
    k = kappa(i)
    share = LEFT.subs(P, sp.Float(k / (1 - k), 30)) if k < 1 else sp.limit(1 / (1 + P), P, sp.oo)
    return {"length": float(share) * float(np.sqrt(np.linalg.eigvalsh(i.T @ i.T.T)[-1]))} if norm(i.T) else {}
