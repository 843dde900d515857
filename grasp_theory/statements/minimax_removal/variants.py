"""False variants of minimax-removal: its author's own, and those written from the statement before its draws."""

from __future__ import annotations

import numpy as np

from ..shared.draws import sharp
from ..statement import Claim
from . import averaged, error, kappa, known, lower, nobody, operator, overlap, unknown_cost
from .instances import Instance


def _deleted(i: Instance) -> float:
    return i.s


OWN: dict[str, Claim[Instance]] = {
    "deletion: as good as the best amount": error(_deleted, lambda i: i.beta**2 - known(i) ** 2),
    "nobody: one component is minimax at every k": nobody(lambda i: i.beta**2 * (1 - kappa(i) ** 2)),
}

BLIND: dict[str, Claim[Instance]] = {
    "overlap: from the planted strength, 1 − (tau/beta)²": overlap(lambda i: 1 - (i.tau / i.beta) ** 2),
    "overlap: from the singular value, 1 − (tau/s)²/2": overlap(lambda i: 1 - (i.tau / i.s) ** 2 / 2),
    "overlap: as beta = s": overlap(lambda i: (i.s**2 - i.tau**2) / i.s**2 * max(1.0, i.s / i.beta)),
    "overlap: the worst of both angles apart": overlap(lambda i: 1 - sharp(min(i.tau / i.beta, 0.5)) ** 2),
    "overlap: s² − tau² over beta s": overlap(lambda i: (i.s**2 - i.tau**2) / (i.beta * i.s)),
    "overlap: square root": overlap(lambda i: np.sqrt(max(kappa(i), 0.0))),
    "worst: the strengths' difference alone": error(lambda i: i.n, lambda i: (i.n - i.beta) ** 2 + i.tau**2),
    "worst: cross term halved in kappa": error(
        lambda i: i.n, lambda i: i.n**2 + i.beta**2 - i.n * i.beta * (1 + kappa(i))
    ),
    "worst: triangle of strength and task": error(lambda i: i.n, lambda i: (abs(i.n - i.s) + i.tau) ** 2),
    "deletion: tau² is all it costs": error(_deleted, lambda i: i.tau**2),
    "deletion: twice the square of what is left": error(_deleted, lambda i: 2 * (i.s - known(i)) ** 2 + i.tau**2),
    "known: the amount s − tau²/s at any strength": error(
        lambda i: i.s - i.tau**2 / i.s, lambda i: i.beta**2 - known(i) ** 2
    ),
    "known: the amount is beta": error(lambda i: i.beta, lambda i: i.beta**2 - known(i) ** 2),
    "unknown: the cost of the known strength s": error(_deleted, lambda i: 2 * i.tau**2 - i.tau**4 / i.s**2),
    "unknown: removing s − tau costs no more": error(lambda i: i.s - i.tau, unknown_cost),
    "nobody: the cost of two worlds at every k": nobody(lambda i: i.beta**2 * (1 - kappa(i) ** 2) * 1.05),
    "nobody: what is not known of u alone, 1 − kappa": nobody(lambda i: 2 * i.beta**2 * (1 - kappa(i))),
    "nobody: other values cost in full": nobody(
        lambda i: lower(i) + i.beta**2 * (1 - kappa(i)) ** 2 * (1 / i.left.shape[1] - 1 / (1 + i.left.shape[1]))
    ),
    "diagonal: it halves the gap": averaged("<=", 0.9),
    "diagonal: never better": averaged(">=", 1.0),
    "operator: tau and half the next value": operator(lambda i: i.tau + 0.5 * i.s2),
    "operator: the whole component": operator(lambda i: min(i.s, i.tau * 1.1)),
}
