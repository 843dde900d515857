"""Derives ``read-removal`` for a generic 2 x 2 covariance: the regression, kappa + L, and the risk without a shift."""

import sympy as sp


def residuals() -> dict[str, sp.Expr]:
    """Left minus right side of each identity."""
    p, q, beta = sp.symbols("p q beta", positive=True)
    s = sp.symbols("s", real=True)
    T = sp.Matrix(2, 2, sp.symbols("t11 t12 t21 t22", real=True))
    u = sp.Matrix([sp.Rational(3, 5), sp.Rational(4, 5)])
    # coordinates with v = e₁; Sigma and T are generic in them
    v, n = sp.Matrix([1, 0]), sp.Matrix([0, 1])
    Sigma = p * v * v.T + s * (v * n.T + n * v.T) + q * n * n.T
    M = T + beta * u * v.T

    ell = (v.T * Sigma * n)[0] / (n.T * Sigma * n)[0] * n.T
    solution = M * Sigma * n * n.T / (n.T * Sigma * n)[0]
    regression = solution - M * n * n.T - M * v * ell
    L, kappa = (ell * Sigma * ell.T)[0], 1 / (v.T * Sigma.inv() * v)[0]

    error, task = solution - T, T * v
    risk = sp.trace(error * Sigma * error.T) - (task.T * task)[0] * kappa - beta**2 * L
    return {
        "D = M P + (M v) ell": sp.cancel(sum((sp.cancel(x) ** 2 for x in regression), sp.Integer(0))),
        "vᵀ Sigma v = kappa + L": sp.cancel((v.T * Sigma * v)[0] - kappa - L),
        "(ell − vᵀ) Sigma ellᵀ = 0": sp.cancel(((ell - v.T) * Sigma * ell.T)[0]),
        "risk ‖T v‖² kappa + beta² L": sp.cancel(risk),
    }
