"""bbp-converse: the fixed point of the Bayes-optimal overlaps, from the potential, is the overlap of the SVD."""

from __future__ import annotations

import sympy as sp


def residuals() -> dict[str, sp.Expr]:
    """A = beta²/(m s²), B = beta²/(d s²), theta² = B, c = B/A."""
    A, B, c, t, x, y = sp.symbols("A B c t x y", positive=True)
    left, right = (A * B - 1) / (B * (A + 1)), (A * B - 1) / (A * (B + 1))

    def psi(r: sp.Expr) -> sp.Expr:
        return (r - sp.log(1 + r)) / 2

    potential = psi(A * y) + A / B * psi(B * x) - A * x * y / 2  # mutual information gained per row; d/m = A/B
    svd = {A: t / c, B: t}
    return {
        "left is a fixed point": left - A * right / (1 + A * right),
        "right is a fixed point": right - B * left / (1 + B * left),
        "potential stationary in q_v": sp.diff(potential, y) - A / 2 * (A * y / (1 + A * y) - x),
        "potential stationary in q_u": sp.diff(potential, x) - A / 2 * (B * x / (1 + B * x) - y),
        "left is the SVD's": left.subs(svd) - (t**2 - c) / (t * (t + c)),
        "right is the SVD's": right.subs(svd) - (t**2 - c) / (t * (t + 1)),
        "border AB = 1 is theta⁴ = c": sp.solve((A * B - 1).subs(svd), t)[0] - sp.sqrt(c),
    }
