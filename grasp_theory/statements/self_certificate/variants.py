"""False variants of self-certificate: its author's own, and those written from the statement before its draws."""

from __future__ import annotations

import numpy as np

from ...identification.spectra import spike
from ..statement import Claim
from . import end, exact, interlaced, mean, spread
from .instances import Instance

OWN: dict[str, Claim[Instance]] = {
    "left: as if the other side did not matter, dz/dbeta squared": mean(lambda r: r.cos[0], lambda r: r.left * r.right),
    "rank, at least: every unknown value at the last known": end(">=", lambda i: 1.0001 * i.at_ceiling()),
}

BLIND: dict[str, Claim[Instance]] = {
    "left: the other side's": mean(lambda r: r.cos[0], lambda r: r.right),
    "left: the sine is the ratio of the first two values": mean(
        lambda r: r.cos[0], lambda r: 1 - (r.S[1] / r.S[0]) ** 2
    ),
    "right: as white noise of that size": mean(
        lambda r: r.cos[1],
        lambda r: (
            spike(r.strength, *r.shape, s=float(np.linalg.norm(r.S[1:]) / np.sqrt(r.shape[0] * r.shape[1]))).right
        ),
    ),
    "right: the share of the energy": mean(lambda r: r.cos[1], lambda r: float(r.S[0] ** 2 / np.sum(r.S**2))),
    "strength: the top value itself": mean(lambda r: 1.0, lambda r: r.S[0] / r.beta),
    "strength: the top value less the next": mean(lambda r: 1.0, lambda r: (r.S[0] - r.S[1]) / r.beta),
    "strength: squares subtract": mean(lambda r: 1.0, lambda r: float(np.sqrt(r.S[0] ** 2 - r.S[1] ** 2)) / r.beta),
    "exact: 1/beta = √(ab), c forgotten": exact(lambda e: 1 / e.beta, lambda e: np.sqrt(e.a * e.b)),
    "exact: 1/beta = √(ab) − c": exact(lambda e: 1 / e.beta, lambda e: np.sqrt(e.a * e.b) - e.c),
    "exact: ⟨û,u⟩² with sides exchanged": exact(lambda e: e.cos[0], lambda e: np.sqrt(e.b / e.a) * e.rate),
    "exact: ⟨v̂,v⟩² without the derivative of c": exact(
        lambda e: e.cos[1], lambda e: np.sqrt(e.b / e.a) * (-(e.g**2) / (e.g1 - e.c1))
    ),
    "exact: the overlaps are equal, dz/dbeta": exact(lambda e: e.cos[0], lambda e: e.rate),
    "interlacing: one value less": interlaced(lambda e: -e.f[0] + 1 / e.z, ">="),
    "interlacing: nothing is lost": interlaced(lambda e: 0.0, ">="),
    "interlacing, above: two values less": interlaced(lambda e: -e.f[-1] - e.f[-2], "<="),
    "error: a third": spread(lambda r: r.left_error / 3),
    "error: twice": spread(lambda r: 2 * r.left_error),
    "rank, at most: all unknown values at the last known": end("<=", lambda i: i.at_ceiling()),
    "rank, at most: the least estimate": end("<=", lambda i: i.range(energy=False).left[0]),
    "energy, at least: the tail is one value": end(">=", lambda i: i.flat_tail()),
    "energy, at most: the tail is one value": end("<=", lambda i: i.flat_tail()),
}
