"""False variants of pooled-layers: its author's own, and those written blind."""

from __future__ import annotations

import numpy as np

from ...identification.spectra import critical_strength, spike
from ..statement import Claim, exact
from . import Instance, at_large, border, by_edge, optimal, overlap, plain, value


def _first_order(i: Instance) -> float:
    """The fixed point with q = 1 in its denominators."""
    gain = i.d / i.m * float(np.sum(i.B**2 / (1 + i.B)))
    return max(0.0, 1 - 1 / gain) if gain else 0.0


def _without_cross(i: Instance) -> float:
    width = i.d * len(i.b)
    c, x = i.m / width, i.total**2 / width
    return np.sqrt(x + 1 + c) if x * x > c else 1 + np.sqrt(c)


OWN: dict[str, Claim[Instance]] = {
    "as good as the strongest layer": overlap(0, lambda i: spike(float(i.b.max()), i.m, i.d).left),
}

BLIND: dict[str, Claim[Instance]] = {
    "plain: the strengths add, not their squares": overlap(
        0, lambda i: spike(float(np.sum(i.b)), i.m, i.d * len(i.b)).left
    ),
    "plain: the noise is as wide as one layer's": overlap(0, lambda i: spike(i.total, i.m, i.d).left),
    "plain: one layer of root mean square strength": overlap(
        0, lambda i: spike(i.total / np.sqrt(len(i.b)), i.m, i.d).left
    ),
    "plain: as good as the weighted one for every profile": overlap(0, optimal),
    "plain: right overlap taken": overlap(0, lambda i: spike(i.total, i.m, i.d * len(i.b)).right),
    "ŝ₁² without its cross term c/theta²": value(_without_cross),
    "ŝ₁: layers laid over each other, m x d noise": value(
        lambda i: spike(i.total / np.sqrt(len(i.b)), i.m, i.d).value / np.sqrt(i.d)
    ),
    "weighted: gains nothing over the plain stack": overlap(1, plain),
    "weighted: visible from Σ b⁴ > m d L": overlap(
        1, lambda i: optimal(i) if np.sum(i.b**4) > i.m * i.d * len(i.b) else 0.0
    ),
    "weighted: q = 1 in the denominators": overlap(1, _first_order),
    "weighted: w = B is optimal already": exact("=", optimal, lambda i: by_edge(i, i.B)[0]),
    "weighted: one layer of strength (Σ b⁴)^¼": overlap(
        1, lambda i: spike(float(np.sum(i.b**4) ** 0.25), i.m, i.d).left
    ),
    "weighted: its overlap, but from the plain border on": overlap(
        1, lambda i: optimal(i) if i.total > critical_strength(i.m, i.d, layers=len(i.b)) else 0.0
    ),
    "plain, at a large size: 5% less strength": Claim(
        "=", lambda i: at_large(i, spike(0.95 * i.total, i.m, i.d * len(i.b)).left)
    ),
    "border of L layers √L that of one": exact(
        "=", lambda i: by_edge(i, np.ones(len(i.b)))[1], lambda i: critical_strength(i.m, i.d) * np.sqrt(len(i.b))
    ),
    "the weighted stack has the plain border": exact(
        "=", lambda i: by_edge(i, i.B / (1 + i.B))[1], lambda i: critical_strength(i.m, i.d, layers=len(i.b))
    ),
    "weighted: border as of a square layer of the mean size": border(lambda i: ((i.m + i.d) / 2) ** 0.5),
    "weights never win": exact("<=", optimal, plain),
    "plain never loses to the strongest layer alone": exact(
        ">=", plain, lambda i: spike(float(i.b.max()), i.m, i.d).left
    ),
}
