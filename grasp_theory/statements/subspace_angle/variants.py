"""False variants of subspace-angle: its author's own, and those written blind."""

from __future__ import annotations

import numpy as np
from numpy import ndarray

from ..shared.draws import sharp, sine
from ..statement import Claim, exact
from . import Instance, angle, norm_off


def _moved(i: Instance) -> ndarray:
    """T V̂_J."""
    return i.T @ i.svd[2][list(i.block)].T


def _values(i: Instance) -> ndarray:
    return i.svd[1][list(i.block)]


def _identity(right) -> Claim[Instance]:
    return exact("=", lambda i: i.off(0, i.block), right)


def _total(side: int, bound) -> Claim[Instance]:
    """Frobenius norm of all q sines at once, before looking."""

    def measured(i: Instance) -> float:
        X, U = (i.svd[0][:, : i.q], i.U) if side == 0 else (i.svd[2][: i.q].T, i.V)
        return float(np.linalg.norm(X - U @ (U.T @ X)))

    return exact("<=", measured, bound)


OWN: dict[str, Claim[Instance]] = {
    "each factor is identified: û₁ near some u_j": exact(
        "<=", lambda i: min(sine(i.svd[0][:, 0], u) for u in i.U.T), lambda i: i.tau / i.svd[1][0]
    ),
    "before: the strongest factor's strength": angle(1, lambda i: sharp(i.tau / np.linalg.norm(i.N, 2)), before=True),
    "after: P_U taken for U Uᵀ": exact(
        "<=", lambda i: np.linalg.norm(i.U.T @ i.svd[0][:, list(i.block)], 2), lambda i: i.tau / i.least
    ),
}

BLIND: dict[str, Claim[Instance]] = {
    "identity: one value, the block's least, for all": _identity(lambda i: norm_off(_moved(i), i.U) / i.least),
    "identity: the task's push not projected": _identity(lambda i: np.linalg.norm(_moved(i) / _values(i), 2)),
    "identity: the sum of squares for the largest sine": _identity(
        lambda i: np.linalg.norm(_moved(i) / _values(i) - i.U @ (i.U.T @ _moved(i) / _values(i)))
    ),
    "identity: the left side from the right vectors' angle": _identity(lambda i: i.off(1, i.block)),
    "after, left: the largest value of the block": angle(0, lambda i: i.tau / _values(i).max()),
    "after, left: the planted strength for the observed value": angle(0, lambda i: i.tau / i.sigma),
    "after, right: the mean value of the block": angle(1, lambda i: i.tau / _values(i).mean()),
    "after, right: the q-th value for any block": angle(1, lambda i: i.tau / i.svd[1][i.q - 1]),
    "after, right: a certificate from the next value of the spectrum": angle(
        1, lambda i: i.svd[1][i.q] / i.least if i.q < len(i.svd[1]) else 0.0
    ),
    "before, left: the strongest factor for the weakest": angle(
        0, lambda i: sharp(i.tau / np.linalg.norm(i.N, 2)), before=True
    ),
    "before, left: sin Theta <= tau/sigma": angle(0, lambda i: i.tau / i.sigma, before=True),
    "before, right: the rms strength for the weakest": angle(
        1, lambda i: sharp(i.tau * np.sqrt(i.q) / np.linalg.norm(i.N)), before=True
    ),
    "before, right: tan 2 Theta": angle(1, lambda i: np.sin(0.5 * np.arctan(2 * i.tau / i.sigma)), before=True),
    "before, right: strength and task add up, tau/(sigma + tau)": angle(
        1, lambda i: sharp(i.tau / (i.sigma + i.tau)), before=True
    ),
    "before, left: all angles together": _total(0, lambda i: sharp(i.tau / i.sigma)),
}
