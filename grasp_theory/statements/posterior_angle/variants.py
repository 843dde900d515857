"""posterior-angle: variants written blind."""

from __future__ import annotations

import numpy as np

from ..statement import Claim, Sides
from . import Instance, _bound, _identity


def _largest(bound) -> Claim[Instance]:
    """ŝ₂ against the bound."""
    return Claim("<=", lambda i: Sides.exact(i.svd[1][1], bound(i), scale=i.size))


def _aside(i: Instance) -> float:
    """‖P_u T P_v‖₂."""
    left = i.T - np.outer(i.u, i.u @ i.T)
    return float(np.linalg.norm(left - np.outer(left @ i.v, i.v), 2))


def _rms(i: Instance) -> float:
    return float(np.linalg.norm(i.T) / np.sqrt(min(i.T.shape)))


MUTANTS: dict[str, Claim[Instance]] = {
    "left: the task's push not projected off u": _identity(0, lambda i: i.pushed(0, project=False) / i.s),
    "left: divided by the planted strength": _identity(0, lambda i: i.pushed(0) / i.beta),
    "left: a transposed role, the push of the right side": _identity(0, lambda i: i.pushed(1) / i.s),
    "right: the quotient taken for the tangent": _identity(1, lambda i: np.sin(np.arctan(i.pushed(1) / i.s))),
    "right: the push read on the planted direction": _identity(
        1, lambda i: np.linalg.norm(i.u @ i.T - (i.u @ i.T @ i.v) * i.v) / i.s
    ),
    "left: a sin 2 theta bound, half of the arc": _bound(0, lambda i: np.sin(0.5 * np.arcsin(min(i.tau / i.s, 1.0)))),
    "left: the planted strength for the observed value": _bound(0, lambda i: i.tau / i.beta),
    "left: the arctangent for the arcsine": _bound(0, lambda i: i.tau / np.hypot(i.tau, i.s)),
    "right: the top value for every triple": _bound(1, lambda i: i.tau / i.svd[1][0]),
    "right: the task's rms value for its norm": _bound(1, lambda i: _rms(i) / i.s),
    "right: a certificate from the spectrum alone": _bound(1, lambda i: i.svd[1][1] / i.s),
    "spectrum: the second value as an upper bound of the task": Claim(
        "<=", lambda i: Sides.exact(np.linalg.norm(i.T, 2), i.svd[1][1], scale=i.size)
    ),
    "spectrum: interlacing one index off": _largest(lambda i: np.linalg.svd(i.T, compute_uv=False)[1]),
    "spectrum: the second value lives off the factor": _largest(_aside),
}
