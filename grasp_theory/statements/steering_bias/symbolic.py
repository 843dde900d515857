"""Derives ``steering-bias`` in the plane: inference, Sherman–Morrison, the constant factor, the output side."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
import sympy as sp

from . import Instance

beta, variance = sp.symbols("beta variance", positive=True)
z, cos, norm2, second, size = sp.symbols("z cos norm2 second size", real=True)
LEAST = beta**2 * variance + beta**2 * z**2 * (1 - cos**2 / norm2)  # cos = uᵀg, norm2 = ‖g‖²
UNEXPLAINED = beta**2 * (second - z**2 / size)  # size = meanᵀ Sigma⁻¹ mean


def residuals() -> dict[str, sp.Expr]:
    """Left minus right side of each identity."""
    a, z0, y, g1, g2 = sp.symbols("a z0 y g1 g2", real=True)
    u, g = sp.Matrix([sp.Rational(3, 5), sp.Rational(4, 5)]), sp.Matrix([g1, g2])
    at = {cos: (u.T * g)[0], norm2: (g.T * g)[0]}
    # E‖beta u z − a g‖² with E z² = variance + z²
    risk = beta**2 * (variance + z**2) - 2 * a * beta * z * at[cos] + a**2 * at[norm2]
    best = beta * z * at[cos] / at[norm2]

    p, q = sp.symbols("p q", positive=True)
    s = sp.symbols("s", real=True)
    C, m = sp.Matrix([[p, s], [s, q]]), sp.Matrix([z, y])
    inverse = (C + m * m.T).inv()
    k = C.inv() * m
    morrison = m.T * inverse - k.T / (1 + (m.T * k)[0])

    # constant factor in the basis (v, n): C v = 0, mean (z0, y), shifted (z0 + a, y)
    shifted = sp.Matrix([z0 + a, y])
    row = shifted.T * (sp.diag(0, q) + shifted * shifted.T).inv()
    w1, w2 = sp.symbols("w1 w2", real=True)  # (W0 + T) v
    lost = sp.Matrix([w1, w2])
    v = sp.Matrix([1, 0])
    error = beta * u * v.T - a * (lost + beta * u) * row
    predicted = (beta * z0 * u - a * lost) * v.T / (z0 + a)

    # output side: curated risk of u (beta v − a Sigma⁻¹ mean)ᵀ, Sigma = C + m mᵀ
    Sigma: Any = C + m * m.T
    left = beta * v - a * inverse * m
    output = (left.T * Sigma * left)[0]
    explained = (m.T * inverse * m)[0]
    strength = beta * z / explained
    return {
        "inference: beta² Var z + beta² (E z)² sin²": risk.subs(a, best) - LEAST.subs(at),
        "preventative: Sherman–Morrison": _combination(morrison),
        "constant factor: error": _combination(error - predicted),
        "output: the best strength is stationary": sp.diff(output, a).subs(a, strength),
        "output: beta² (E z² − (E z)²/(meanᵀ Sigma⁻¹ mean))": output.subs(a, strength)
        - UNEXPLAINED.subs({second: Sigma[0, 0], size: explained}),
    }


def twin(i: Instance) -> Mapping[str, float]:
    """The least risks at the instance's numbers."""
    p = i.problem
    g, mean_z, mean_t = (p.W0 + p.M) @ p.v, p.v @ i.mean, p.v @ i.mean_t
    inference = {z: mean_t, variance: p.v @ p.Sigma_t @ p.v - mean_t**2, cos: p.u @ g, norm2: g @ g, beta: p.beta}
    output = {z: mean_z, second: p.v @ p.Sigma @ p.v, size: i.mean @ np.linalg.solve(p.Sigma, i.mean), beta: p.beta}
    return {"best at inference": float(LEAST.subs(inference)), "best at the output": float(UNEXPLAINED.subs(output))}


def _combination(X: Iterable[sp.Expr]) -> sp.Expr:
    """A generic combination of the entries, 0 iff all are."""
    t = sp.Symbol("t")
    return sum((t**k * entry for k, entry in enumerate(X)), sp.Integer(0))
