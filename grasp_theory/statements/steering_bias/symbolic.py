"""Derives ``steering-bias`` in the plane: inference, Sherman–Morrison, the constant factor, the output side."""

from __future__ import annotations

from typing import Any

import numpy as np
import sympy as sp

from . import Instance

BETA, SECOND, NORM2, SIZE = sp.symbols("beta second norm2 size", positive=True)
A, MEAN, COS = sp.symbols("a mean cos", real=True)
# E‖beta u z − a g‖² with E z² = second, E z = mean, uᵀg = cos and ‖g‖² = norm2
INFERENCE = BETA**2 * SECOND - 2 * A * BETA * MEAN * COS + A**2 * NORM2
# E (beta z − a meanᵀ Sigma⁻¹ x)² with size = meanᵀ Sigma⁻¹ mean
OUTPUT = BETA**2 * SECOND - 2 * A * BETA * MEAN + A**2 * SIZE


def best(risk: sp.Expr) -> sp.Expr:
    """The parabola at its stationary strength."""
    (strength,) = sp.solve(sp.diff(risk, A), A)
    return risk.subs(A, strength)


def residuals() -> dict[str, sp.Expr]:
    """Left minus right side of each identity."""
    variance = sp.symbols("variance", positive=True)
    z, z0, y, g1, g2 = sp.symbols("z z0 y g1 g2", real=True)
    u, g = sp.Matrix([sp.Rational(3, 5), sp.Rational(4, 5)]), sp.Matrix([g1, g2])
    inner = {SECOND: variance + z**2, MEAN: z, COS: u.dot(g), NORM2: g.dot(g)}
    least = BETA**2 * variance + BETA**2 * z**2 * (1 - u.dot(g) ** 2 / g.dot(g))

    p, q = sp.symbols("p q", positive=True)
    s = sp.symbols("s", real=True)
    C, m = sp.Matrix([[p, s], [s, q]]), sp.Matrix([z, y])
    inverse = (C + m * m.T).inv()
    k = C.inv() * m
    morrison = m.T * inverse - k.T / (1 + (m.T * k)[0])

    # constant factor in the basis (v, n): C v = 0, mean (z0, y), shifted (z0 + a, y)
    shifted = sp.Matrix([z0 + A, y])
    row = shifted.T * (sp.diag(0, q) + shifted * shifted.T).inv()
    w1, w2 = sp.symbols("w1 w2", real=True)  # (W0 + T) v
    lost, v = sp.Matrix([w1, w2]), sp.Matrix([1, 0])
    constant = BETA * u * v.T - A * (lost + BETA * u) * row - (BETA * z0 * u - A * lost) * v.T / (z0 + A)

    # output side: curated risk of u (beta v − a Sigma⁻¹ mean)ᵀ, Sigma = C + m mᵀ
    Sigma: Any = C + m * m.T
    left = BETA * v - A * inverse * m
    outer = {SECOND: Sigma[0, 0], MEAN: z, SIZE: (m.T * inverse * m)[0]}
    return {
        "inference: beta² Var z + beta² (E z)² sin²": best(INFERENCE).subs(inner) - least,
        **{f"preventative: Sherman–Morrison, entry {n}": x for n, x in enumerate(morrison)},
        **{f"constant factor: error, entry {n}": x for n, x in enumerate(constant)},
        "output: the risk is the parabola": (left.T * Sigma * left)[0] - OUTPUT.subs(outer),
        "output: beta² (E z² − (E z)²/(meanᵀ Sigma⁻¹ mean))": best(OUTPUT) - BETA**2 * (SECOND - MEAN**2 / SIZE),
    }


def twin(i: Instance) -> dict[str, float]:
    """Both parabolas at their best strengths, with the moments and the response of the instance."""
    p = i.problem
    g = (p.W0 + p.T) @ p.v + p.beta * p.u
    z, z_t, size = i.mean @ p.v, i.mean_t @ p.v, i.mean @ np.linalg.solve(p.Sigma, i.mean)
    deployed = {BETA: p.beta, SECOND: p.v @ p.Sigma_t @ p.v, MEAN: z_t, COS: p.u @ g, NORM2: g @ g}
    curated = {BETA: p.beta, SECOND: p.v @ p.Sigma @ p.v, MEAN: z, SIZE: size}
    return {
        "best at inference": float(best(INFERENCE).subs(deployed)),
        "best at the output": float(best(OUTPUT).subs(curated)),
    }
