"""Derives ``ablation-cost`` for generic 2 x 2 W0, T, Sigma and Sigma_t, in coordinates where v = e₁."""

import sympy as sp


def residuals() -> dict[str, sp.Expr]:
    """Left minus right side of each identity."""
    beta, p, q = sp.symbols("beta p q", positive=True)
    s, a, b, c = sp.symbols("s a b c", real=True)
    T = sp.Matrix(2, 2, sp.symbols("t11 t12 t21 t22", real=True))
    W0 = sp.Matrix(2, 2, sp.symbols("w11 w12 w21 w22", real=True))
    u = sp.Matrix([sp.Rational(3, 5), sp.Rational(4, 5)])
    v, n = sp.Matrix([1, 0]), sp.Matrix([0, 1])
    moment = sp.Matrix([[a, b], [b, c]])
    M = T + beta * u * v.T

    lost = (W0 + T) * v
    error = (W0 + M) * (sp.eye(2) - v * v.T) - W0 - T
    risk = sp.trace(error * moment * error.T) - (lost.T * lost)[0] * (v.T * moment * v)[0]

    # against GRASP-read at Sigma_t = Sigma
    Sigma = p * v * v.T + s * (v * n.T + n * v.T) + q * n * n.T
    grasp = M * Sigma * n * n.T / q - T
    kappa, L = p - s**2 / q, s**2 / q
    task = T * v
    difference = sp.trace(error * Sigma * error.T) - sp.trace(grasp * Sigma * grasp.T)
    predicted = ((lost.T * lost)[0] - (task.T * task)[0]) * kappa + ((lost.T * lost)[0] - beta**2) * L
    return {
        "error": sp.cancel(sum((sp.cancel(x) ** 2 for x in error + lost * v.T), sp.Integer(0))),
        "risk ‖(W0 + T) v‖² vᵀ Sigma_t v": sp.cancel(risk),
        "against GRASP without a shift": sp.cancel(difference - predicted),
    }
