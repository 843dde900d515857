"""False variants of whitened-angle: its author's own, and those written blind."""

from __future__ import annotations

import numpy as np

from ..shared.draws import sine
from ..shared.maps import truncated
from ..statement import Claim, exact
from . import Instance, certificate, left, off, read, read_law, value, written_law

OWN: dict[str, Claim[Instance]] = {
    "only the factor's own variance counts": exact(
        "<=", left, lambda i: np.linalg.norm(i.G @ i.T, 2) * np.linalg.norm(i.S.T @ i.v) / i.triple[1]
    ),
    "the metric forgotten: tau/ŝ_i with ‖T S‖": exact("<=", left, lambda i: np.linalg.norm(i.T @ i.S, 2) / i.triple[1]),
    "û is the written direction": exact("=", lambda i: sine(i.G.T @ i.triple[0], i.u), written_law),
    "S v̂ is the read functional": exact("=", lambda i: sine(i.S @ i.triple[2], i.v), read_law),
}

BLIND: dict[str, Claim[Instance]] = {
    "left: the task not whitened": exact("<=", left, lambda i: np.linalg.norm(i.G @ i.T, 2) / i.triple[1]),
    "left: the whitened strength for the observed value": exact(
        "<=", left, lambda i: i.tau / (i.beta * np.linalg.norm(i.G @ i.u) * np.linalg.norm(i.S.T @ i.v))
    ),
    "left: half of the arc": exact("<=", left, lambda i: np.sin(0.5 * np.arcsin(min(certificate(i), 1.0)))),
    "right: the inverse of the root on v": exact(
        "<=", lambda i: sine(i.triple[2], np.linalg.pinv(i.S, rcond=1e-10) @ i.v), certificate
    ),
    "right: the read functional has the certificate of the singular vector": exact(
        "<=", lambda i: sine(read(i), i.v), certificate
    ),
    "right: the pattern of activations estimates v": exact("<=", lambda i: sine(i.S @ i.triple[2], i.v), certificate),
    "right: the pattern estimates Sigma v within the certificate": exact(
        "<=", lambda i: sine(i.S @ i.triple[2], i.S @ i.S.T @ i.v), certificate
    ),
    "left push: not projected": exact("=", left, lambda i: np.linalg.norm(i.G @ i.T @ i.S @ i.triple[2]) / i.triple[1]),
    "left push: the read functional for the pattern": exact(
        "=", left, lambda i: off(i.G @ i.T @ read(i), i.G @ i.u) / i.triple[1]
    ),
    "rank: truncated before whitening": value(lambda i: i.G @ truncated(i.M, i.r) @ i.S),
    "rank: Sigma for its root": value(lambda i: i.G @ i.M @ i.S @ i.S.T),
    "rank: isotropic inputs of the same power": value(lambda i: i.G @ i.M * np.linalg.norm(i.S) / np.sqrt(len(i.v))),
    "read: divided by the singular value": exact(
        "=", lambda i: sine(read(i), i.v), lambda i: off(i.triple[0] @ i.G @ i.T, i.v) / i.triple[1]
    ),
    "read: the sine of the whitened direction": exact(
        "=", lambda i: sine(read(i), i.v), lambda i: off(i.triple[0] @ i.G @ i.T @ i.S, i.S.T @ i.v) / i.triple[1]
    ),
}
