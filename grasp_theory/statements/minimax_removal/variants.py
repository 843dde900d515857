"""False variants of minimax-removal: its author's own, and those written from the statement before its draws."""

from __future__ import annotations

import numpy as np

from ..shared.draws import sharp
from ..statement import Claim, Sides, exact
from . import averaged, error, known, lower, nobody, operator, overlap, unknown_cost
from .instances import Instance


def _averaged_here(i: Instance) -> Sides:
    """‖D − T‖₂ at the instance's own T, for the diagonal of D against D."""
    U, _, Vh = np.linalg.svd(i.M, full_matrices=False)
    D, T = U.T @ i.D @ Vh.T, U.T @ i.T @ Vh.T
    one, all_ = (float(np.linalg.norm(X - T, 2)) for X in (np.diag(np.diag(D)), D))
    return Sides.exact(one, all_, scale=i.s)


def _fraction(i: Instance, k: float) -> float:
    """The least cost with k for the number of columns."""
    return i.beta**2 * (1 - i.kappa**2 - (1 - i.kappa) ** 2 / k)


OWN: dict[str, Claim[Instance]] = {
    "nobody: one component is minimax at every k": nobody(lambda i: i.beta**2 * (1 - i.kappa**2)),
    "overlap: s² − tau² over beta s": overlap(lambda i: (i.s**2 - i.tau**2) / (i.beta * i.s)),
    "overlap: from the planted strength, 1 − (tau/beta)²": overlap(lambda i: 1 - (i.tau / i.beta) ** 2),
    "overlap: the worst of both angles apart": overlap(lambda i: 1 - sharp(min(i.tau / i.beta, 0.5)) ** 2),
    "worst: triangle of strength and task": error(lambda i: i.n, lambda i: (abs(i.n - i.s) + i.tau) ** 2),
    "deletion: twice the square of what is left": error(lambda i: i.s, lambda i: 2 * (i.s - known(i)) ** 2 + i.tau**2),
    "unknown: removing s − tau costs no more": error(lambda i: i.s - i.tau, unknown_cost),
    "nobody: other values cost in full": nobody(
        lambda i: lower(i) + i.beta**2 * (1 - i.kappa) ** 2 * (1 / i.left.shape[1] - 1 / (1 + i.left.shape[1]))
    ),
    "diagonal: it halves the gap": averaged("<=", 0.9),
    "operator: tau and half the next value": operator(lambda i: i.tau + 0.5 * i.s2),
}


BLIND: dict[str, Claim[Instance]] = {
    "overlap: 1/(1 + (tau/s)²)": overlap(lambda i: 1 / (1 + (i.tau / i.s) ** 2)),
    "overlap: each factor at least √kappa": exact(
        ">=",
        lambda i: min(abs(i.top[0] @ i.u), abs(i.top[2] @ i.v)),
        lambda i: np.sqrt(max(i.kappa, 0.0)),
    ),
    "worst: (n − beta)² + 2 tau²/s² n²": error(
        lambda i: i.n, lambda i: (i.n - i.beta) ** 2 + 2 * (i.tau / i.s * i.n) ** 2
    ),
    "deletion: 2 tau², the cost at beta = s": error(lambda i: i.s, lambda i: 2 * i.tau**2),
    "known: costs tau²": error(known, lambda i: i.tau**2),
    "unknown: two terms of the series as exact": error(lambda i: i.s - i.tau**4 / (2 * i.s**3), unknown_cost),
    "unknown: the amount √(s² − tau²)": error(lambda i: np.sqrt(max(i.s**2 - i.tau**2, 0.0)), unknown_cost),
    "unknown: deletion costs no more": error(lambda i: i.s, unknown_cost),
    "nobody: k² for k": nobody(lambda i: _fraction(i, i.left.shape[1] ** 2) if i.left.shape[1] > 1 else 0.0),
    "nobody: (1 − kappa)² kappa": nobody(
        lambda i: i.beta**2 * (1 - i.kappa**2 - i.kappa * (1 - i.kappa) ** 2 / i.left.shape[1])
    ),
    "diagonal: one percent better": averaged("<=", 0.99),
    "diagonal: as good at every task, not in the worst": Claim("<=", _averaged_here),
    "operator: tau and the next value in squares": operator(lambda i: float(np.hypot(i.tau, i.s2))),
    "operator: what is surely the factor's, s − tau": operator(lambda i: i.s - i.tau),
    "operator: half the strength": operator(lambda i: i.beta / 2),
}
