"""False variants of posterior-angle: its author's own, and those written blind."""

from __future__ import annotations

import numpy as np

from ..statement import Claim
from . import Instance, bound_claim, identity, spectrum


def _aside(i: Instance) -> float:
    """‖P_u T P_v‖₂."""
    left = i.T - np.outer(i.u, i.u @ i.T)
    return float(np.linalg.norm(left - np.outer(left @ i.v, i.v), 2))


OWN: dict[str, Claim[Instance]] = {
    "tau read off the spectrum: ŝ₂/ŝ_i": bound_claim(0, lambda i: i.s2 / i.s),
    "(tau/ŝ_i)²": bound_claim(0, lambda i: (i.tau / i.s) ** 2),
}

BLIND: dict[str, Claim[Instance]] = {
    "left: the task's push not projected off u": identity(0, lambda i: i.pushed(0, project=False) / i.s),
    "left: divided by the planted strength": identity(0, lambda i: i.pushed(0) / i.beta),
    "left: a transposed role, the push of the right side": identity(0, lambda i: i.pushed(1) / i.s),
    "right: the quotient taken for the tangent": identity(1, lambda i: np.sin(np.arctan(i.pushed(1) / i.s))),
    "right: the push read on the planted direction": identity(
        1, lambda i: np.linalg.norm(i.u @ i.T - (i.u @ i.T @ i.v) * i.v) / i.s
    ),
    "left: the planted strength for the observed value": bound_claim(0, lambda i: i.tau / i.beta),
    "left: the arctangent for the arcsine": bound_claim(0, lambda i: i.tau / np.hypot(i.tau, i.s)),
    "right: the top value for every triple": bound_claim(1, lambda i: i.tau / i.svd[1][0]),
    "right: the task's rms value for its norm": bound_claim(
        1, lambda i: np.linalg.norm(i.T) / np.sqrt(min(i.T.shape)) / i.s
    ),
    "right: a certificate from the spectrum alone": bound_claim(1, lambda i: i.s2 / i.s),
    "spectrum: the second value as an upper bound of the task": spectrum(
        lambda i: np.linalg.norm(i.T, 2), lambda i: i.s2
    ),
    "spectrum: interlacing one index off": spectrum(lambda i: i.s2, lambda i: np.linalg.svd(i.T, compute_uv=False)[1]),
    "spectrum: the second value lives off the factor": spectrum(lambda i: i.s2, _aside),
}
