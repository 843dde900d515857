"""Derives ``read-removal`` for a generic 2 x 2 covariance: the regression, kappa + L, and the risk without a shift."""

from __future__ import annotations

from collections.abc import Mapping

import sympy as sp

from ..shared.maps import plane
from . import Instance

p, q, beta, task = sp.symbols("p q beta task", positive=True)
s = sp.symbols("s", real=True)
# coordinates with v = e₁; Sigma is generic in them
v, n = sp.Matrix([1, 0]), sp.Matrix([0, 1])
Sigma = p * v * v.T + s * (v * n.T + n * v.T) + q * n * n.T
ell = (v.T * Sigma * n)[0] / (n.T * Sigma * n)[0] * n.T
L, KAPPA = (ell * Sigma * ell.T)[0], 1 / (v.T * Sigma.inv() * v)[0]
RISK = task * KAPPA + beta**2 * L  # of ‖T v‖²


def residuals() -> dict[str, sp.Expr]:
    """Left minus right side of each identity."""
    T = sp.Matrix(2, 2, sp.symbols("t11 t12 t21 t22", real=True))
    u = sp.Matrix([sp.Rational(3, 5), sp.Rational(4, 5)])
    M = T + beta * u * v.T
    solution = M * Sigma * n * n.T / (n.T * Sigma * n)[0]
    regression = solution - M * n * n.T - M * v * ell
    error, Tv = solution - T, T * v
    t = sp.Symbol("t")
    return {
        "D = M P + (M v) ell": sum((t**k * x for k, x in enumerate(regression)), sp.Integer(0)),
        "vᵀ Sigma v = kappa + L": (v.T * Sigma * v)[0] - KAPPA - L,
        "risk ‖T v‖² kappa + beta² L": (error * Sigma * error.T).trace() - RISK.subs(task, (Tv.T * Tv)[0]),
    }


def twin(i: Instance) -> Mapping[str, float]:
    """The risk without shift at the instance's numbers: covariance of vᵀx and of what predicts it best."""
    at = dict(zip((p, q, s), plane(i.problem.Sigma, i.problem.v)[0], strict=True))
    Tv = i.problem.T @ i.problem.v
    if abs(at[p] * at[q] - at[s] ** 2) < 1e-9 * at[p] * at[q]:  # Sigma⁻¹ of the derivation
        return {}
    return {"risk without shift": float(RISK.subs({**at, task: Tv @ Tv, beta: i.problem.beta}))}
