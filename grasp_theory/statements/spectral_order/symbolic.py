"""spectral-order: conservation, the block equation behind the Riccati flow, both learning curves solve their ODEs."""

from __future__ import annotations

import sympy as sp


def residuals() -> dict[str, sp.Expr]:
    """Zero each. x = e^{kappa t} makes the hyperbolic functions rational; mode: b' = (s − bg) g, g' = (s − bg) b."""
    s, alpha, x, a0, kappa, b, g = sp.symbols("s alpha x a0 kappa b g", positive=True)
    on_shell = sp.sqrt(kappa**2 - alpha**4 / 4)  # s from kappa² = alpha⁴/4 + s²

    S, C = (x - 1 / x) / 2, (x + 1 / x) / 2
    top = alpha**2 * on_shell / kappa * S * (C + alpha**2 * S / (2 * kappa))
    a = top / (1 + alpha**2 * S * (C / kappa + alpha**2 * S / (2 * kappa**2)))
    rate = kappa * x * sp.diff(a, x)  # d/dt
    lora = rate**2 - (alpha**4 + 4 * a**2) * (on_shell - a) ** 2

    y = sp.symbols("y", positive=True)  # e^{−2 s t}
    saxe = s / (1 + (s / a0 - 1) * y)
    slope = -2 * s * y * sp.diff(saxe, y)

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
    eigen = (K * top_vector - value * top_vector).applyfunc(sp.expand)
    end = 2 * value * top_vector[0] * top_vector[1] / (top_vector.T * top_vector)[0] - s
    return {
        "LoRA's curve": sp.factor(sp.together(lora)),
        "LoRA's curve starts at 0": a.subs(x, 1),
        "LoRA's curve ends at s": sp.simplify(sp.limit(a, x, sp.oo) - on_shell),
        "Saxe's curve": sp.simplify(slope - 2 * saxe * (s - saxe)),
        "Saxe's curve starts at a0": sp.simplify(saxe.subs(y, 1) - a0),
        "a' = (b² + g²)(s − a)": sp.expand(product - (b**2 + g**2) * error),
        "(b² + g²)² = (g² − b²)² + 4a²": sp.expand(speed),
        "BᵀB − AAᵀ is conserved": sum((e**2 for e in conserved.applyfunc(sp.expand)), sp.Integer(0)),
        "Q' in blocks": sum((e**2 for e in block.applyfunc(sp.expand)), sp.Integer(0)),
        "K's eigenvector": sum((e**2 for e in eigen), sp.Integer(0)),
        "the flow ends at s": sp.simplify(end),
    }
