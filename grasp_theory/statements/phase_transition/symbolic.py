"""phase-transition: the explicit Marchenko-Pastur transform at the spike, both forms of the overlaps, the threshold."""

from __future__ import annotations

import sympy as sp


def residuals() -> dict[str, sp.Expr]:
    """phi_m phi_d = 1/theta² at the stated z, the residue formula for both overlaps, and what happens at theta⁴ = c.

    Unit: s√d = 1, so T has variance 1/d. e = theta⁴ − c > 0 parametrises the side above the threshold, which is what
    decides the sign of √((z² − 1 − c)² − 4c) = e/theta².
    """
    c, t, z = sp.symbols("c t z", positive=True)  # t = theta²
    e = t**2 - c
    z2 = (1 + t) * (c + t) / t
    root = sp.Symbol("root", positive=True)  # √((z² − 1 − c)² − 4c)
    transform_m = (z**2 + c - 1 - root) / (2 * c * z)
    transform_d = c * transform_m + (1 - c) / z
    # derivative of phi_m phi_d in z, with d root/dz = 2z (z² − 1 − c)/root
    product = transform_m * transform_d
    slope = sp.diff(product, z) + sp.diff(product, root) * 2 * z * (z**2 - 1 - c) / root
    at = {root: e / t, z: sp.sqrt(z2)}
    left, right = e / (t * (t + c)), e / (t * (t + 1))
    return {
        "√ at the spike": (z2 - 1 - c) ** 2 - 4 * c - (e / t) ** 2,
        "phi_m phi_d = 1/theta²": sp.simplify(product.subs(at) - 1 / t),
        "left overlap is the residue": sp.simplify((-2 * transform_m / (t * slope)).subs(at) - left),
        "right overlap is the residue": sp.simplify((-2 * transform_d / (t * slope)).subs(at) - right),
        "left, two forms": left - (1 - c * (1 + t) / (t * (t + c))),
        "right, two forms": right - (1 - (c + t) / (t * (t + 1))),
        "overlap 0 at the threshold": left.subs(t, sp.sqrt(c)),
        "ŝ₁ at the threshold is the edge": sp.simplify(z2.subs(t, sp.sqrt(c)) - (1 + sp.sqrt(c)) ** 2),
    }
