"""False variants of rerouting-share: its author's own, and those written blind."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from ...linear.problem import psd_root
from ..shared.maps import complement
from ..shared.residual_net import closed, pinched
from ..statement import Claim, exact
from . import (
    Instance,
    across,
    beta_seen,
    distance,
    first_step,
    flips_seen,
    moved,
    share_claim,
    signal_gap,
    with_blocks,
)
from .metric import kantorovich, product, share, share_bounds


def _along_u(i: Instance) -> float:
    return float(i.u @ i.H @ i.u)


def _gap(factor) -> Claim[Instance]:
    """Difference of the projected signals, against beta · factor · ‖vᵀX‖."""
    return Claim("=", lambda i: replace(signal_gap(i), bound=float(i.beta * factor(i) * np.linalg.norm(i.v @ i.X))))


def _blocks(W) -> Claim[Instance]:
    """uᵀF moves in write-projected training of the net with these frozen blocks."""
    return Claim("=", lambda i: moved(with_blocks(i, W(i))))


OWN: dict[str, Claim[Instance]] = {
    "one step of descent sees ‖H u‖, projector forgotten": Claim(
        "=", lambda i: first_step(i, lambda i: float(np.linalg.norm(i.H @ i.u)))
    ),
    "share = ((κ−1)/(κ+1))² for every u": share_claim(lambda i: kantorovich(i.H) ** 2),
    "beta never seen, whatever H": Claim("=", lambda i: beta_seen(i, i.H)),
    "label flips never seen, whatever u": Claim("=", lambda i: flips_seen(i, i.u)),
    "write projection keeps uᵀF in every net": Claim("=", moved),
}

BLIND: dict[str, Claim[Instance]] = {
    "square root of the product": share_claim(lambda i: 1 - 1 / np.sqrt(product(i.H, i.u))),
    "sin² ∠(u, H u)": share_claim(lambda i: 1 - _along_u(i) ** 2 / float(np.sum((i.H @ i.u) ** 2))),
    "read side with the root of Sigma": exact(
        "=", lambda i: share(i.Sigma, i.v), lambda i: 1 - 1 / product(psd_root(i.Sigma), i.v)
    ),
    "condition number of H^½": share_claim(lambda i: kantorovich(psd_root(i.H)) ** 2, "<="),
    "Kantorovich on u^⊥ only": share_claim(lambda i: kantorovich((Q := complement(i.u)).T @ i.H @ Q) ** 2, "<="),
    "lower bound with λ_min(PHP)": share_claim(lambda i: share_bounds(i.H, i.u)[1], ">="),
    "lower bound with the mean eigenvalue of PHP": share_claim(
        lambda i: across(i) ** 2 / (_along_u(i) * np.trace(i.P @ i.H @ i.P) / (len(i.u) - 1)), ">="
    ),
    "upper bound tan² ∠(u, H u)": share_claim(lambda i: across(i) ** 2 / _along_u(i) ** 2, "<="),
    "v an eigenvector of the metric instead of u": Claim("=", lambda i: beta_seen(i, pinched(i.H, i.v, both=True))),
    "signal weighted by H^½": _gap(lambda i: np.linalg.norm(i.P @ psd_root(i.H) @ i.u)),
    "signal gap ‖H u‖, projector forgotten": _gap(lambda i: np.linalg.norm(i.H @ i.u)),
    "u along the new label's row alone": Claim("=", lambda i: flips_seen(i, i.E[1])),
    "u a right eigenvector": _blocks(lambda i: np.swapaxes(closed(np.swapaxes(i.net.W, 1, 2), i.u), 1, 2)),
    "last block left open": _blocks(lambda i: np.concatenate([closed(i.net.W, i.u)[:-1], i.net.W[-1:]])),
    "closed nets reach every target too": Claim("=", lambda i: distance(with_blocks(i, closed(i.net.W, i.u)))),
}
