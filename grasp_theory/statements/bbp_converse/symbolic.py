"""bbp-converse: the fixed point of the Bayes-optimal overlaps, from the potential, is the overlap of the SVD."""

from __future__ import annotations

import sympy as sp

from . import Instance

A, B, c, t, x, y = sp.symbols("A B c t x y", positive=True)  # A = beta²/(m s²), B = beta²/(d s²), theta² = B, c = B/A
LEFT, RIGHT = (A * B - 1) / (B * (A + 1)), (A * B - 1) / (A * (B + 1))


def residuals() -> dict[str, sp.Expr]:
    """Left minus right side of each identity."""

    def psi(r: sp.Expr) -> sp.Expr:
        return (r - sp.log(1 + r)) / 2

    potential = psi(A * y) + A / B * psi(B * x) - A * x * y / 2  # mutual information gained per row; d/m = A/B
    svd = {A: t / c, B: t}
    return {
        "left is a fixed point": LEFT - A * RIGHT / (1 + A * RIGHT),
        "right is a fixed point": RIGHT - B * LEFT / (1 + B * LEFT),
        "potential stationary in q_v": sp.diff(potential, y) - A / 2 * (A * y / (1 + A * y) - x),
        "potential stationary in q_u": sp.diff(potential, x) - A / 2 * (B * x / (1 + B * x) - y),
        "left is the SVD's": LEFT.subs(svd) - (t**2 - c) / (t * (t + c)),
        "right is the SVD's": RIGHT.subs(svd) - (t**2 - c) / (t * (t + 1)),
    }


def twin(i: Instance) -> dict[str, float]:
    """The stable fixed point, 0 up to AB = 1."""
    left, right = (max(float(q.subs(zip((A, B), i.AB, strict=True))), 0.0) for q in (LEFT, RIGHT))
    return {"fixed point is the SVD's, left": left, "fixed point is the SVD's, right": right}
