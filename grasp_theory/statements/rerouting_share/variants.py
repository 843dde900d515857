"""False variants of rerouting-share: its author's own, and those written blind."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from ...linear.problem import psd_root
from ..shared.maps import complement
from ..shared.residual_net import closed, cross_entropy, pinched, rerouted
from ..statement import Claim, Relation, Sides
from . import Instance, beta_seen, difference, first_step, flips_seen, moved, share_claim, signal_gap
from .metric import kantorovich, product, share, share_bounds


def _compare(relation: Relation, bound) -> Claim[Instance]:
    return Claim(relation, lambda i: Sides.exact(share(i.H, i.u), bound(i)))


def _along_u(i: Instance) -> float:
    return float(i.u @ i.H @ i.u)


def _across(i: Instance) -> float:
    """‖P H u‖²."""
    return float(np.sum((i.P @ i.H @ i.u) ** 2))


def _mean_off_u(i: Instance) -> float:
    """Mean eigenvalue of H on u^⊥."""
    return float(np.trace(i.P @ i.H @ i.P)) / (len(i.u) - 1)


def _roots(i: Instance) -> float:
    """(√κ − 1)/(√κ + 1)."""
    return kantorovich(psd_root(i.H))


def _gap(factor) -> Claim[Instance]:
    """Difference of the projected signals, against beta · factor · ‖vᵀX‖."""
    return Claim("=", lambda i: replace(signal_gap(i), bound=float(i.beta * factor(i) * np.linalg.norm(i.v @ i.X))))


def _along_new_label(i: Instance) -> Sides:
    """Label flips 0 → 1 with the signal projected off E_1 instead of E_1 − E_0."""
    w = i.E[1] / np.linalg.norm(i.E[1])
    flipped = np.where((i.labels == 0) & (i.v @ i.X > 0), 1, i.labels)
    return difference(i, [cross_entropy(i.E, y) for y in (i.labels, flipped)], np.eye(len(w)) - np.outer(w, w))


def _blocks(W) -> Claim[Instance]:
    """uᵀF moves in write-projected training of the net with these frozen blocks."""
    return Claim("=", lambda i: moved(replace(i, net=replace(i.net, W=W(i))), eigenvector=False))


def _closed_reaches(i: Instance) -> Sides:
    factors = [np.eye(len(i.u)) + w for w in closed(i.net.W, i.u)]
    found, size = rerouted(factors, i.u, i.target)
    return Sides.exact(float(np.linalg.norm(found - i.target)), 0.0, scale=size)


OWN: dict[str, Claim[Instance]] = {
    "one step of descent sees ‖H u‖, projector forgotten": Claim(
        "=", lambda i: first_step(i, lambda i: float(np.linalg.norm(i.H @ i.u)))
    ),
    "share = ((κ−1)/(κ+1))² for every u": share_claim(lambda i: kantorovich(i.H) ** 2),
    "beta never seen, whatever H": Claim("=", lambda i: beta_seen(i, i.H)),
    "label flips never seen, whatever u": Claim("=", lambda i: flips_seen(i, aligned=False)),
    "write projection keeps uᵀF in every net": Claim("=", lambda i: moved(i, eigenvector=False)),
}

BLIND: dict[str, Claim[Instance]] = {
    "square root of the product": share_claim(lambda i: 1 - 1 / np.sqrt(product(i.H, i.u))),
    "sin² ∠(u, H u)": share_claim(lambda i: 1 - _along_u(i) ** 2 / float(np.sum((i.H @ i.u) ** 2))),
    "read side with the root of Sigma": Claim(
        "=", lambda i: Sides.exact(share(i.Sigma, i.v), 1 - 1 / product(psd_root(i.Sigma), i.v))
    ),
    "condition number of H^½": _compare("<=", lambda i: _roots(i) ** 2),
    "Kantorovich on u^⊥ only": _compare("<=", lambda i: kantorovich((Q := complement(i.u)).T @ i.H @ Q) ** 2),
    "lower bound with λ_min(PHP)": _compare(">=", lambda i: share_bounds(i.H, i.u)[1]),
    "lower bound with the mean eigenvalue of PHP": _compare(
        ">=", lambda i: _across(i) / (_along_u(i) * _mean_off_u(i))
    ),
    "upper bound tan² ∠(u, H u)": _compare("<=", lambda i: _across(i) / _along_u(i) ** 2),
    "v an eigenvector of the metric instead of u": Claim("=", lambda i: beta_seen(i, pinched(i.H, i.v, both=True))),
    "signal weighted by H^½": _gap(lambda i: np.linalg.norm(i.P @ psd_root(i.H) @ i.u)),
    "signal gap ‖H u‖, projector forgotten": _gap(lambda i: np.linalg.norm(i.H @ i.u)),
    "u along the new label's row alone": Claim("=", _along_new_label),
    "u a right eigenvector": _blocks(lambda i: np.swapaxes(closed(np.swapaxes(i.net.W, 1, 2), i.u), 1, 2)),
    "last block left open": _blocks(lambda i: np.concatenate([closed(i.net.W, i.u)[:-1], i.net.W[-1:]])),
    "closed nets reach every target too": Claim("=", _closed_reaches),
}
