"""Derives ``steering-bias`` in the plane: inference, Sherman–Morrison, the constant factor, the output side."""

from typing import Any

import sympy as sp


def residuals() -> dict[str, sp.Expr]:
    """Left minus right side of each identity."""
    beta, variance = sp.symbols("beta variance", positive=True)
    a, z, z0, y, g1, g2 = sp.symbols("a z z0 y g1 g2", real=True)
    u, g = sp.Matrix([sp.Rational(3, 5), sp.Rational(4, 5)]), sp.Matrix([g1, g2])
    cos = (u.T * g)[0]
    norm2 = (g.T * g)[0]
    # E‖beta u z − a g‖² with E z² = variance + z²
    risk = beta**2 * (variance + z**2) - 2 * a * beta * z * cos + a**2 * norm2
    best = beta * z * cos / norm2
    least = beta**2 * variance + beta**2 * z**2 * (1 - cos**2 / norm2)

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
    size = (m.T * inverse * m)[0]
    return {
        "inference: the best strength is stationary": sp.cancel(sp.diff(risk, a).subs(a, best)),
        "inference: beta² Var z + beta² (E z)² sin²": sp.cancel(risk.subs(a, best) - least),
        "preventative: Sherman–Morrison": _squares(morrison),
        "constant factor: error": _squares(error - predicted),
        "output: the best strength is stationary": sp.cancel(sp.diff(output, a).subs(a, beta * z / size)),
        "output: beta² (E z² − (E z)²/(meanᵀ Sigma⁻¹ mean))": sp.cancel(
            output.subs(a, beta * z / size) - beta**2 * (Sigma[0, 0] - z**2 / size)
        ),
    }


def _squares(X: Any) -> sp.Expr:
    return sp.cancel(sum((sp.cancel(x) ** 2 for x in X), sp.Integer(0)))
