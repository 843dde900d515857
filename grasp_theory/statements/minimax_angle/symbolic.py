"""Derives the lower bound of ``minimax-angle``: two tasks of one norm behind one matrix, and the rank-one cap."""

import sympy as sp

from . import Instance

beta, rho = sp.symbols("beta rho", positive=True)
theta, psi = sp.symbols("theta psi", real=True)

TAU = beta / 2 * sp.sin(2 * theta)  # norm of the two worlds' tasks
SINE2 = (1 - sp.sqrt(1 - 4 * rho**2)) / 2  # sin² theta where tau = rho beta


def residuals() -> dict[str, sp.Expr]:
    """Left minus right side of each identity."""
    u1, u2 = (sp.Matrix([sp.cos(theta), sign * sp.sin(theta)]) for sign in (1, -1))
    T = -TAU * sp.Matrix([[0, 1], [1, 0]])  # −tau (L Qᵀ + K Rᵀ)
    shown = beta * sp.diag(sp.cos(theta) ** 2, sp.sin(theta) ** 2)
    border = beta / 2 * sp.eye(2) - beta * u1 * u1.T  # rho >= ½: M = (beta/2) I is explained by every direction
    # the cap: M = beta √(1−rho²) x vᵀ, u at psi from x; only the left vectors matter, vᵀv = 1
    left = beta * (sp.Matrix([sp.sqrt(1 - rho**2), 0]) - sp.Matrix([sp.cos(psi), sp.sin(psi)]))
    law = beta**2 * (2 - rho**2 - 2 * sp.sqrt(1 - rho**2) * sp.cos(psi))
    return {
        "T₁ is half the difference of the factors": (T - beta / 2 * (u2 * u2.T - u1 * u1.T))[0, 1],
        "the first world shows beta diag(cos², sin²)": (T + beta * u1 * u1.T - shown)[0, 1],
        "the second world shows the same": (-T + beta * u2 * u2.T - shown)[1, 0],
        "at the border TᵀT = (beta/2)² I, on the diagonal": (border.T * border)[0, 0] - beta**2 / 4,
        "at the border TᵀT = (beta/2)² I, off it": (border.T * border)[0, 1],
        "value: sin² theta cos² theta = rho²": SINE2 * (1 - SINE2) - rho**2,
        "cap: ‖T‖² as a function of uᵀx": (left.T * left)[0] - law,
    }


def twin(i: Instance) -> dict[str, float]:
    """The cost at theta = ½ arcsin min(2 rho, 1), and the value below the border."""
    angle = sp.asin(min(2 * i.rho, 1.0)) / 2
    found = {"each costs tau": float(TAU.subs({beta: i.beta, theta: angle}))}
    if i.rho < 0.5:
        found |= dict.fromkeys(("upper", "lower"), float(sp.sqrt(SINE2.subs(rho, i.rho))))
    return found
