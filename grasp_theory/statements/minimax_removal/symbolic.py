"""Derives the worst plane of minimax-removal, the best amounts and the hardest strength."""

from __future__ import annotations

import sympy as sp

from .instances import Instance

S, TAU, BETA, N = sp.symbols("s tau beta n", positive=True)
KAPPA = (S**2 - TAU**2) / (BETA * (2 * S - BETA))
WORST = N**2 + BETA**2 - 2 * N * BETA * KAPPA
HARDEST = BETA * (2 * S - BETA) ** 3 - (S**2 - TAU**2) ** 2


def residuals() -> dict[str, sp.Expr]:
    """Left minus right side of each identity."""
    p, r = sp.symbols("p r", positive=True)
    plane = sp.diag(S, S - BETA) - BETA * sp.Matrix([p, r]) * sp.Matrix([[p, -r]])
    at = {p: sp.sqrt(KAPPA), r: sp.sqrt(1 - KAPPA)}
    amount = sp.solve(sp.diff(WORST, N), N)[0]
    rho = sp.symbols("rho", positive=True)
    near = HARDEST.subs({S: 1, TAU: rho, BETA: 1 + rho**2 - rho**4 / 2})
    remainder = sum(sp.expand(near).coeff(rho, k) * rho ** (k - 6) for k in range(6, 17))
    return {
        "worst plane: TᵀT = tau² I, diagonal": (plane.T * plane)[0, 0].subs(at) - TAU**2,
        "worst plane: TᵀT = tau² I, beside it": (plane.T * plane)[0, 1].subs(at),
        "the best amount is (s² − tau²)/(2s − beta)": amount - (S**2 - TAU**2) / (2 * S - BETA),
        "its cost is beta² − n²": sp.expand(WORST.subs(N, amount)) - BETA**2 + amount**2,
        "stationary in beta at the hardest strength": sp.diff(WORST, BETA).subs(N, amount)
        - 2 * HARDEST / (2 * S - BETA) ** 3,
        "n*² = beta*(2s − beta*) there": (amount**2 - BETA * (2 * S - BETA)) * (2 * S - BETA) ** 2 + HARDEST,
        "n* = s (1 − rho⁴/2 + …)": (1 - rho**4 / 2) * (1 - rho**2 + rho**4 / 2)
        - (1 - rho**2)
        - rho**6 * (2 - rho**2) / 4,
        "beta* = s (1 + rho² − rho⁴/2 + …)": near - rho**6 * remainder,
    }


def twin(i: Instance) -> dict[str, float]:
    """Costs at the numbers of an instance, the hardest strength as a root of the polynomial."""
    numbers = {S: sp.Float(i.s, 30), TAU: sp.Float(i.tau, 30)}
    beta = sp.nsolve(HARDEST.subs(numbers), BETA, (i.s, i.s + i.tau), solver="bisect")
    known = WORST.subs(N, (S**2 - TAU**2) / (2 * S - BETA))
    return {
        "known strength": float(known.subs({**numbers, BETA: sp.Float(i.beta, 30)})),
        "unknown strength": float(known.subs({**numbers, BETA: beta})),
    }
