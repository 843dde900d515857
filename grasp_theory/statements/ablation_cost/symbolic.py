"""Derives ``ablation-cost`` for generic 2 x 2 W0, T, Sigma and Sigma_t, in coordinates where v = e₁."""

from __future__ import annotations

from collections.abc import Mapping

import sympy as sp

from ..shared.maps import plane
from . import Instance, lost, row, task

beta, p, q = sp.symbols("beta p q", positive=True)
s, t, t0, variance = sp.symbols("s t t0 variance", real=True)
KAPPA, L = p - s**2 / q, s**2 / q
RISK = t * variance  # of ‖(W0 + T) v‖² and vᵀSigma_t v
AGAINST_GRASP = (t - t0) * KAPPA + (t - beta**2) * L  # t0 = ‖T v‖²
AGAINST_NAIVE = (t - beta**2) * variance


def residuals() -> dict[str, sp.Expr]:
    """Left minus right side of each identity."""
    a, b, c = sp.symbols("a b c", real=True)
    T = sp.Matrix(2, 2, sp.symbols("t11 t12 t21 t22", real=True))
    W0 = sp.Matrix(2, 2, sp.symbols("w11 w12 w21 w22", real=True))
    u = sp.Matrix([sp.Rational(3, 5), sp.Rational(4, 5)])
    v, n = sp.Matrix([1, 0]), sp.Matrix([0, 1])
    moment = sp.Matrix([[a, b], [b, c]])
    M = T + beta * u * v.T

    gone = (W0 + T) * v
    error = (W0 + M) * (sp.eye(2) - v * v.T) - W0 - T
    # against GRASP-read at Sigma_t = Sigma
    Sigma = p * v * v.T + s * (v * n.T + n * v.T) + q * n * n.T
    grasp = M * Sigma * n * n.T / q - T
    sizes = {t: (gone.T * gone)[0], t0: ((T * v).T * T * v)[0], variance: a}

    def risk(E: sp.Matrix, S: sp.Matrix) -> sp.Expr:
        return (E * S * E.T).trace()

    return {
        "risk ‖(W0 + T) v‖² vᵀ Sigma_t v": risk(error, moment) - RISK.subs(sizes),
        "against GRASP without a shift": risk(error, Sigma) - risk(grasp, Sigma) - AGAINST_GRASP.subs(sizes),
        "against naive": risk(error, moment) - risk(M - T, moment) - AGAINST_NAIVE.subs(sizes),
    }


def twin(i: Instance) -> Mapping[str, float]:
    """The three at the instance's numbers; Sigma by vᵀx and what predicts it best."""
    at = dict(zip((p, q, s), plane(i.problem.Sigma, i.problem.v)[0], strict=True))
    at |= {t: lost(i.problem), t0: task(i.problem), variance: row(i.problem), beta: i.problem.beta}
    found = {"risk": RISK, "against GRASP, no shift": AGAINST_GRASP, "against naive": AGAINST_NAIVE}
    return {name: float(value.subs(at)) for name, value in found.items()}
