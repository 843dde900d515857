"""Derives the identity of ``posterior-angle`` for a generic real 2 x 2 M, and its extremal instance.

M is built from its own triples (any 2 x 2 matrix is) in coordinates where u = v = e₁; T is what is left.
"""

from typing import Any

import sympy as sp


def residuals() -> dict[str, sp.Expr]:
    """Left minus right side of each identity."""
    s1, s2, beta = sp.symbols("s1 s2 beta", positive=True)
    a, b = sp.symbols("a b", real=True)  # angles of û₁ from u, of v̂₁ from v

    def at(angle):
        return sp.Matrix([sp.cos(angle), sp.sin(angle)])

    def across(angle):
        return sp.Matrix([-sp.sin(angle), sp.cos(angle)])

    M = s1 * at(a) * at(b).T + s2 * across(a) * across(b).T
    T = M - sp.diag(beta, 0)
    # ‖P_u x‖ is |x₂| for u = e₁
    left: Any = s1 * sp.sin(a) - (T * at(b))[1]
    right: Any = s1 * sp.sin(b) - (T.T * at(a))[1]

    rho = sp.symbols("rho", positive=True)
    q = sp.sqrt(1 - rho**2)
    worst = rho * beta * sp.Matrix([[-rho, q], [q, rho]])
    top = sp.Matrix([q, rho])
    image = (worst + sp.diag(beta, 0)) * top - beta * top
    norm = worst.T * worst - (rho * beta) ** 2 * sp.eye(2)
    return {
        "left: s1 sin ∠(û,u) = ‖P_u T v̂‖": sp.expand(sp.expand(left).subs(sp.sin(b) ** 2, 1 - sp.cos(b) ** 2)),
        "right: s1 sin ∠(v̂,v) = ‖P_v Tᵀ û‖": sp.expand(sp.expand(right).subs(sp.sin(a) ** 2, 1 - sp.cos(a) ** 2)),
        "extremal: M û = beta û": sp.expand(image[0] ** 2 + image[1] ** 2),
        "extremal: TᵀT = tau² I": sp.expand(sum((entry**2 for entry in norm), sp.Integer(0))),
    }
