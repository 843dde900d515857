"""False variants of self-certificate: its author's own, and those written from the statement before its draws."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from ...identification.self_certificate import estimate
from ...identification.spectra import spike
from ..statement import Claim
from . import closed_form, end, exact, gaussian_variance, interlaced, mean, spread
from .instances import Instance, Row

OWN: dict[str, Claim[Instance]] = {
    "rank, at least: every unknown value at the last known": end(">=", lambda i: 1.0001 * i.at_ceiling()),
    "right: as white noise of that size": mean(
        lambda r: r.cos[1],
        lambda r: (
            spike(r.strength, *r.shape, s=float(np.linalg.norm(r.S[1:]) / np.sqrt(r.shape[0] * r.shape[1]))).right
        ),
    ),
    "exact: ⟨v̂,v⟩² without the derivative of c": exact(
        lambda e: e.cos[1], lambda e: np.sqrt(e.b / e.a) * (-(e.g**2) / (e.g1 - e.c1))
    ),
    "interlacing, above: two values less": interlaced(lambda e: -e.f[-1] - e.f[-2], "<="),
    "energy, at most: the tail is one value": end(
        "<=", lambda i: i.with_tail(float(np.sqrt(np.mean(i.cut[i.known :] ** 2))))
    ),
}


def _square(r: Row) -> Row:
    """The same trial, read as a square matrix."""
    q = len(r.S)
    e = estimate(r.S[0], r.S[1:], (q, q))
    return replace(r, left=e.left, right=e.right, strength=e.strength)


def _phi(r: Row, n: int) -> tuple[float, float]:
    """The mean of f over the n − 1 values after the first, zeros included, and its derivative in z."""
    z = float(r.S[0])
    x = np.concatenate([r.S[1:], np.zeros(n - len(r.S))])
    w = 1 / (z * z - x * x)
    return float(np.mean(z * w)), float(np.mean(w - 2 * z * z * w * w))


def _one_side(r: Row) -> float:
    """−phi_m²/phi_m'."""
    phi, slope = _phi(r, r.shape[0])
    return -(phi**2) / slope


def _white_square_error(r: Row) -> float:
    """√(2(x⁴ + 1)/(x⁴(x⁴ − 1)m)), x of the edge."""
    x4 = max(2 * r.strength / r.S[1], 1.01) ** 4
    return float(np.sqrt(2 * (x4 + 1) / (x4 * (x4 - 1) * r.shape[0])))


BLIND: dict[str, Claim[Instance]] = {
    "left: the geometric mean of both sides": mean(lambda r: r.cos[0], lambda r: np.sqrt(r.left * r.right)),
    "left: zeros beyond min(m, d) forgotten": mean(lambda r: r.cos[0], lambda r: _square(r).left),
    "right: zeros beyond min(m, d) forgotten": mean(lambda r: r.cos[1], lambda r: _square(r).right),
    "left: from its own side alone, −phi_m²/phi_m'": mean(lambda r: r.cos[0], _one_side),
    "right: the sines share as the sizes": mean(
        lambda r: r.cos[1], lambda r: 1 - (1 - r.left) * r.shape[1] / r.shape[0]
    ),
    "right: 5% less": mean(lambda r: r.cos[1], lambda r: 0.95 * r.right),
    "strength: zeros beyond min(m, d) forgotten": mean(lambda r: 1.0, lambda r: _square(r).strength / r.beta),
    "strength: one side, 1/phi_m": mean(lambda r: 1.0, lambda r: 1 / _phi(r, r.shape[0])[0] / r.beta),
    "strength: shrunk by both overlaps, z √(cos² cos²)": mean(
        lambda r: 1.0, lambda r: r.S[0] * np.sqrt(r.left * r.right) / r.beta
    ),
    "strength: square white noise, (z + √(z² − edge²))/2": mean(
        lambda r: 1.0, lambda r: (r.S[0] + np.sqrt(r.S[0] ** 2 - r.S[1] ** 2)) / 2 / r.beta
    ),
    "exact: ⟨û,u⟩² with a and b exchanged": exact(lambda e: e.cos[0], lambda e: np.sqrt(e.b / e.a) * e.rate),
    "exact: 1/beta = √(ab) + |c|": exact(lambda e: 1 / e.beta, lambda e: np.sqrt(e.a * e.b) + abs(e.c)),
    "exact: 1/beta = √(ab + c²)": exact(lambda e: 1 / e.beta, lambda e: np.sqrt(e.a * e.b + e.c**2)),
    "interlacing: two zeros come in": interlaced(lambda e: 2 / e.z - e.f[0] - e.f[1], ">="),
    "interlacing: the largest alone is lost": interlaced(lambda e: -e.f[0], ">="),
    "interlacing, above: the mean of f is lost": interlaced(lambda e: -float(e.f.mean()), "<="),
    "rank, at least: the worse of no tail and a tail at the last known": end(
        ">=", lambda i: min(i.with_tail(0.0), i.at_ceiling())
    ),
    "error: √2 too large": spread(lambda r: np.sqrt(2) * r.left_error),
    "error: √2 too small": spread(lambda r: r.left_error / np.sqrt(2)),
    "error, closed form: 2% too large": closed_form(lambda x: gaussian_variance(x) / 1.02),
    "error, closed form: 2/(x⁴ − 1)": closed_form(lambda x: 2 / (x**4 - 1)),
    "error: as square white noise": spread(_white_square_error),
    "rank, at most: unknown values at half the last known": end(
        "<=", lambda i: i.with_tail(float(i.cut[i.known - 1]) / 2)
    ),
    "rank, at least: the middle of the ends": end(">=", lambda i: sum(i.range(energy=False).left) / 2),
    "energy, at least: the tail at its mean value": end(">=", lambda i: i.with_tail(float(np.mean(i.cut[i.known :])))),
}
