"""Derives ``write-removal`` for a generic 2 x 2 metric: the leak, the oblique projector, its angle and the risk.

In coordinates where u = e₁ (H, T are generic, so nothing is lost); n spans u^⊥.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import sympy as sp

from ..shared.maps import plane
from . import Instance

p, q, beta = sp.symbols("p q beta", positive=True)
s, lost, leaked = sp.symbols("s lost leaked", real=True)
H = sp.Matrix([[p, s], [s, q]])
u, n = sp.Matrix([1, 0]), sp.Matrix([0, 1])
w = n * (n.T * H * u)[0] / (n.T * H * n)[0]
DISTANCE = sp.sqrt((w.T * w)[0] * leaked)  # ‖w‖ ‖uᵀM‖
RISK = lost + (w.T * w)[0] * leaked  # of ‖uᵀT‖_t², ‖uᵀM‖_t²


def residuals() -> dict[str, sp.Expr]:
    """Left minus right side of each identity."""
    T = sp.Matrix(2, 2, sp.symbols("t11 t12 t21 t22", real=True))
    a, b, c = sp.symbols("a b c", real=True)
    moment = sp.Matrix([[a, b], [b, c]])
    v = sp.Matrix([sp.Rational(3, 5), sp.Rational(4, 5)])
    M = T + beta * u * v.T

    # P_u H P_u = (nᵀHn) n nᵀ
    solution = n * (n.T * H * M) / (n.T * H * n)[0]
    leak = solution - (sp.eye(2) - u * u.T) * M
    h = H.inv() * u / (u.T * H.inv() * u)[0]
    c, d = sp.symbols("c d", real=True)  # u and n in any coordinates
    turned, across = sp.Matrix([c, d]), sp.Matrix([-d, c])
    g = H.adjugate() * turned
    error, row, full = solution - T, u.T * T, u.T * M
    sizes = {lost: (row * moment * row.T)[0], leaked: (full * moment * full.T)[0]}
    return {
        "D = P_u M + w uᵀM": _total(leak - w * u.T * M),
        "D = (I − h uᵀ) M": _total(solution - (sp.eye(2) - h * u.T) * M),
        "‖w‖ = tan ∠(u, H⁻¹u)": _tangent(H * turned, across, across.T * H * across) - _tangent(g, across, turned.T * g),
        "distance": (leak * leak.T).trace() - (DISTANCE**2).subs(leaked, (full * full.T)[0]),
        "risk": (error * moment * error.T).trace() - RISK.subs(sizes),
    }


def twin(i: Instance) -> Mapping[str, float]:
    """Distance and risk at the instance's numbers, in the plane of u and of its best imitation on u^⊥."""
    u_ = i.problem.u
    at = dict(zip((p, q, s), plane(i.problem.H, u_)[0], strict=True))
    row, full, moment = u_ @ i.problem.T, u_ @ i.problem.M, i.problem.Sigma_t
    return {
        "distance": float(DISTANCE.subs({**at, leaked: full @ full})),
        "risk": float(RISK.subs({**at, leaked: full @ moment @ full, lost: row @ moment @ row})),
    }


def _tangent(x: sp.Matrix, across: sp.Matrix, along: sp.Matrix) -> sp.Expr:
    """(acrossᵀx)²/along²."""
    return (across.T * x)[0] ** 2 / along[0] ** 2


def _total(X: Iterable[sp.Expr]) -> sp.Expr:
    """A generic combination of the entries, 0 iff all are."""
    t = sp.Symbol("t")
    return sum((t**k * entry for k, entry in enumerate(X)), sp.Integer(0))
