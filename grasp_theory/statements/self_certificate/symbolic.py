"""Derives the exact equations from the 2 x 2 resolvent, and the errors in closed form for a square Gaussian task.

There phi = 1/beta, z = beta + 1/beta in units of beta_c: every mean of a power of 1/(z² − x²) follows from phi by
derivatives in z. The gradients are those of log ⟨û,u⟩² = ½ log(a/b) + 2 log g − log(−g'), g = √(ab) + c.
"""

from __future__ import annotations

import sympy as sp

from .instances import Instance

BETA, Z = sp.symbols("beta z", positive=True)
a, b, a1, b1 = sp.symbols("a b a1 b1", positive=True)
c, c1 = sp.symbols("c c1", real=True)
# ½⟨û,u⟩² is the residue of (F⁻¹ − beta J)⁻¹₁₁ = a/N at N = (1 − beta c)² − beta² ab = 0
RESIDUE = 2 * a / (-2 * BETA * c1 * (1 - BETA * c) - BETA**2 * (a1 * b + a * b1))


def residuals() -> dict[str, sp.Expr]:
    """Left minus right side of each identity."""
    F, J = sp.Matrix([[a, c], [c, b]]), sp.Matrix([[0, 1], [1, 0]])
    resolvent = (F.inv() - BETA * J).inv()[0, 0] - a / ((1 - BETA * c) ** 2 - BETA**2 * a * b)
    root, slope = sp.sqrt(a * b) + c, (a1 * b + a * b1) / (2 * sp.sqrt(a * b)) + c1
    at_root = RESIDUE.subs(BETA, 1 / root) - sp.sqrt(a / b) * -(root**2) / slope
    left, strength = _gaussian()
    y = sp.symbols("y", positive=True)
    w = Z**2 - Z / y  # x², where f = y
    in_y = -(Z**2 + w) / (Z**2 - w) ** 2 + 2 * y**2 - y / Z
    return {
        "(F⁻¹ − beta J)⁻¹₁₁ = a/N": resolvent,
        "the residue is √(a/b) dz/dbeta": at_root,
        "f' = −2 y² + y/z for y = f": in_y,
        "n · variance, left": left - 2 * (BETA**4 + 1) / (BETA**4 * (BETA**4 - 1)),
        "n · variance, strength": strength - 1 / (BETA**2 - 1),
    }


def _gaussian() -> tuple[sp.Expr, sp.Expr]:
    """n times the variances of the errors of ⟨û,u⟩² and of beta̅/beta, by the delta method."""
    z = BETA + 1 / BETA

    def slope(e):
        return sp.cancel(sp.diff(e, BETA) / sp.diff(z, BETA))

    phi, dphi = 1 / BETA, slope(1 / BETA)
    G = [sp.cancel(phi / z)]  # means of (z² − x²)^(−k), k = 1 … 4
    for k in range(1, 4):
        G.append(sp.cancel(-slope(G[-1]) / (2 * z * k)))
    ff = sp.cancel(phi / z - dphi) / 2
    f1f1 = G[1] - 4 * z**2 * G[2] + 4 * z**4 * G[3]
    mixed = slope(ff) / 2 - phi * dphi
    quadratic = 2 * sp.Matrix([[ff - phi**2, mixed], [mixed, f1f1 - dphi**2]]).applyfunc(sp.cancel)
    cross = -2 * z * (z**2 * G[2] - G[1])
    bilinear = sp.Matrix([[z**2 * G[1] - G[0], cross], [cross, 4 * z**2 * (z**2 * G[3] - G[2])]]).applyfunc(sp.cancel)
    g = sp.sqrt(a * b) + c
    log_left = sp.log(a / b) / 2 + 2 * sp.log(g) - sp.log(-((a1 * b + a * b1) / (2 * sp.sqrt(a * b)) + c1))
    at = {a: phi, b: phi, a1: dphi, b1: dphi, c: 0, c1: 0}

    def variance(function):
        parts = [
            sp.Matrix([sp.cancel(sp.diff(function, p).subs(at)) for p in pair]) for pair in ((a, a1), (b, b1), (c, c1))
        ]
        return [sp.cancel((w.T * V * w)[0]) for w, V in zip(parts, (quadratic, quadratic, bilinear), strict=True)]

    return (1 - 1 / BETA**2) ** 2 * sum(variance(log_left)), sp.Add(*variance(-sp.log(g)))


def twin(i: Instance) -> dict[str, float]:
    """The residue with the numbers of an instance."""
    e = i.exact
    numbers = {a: e.a, b: e.b, a1: e.a1, b1: e.b1, c: e.c, c1: e.c1, BETA: e.beta}
    left = RESIDUE.subs(numbers)
    return {"exact left": float(left), "exact right": float(left * (1 - e.beta * e.c) ** 2 / (e.beta * e.a) ** 2)}
