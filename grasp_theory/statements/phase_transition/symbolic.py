"""phase-transition: the explicit Marchenko-Pastur transform at the spike, both forms of the overlaps, the threshold."""

from __future__ import annotations

import numpy as np
import sympy as sp

from . import Instance

c, t, z, root = sp.symbols("c t z root", positive=True)  # t = theta², root = √((z² − 1 − c)² − 4c)

# unit s√d = 1, so T has variance 1/d. e = theta⁴ − c > 0 above the threshold decides the sign: root = e/theta² there
e = t**2 - c
Z2 = (1 + t) * (c + t) / t
PHI_M = (z**2 + c - 1 - root) / (2 * c * z)
PHI_D = c * PHI_M + (1 - c) / z


def overlap(phi: sp.Expr) -> sp.Expr:
    """The residue −2 phi/(theta² (phi_m phi_d)'), with d root/dz = 2z (z² − 1 − c)/root."""
    product = PHI_M * PHI_D
    return -2 * phi / (t * (sp.diff(product, z) + sp.diff(product, root) * 2 * z * (z**2 - 1 - c) / root))


def residuals() -> dict[str, sp.Expr]:
    """phi_m phi_d = 1/theta² at the stated z, the residue formula for both overlaps, and where the outlier leaves."""
    at = {root: e / t, z: sp.sqrt(Z2)}
    left, right = e / (t * (t + c)), e / (t * (t + 1))
    return {
        "√ at the spike": (Z2 - 1 - c) ** 2 - 4 * c - (e / t) ** 2,
        "phi_m phi_d = 1/theta²": (PHI_M * PHI_D).subs(at) - 1 / t,
        "left overlap is the residue": overlap(PHI_M).subs(at) - left,
        "right overlap is the residue": overlap(PHI_D).subs(at) - right,
        "left, two forms": left - (1 - c * (1 + t) / (t * (t + c))),
        "right, two forms": right - (1 - (c + t) / (t * (t + 1))),
        "ŝ₁² beyond the edge": Z2 - (1 + sp.sqrt(c)) ** 2 - (t - sp.sqrt(c)) ** 2 / t,
    }


def twin(i: Instance) -> dict[str, float]:
    """The residues above the threshold; z from where it touches the edge, t = √c, below."""
    above = {c: i.m / i.d, t: (i.beta / i.s) ** 2 / i.d}
    shown = above[t] ** 2 > above[c]
    value = float(sp.sqrt(Z2.subs(above if shown else above | {t: np.sqrt(above[c])})))
    at = above | {z: value, root: float((e / t).subs(above))}
    return {"value": value} | (
        {"left": float(overlap(PHI_M).subs(at)), "right": float(overlap(PHI_D).subs(at))} if shown else {}
    )
