"""False variants of noise-floor: its author's own, and those written blind."""

from __future__ import annotations

import numpy as np
from numpy import ndarray
from scipy.special import ndtri

from ...identification.floor import factored_edge, marchenko_pastur_quantile, noise_scale, white_edge
from ..shared.spiked import tracy_widom
from ..statement import Claim, Sides
from . import MEAN, SD, Instance, alarms, alarms_at_large, mean_at_large, mean_claim, norm, scale, second, white, width


def _edge_of_b(i: Instance) -> ndarray:
    """Rejected: the m x r edge, s from the median of the spectrum of BA."""
    r = len(i.lam)
    return np.array([white_edge(i.m, r, s=noise_scale(S, i.m, r)).floor() for S in i.values[0]])


MEAN2, Q99_2 = -1.7710869, 0.4776  # of the Tracy-Widom law of order 2


def _margin(i: Instance, quantile: float) -> float:
    return float(np.sqrt(i.edge.centre + quantile * i.edge.width))


def _mu(m: int, r: int) -> float:
    return marchenko_pastur_quantile(min(m, r) / max(m, r))


OWN: dict[str, Claim[Instance]] = {
    "m x r edge on the spectrum of BA": alarms(_edge_of_b),
    "median without Marchenko-Pastur": scale(lambda S, m, r: float(np.median(S) / np.sqrt(max(m, r)))),
}

BLIND: dict[str, Claim[Instance]] = {
    "A forgotten but for its size: white edge with ‖A‖_F/√r": mean_claim(
        0, centre=lambda m, l: l.mean() * white(m, len(l))
    ),
    "the bound ‖A‖(√m + √r) for the edge": mean_claim(0, centre=lambda m, l: l.max() * white(m, len(l))),
    "Chevet's bound √m‖A‖ + ‖A‖_F for the edge": mean_claim(
        0, centre=lambda m, l: (np.sqrt(m * l.max()) + np.sqrt(l.sum())) ** 2
    ),
    "S₁ of N: the complex Tracy-Widom law": mean_claim(1, MEAN2),
    "S₁ of N: the relative shift of S₁² for S₁": mean_claim(1, MEAN, 1),
    "width: that of white noise with ‖A‖_F/√r": width(
        lambda i: white_edge(i.m, len(i.lam), s=i.s * float(np.sqrt(i.lam.mean()))).width
    ),
    "width: without the outputs' m/a³": width(
        lambda i: i.s**2 * float(np.sum((i.lam / (1 - factored_edge(i.m, i.lam).at * i.lam)) ** 3)) ** (1 / 3)
    ),
    "S₁ of N, large: a mean 13% too large": mean_at_large(1.13 * MEAN),
    "S₁ of N, large: a mean 13% too small": mean_at_large(0.87 * MEAN),
    "share below the floor, large: alarms to the power 1½": alarms_at_large(lambda i: 1 - (1 - i.level) ** 1.5),
    "law: the mean square about 0 for the variance": second(lambda x: SD**2 + MEAN**2 + (MEAN - x) ** 2),
    "law: the complex law's mean": second(lambda x: SD**2 + (MEAN2 - x) ** 2),
    "alarms: a floor of one in ten": alarms(lambda i: _margin(i, 0.4501)),
    "alarms: the edge as floor": alarms(lambda i: _margin(i, 0.0)),
    "alarms: 99% quantile of the complex law": alarms(lambda i: _margin(i, Q99_2)),
    "alarms: white floor with ‖A‖_F/√r": alarms(
        lambda i: white_edge(i.m, len(i.lam), s=i.s * float(np.sqrt(i.lam.mean()))).floor()
    ),
    "s: median over mu, not its root": scale(lambda S, m, r: float(np.median(S)) / (max(m, r) ** 0.5 * _mu(m, r))),
    "s: width r for the larger side": scale(lambda S, m, r: float(np.median(S)) / np.sqrt(r * _mu(m, r))),
    "s: mean of the singular values over √m": scale(lambda S, m, r: float(np.mean(S)) / max(m, r) ** 0.5),
    "quantile of a normal law of the same two moments": Claim(
        "=", lambda i: Sides(tracy_widom(MEAN + SD * float(ndtri(i.level))), i.level, 1e-5)
    ),
    "edge at most s‖A‖√(m + r)": norm(lambda m, l: l.max() * (m + len(l))),
    "edge at most the white one with ‖A‖_F/√r": norm(lambda m, l: l.mean() * white(m, len(l))),
    "edge at least s‖A‖(√m + √r)": norm(lambda m, l: l.max() * white(m, len(l)), ">="),
}
