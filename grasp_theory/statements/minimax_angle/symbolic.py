"""Derives the lower bound of ``minimax-angle``: two tasks of one norm behind one matrix, and the rank-one cone."""

from typing import Any

import sympy as sp


def residuals() -> dict[str, sp.Expr]:
    """Left minus right side of each identity; sums of squares of all entries for matrices."""
    beta = sp.symbols("beta", positive=True)
    theta = sp.symbols("theta", real=True)
    rho = sp.symbols("rho", positive=True)
    u1, u2 = (sp.Matrix([sp.cos(theta), sign * sp.sin(theta)]) for sign in (1, -1))
    T = beta / 2 * (u2 * u2.T - u1 * u1.T)
    tau = beta / 2 * sp.sin(2 * theta)
    worlds = (T + beta * u1 * u1.T) - (-T + beta * u2 * u2.T)
    norm = T.T * T - tau**2 * sp.eye(2)
    shown = T + beta * u1 * u1.T - beta * sp.diag(sp.cos(theta) ** 2, sp.sin(theta) ** 2)

    # rho >= ½: M = (beta/2) I is explained by every direction at cost beta/2
    border = beta / 2 * sp.eye(2) - beta * u1 * u1.T
    # sin theta as a function of rho = tau/beta = sin 2 theta/2
    closed = sp.sin(sp.asin(2 * rho) / 2) ** 2 - (1 - sp.sqrt(1 - 4 * rho**2)) / 2

    # the cone: M = beta √(1−rho²) x vᵀ, u at sin = rho from x; only the left vectors matter, vᵀv = 1
    x, aside = sp.Matrix([1, 0]), sp.Matrix([0, 1])
    u = sp.sqrt(1 - rho**2) * x + rho * aside
    left = beta * sp.sqrt(1 - rho**2) * x - beta * u

    def total(matrix: Any) -> sp.Expr:
        return sp.simplify(sum((entry**2 for entry in matrix), sp.Integer(0)))

    return {
        "both worlds show one M": total(worlds),
        "it is beta diag(cos², sin²)": total(shown),
        "TᵀT = tau² I, tau = (beta/2) sin 2 theta": total(norm),
        "at the border TᵀT = (beta/2)² I": total(border.T * border - beta**2 / 4 * sp.eye(2)),
        "value": sp.simplify(closed.rewrite(sp.cos) if closed.has(sp.sin) else closed),
        "cone: ‖T‖ = rho beta": sp.simplify((left.T * left)[0] - (rho * beta) ** 2),
    }
