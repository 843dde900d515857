"""spectral-order: conservation, the block equation behind the Riccati flow, both learning curves solve their ODEs."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import numpy as np
import sympy as sp

from .instances import Instance


def combination(entries: Iterable[sp.Expr]) -> sp.Expr:
    """A generic combination, 0 iff all are."""
    a = sp.Symbol("a")
    return sum((a**k * e for k, e in enumerate(entries)), sp.Integer(0))


s, alpha, x, a0, y, kappa = sp.symbols("s alpha x a0 y kappa", positive=True)
S, C = (x - 1 / x) / 2, (x + 1 / x) / 2  # x = e^{kappa t}


def lora(strength: sp.Expr) -> sp.Expr:
    """LoRA's curve, of kappa."""
    top = alpha**2 * strength / kappa * S * (C + alpha**2 * S / (2 * kappa))
    return top / (1 + alpha**2 * S * (C / kappa + alpha**2 * S / (2 * kappa**2)))


SAXE = s / (1 + (s / a0 - 1) * y)  # y = e^{−2 s t}


def residuals() -> dict[str, sp.Expr]:
    """Left minus right side of each identity. In one mode b' = (s − bg) g, g' = (s − bg) b."""
    b, g = sp.symbols("b g", positive=True)
    p = sp.Symbol("p", positive=True)  # kappa² = alpha⁴/4 + s²: a circle, on which all three are polynomials
    circle, half, on_shell = kappa * (1 + p**2), kappa * (1 - p**2), 2 * kappa * p
    a = lora(s).subs({s: on_shell, kappa: circle, alpha: sp.sqrt(2 * half)}, simultaneous=True)
    top, bottom = sp.fraction(sp.cancel(a))
    rate = circle * x * (sp.diff(top, x) * bottom - top * sp.diff(bottom, x))  # da/dt · bottom²
    slope = -2 * s * y * sp.diff(SAXE, y)

    error = s - b * g
    product = error * g * g + b * error * b  # (bg)'
    speed = (b**2 + g**2) ** 2 - (g**2 - b**2) ** 2 - 4 * (b * g) ** 2

    B = sp.Matrix(2, 2, sp.symbols("b1:5"))
    A = sp.Matrix(2, 2, sp.symbols("c1:5"))
    M = sp.Matrix(2, 2, sp.symbols("m1:5"))
    E = M - B * A
    dB, dA = E * A.T, B.T * E
    conserved = dB.T * B + B.T * dB - dA * A.T - A * dA.T
    # Q' = K Q − ½ Q QᵀQ once BᵀB − AAᵀ = −alpha² I: the part that vanishes with that difference
    Q = B.col_join(A.T)
    F = sp.zeros(2).row_join(M).col_join(M.T.row_join(sp.zeros(2)))
    J = sp.diag(1, 1, -1, -1)
    block = F * Q + J * Q * (B.T * B - A * A.T) / 2 - Q * Q.T * Q / 2 - dB.col_join(dA.T)

    top_vector = sp.Matrix([s, sp.sqrt(alpha**4 / 4 + s**2) + alpha**2 / 2])
    K = sp.Matrix([[-(alpha**2) / 2, s], [s, alpha**2 / 2]])
    value = sp.sqrt(alpha**4 / 4 + s**2)
    eigen = K * top_vector - value * top_vector
    end = 2 * value * top_vector[0] * top_vector[1] / (top_vector.T * top_vector)[0] - s
    return {
        "LoRA's curve": rate**2 - 4 * ((half * bottom) ** 2 + top**2) * (on_shell * bottom - top) ** 2,
        "LoRA's curve ends at s": sp.limit(a, x, sp.oo) - on_shell,
        "Saxe's curve": slope - 2 * SAXE * (s - SAXE),
        "a' = (b² + g²)(s − a)": product - (b**2 + g**2) * error,
        "(b² + g²)² = (g² − b²)² + 4a²": speed,
        "BᵀB − AAᵀ is conserved": combination(conserved),
        "Q' in blocks": combination(block),
        "K's eigenvector": combination(eigen),
        "the flow ends at s": end,
    }


def twin(i: Instance) -> Mapping[str, float]:
    """The two curves of every mode, as the probe sees them."""
    seen = np.einsum("mk,md,dk->k", i.U, i.probe, i.V)
    found = {"LoRA": 0.0, "Saxe": 0.0}
    for weight, strength, start in zip(seen, i.s, i.a0, strict=True):
        k = float(np.hypot(i.alpha**2 / 2, strength))
        values = {alpha: i.alpha, kappa: k, x: np.exp(k * i.t), s: strength, a0: start, y: np.exp(-2 * strength * i.t)}
        found["LoRA"] += weight * float(lora(s).subs(values))
        found["Saxe"] += weight * float(SAXE.subs(values))
    return found
