"""False variants of complexity-law: its author's own, and those written blind."""

from __future__ import annotations

import numpy as np

from ...identification.spectra import spike
from ..statement import Claim, exact
from . import Instance, budget, claim, law, square


def _noise(i: Instance):
    """Independent entries of the same Frobenius norm in place of a flat task."""
    return spike(i.beta, i.m, i.d, s=i.tau * np.sqrt(i.k / (i.m * i.d)))


def _square_value(i: Instance) -> float:
    """z/beta of k = m = d."""
    return float((1 + np.sqrt(1 + 4 * (i.tau / i.beta) ** 2)) / 2)


OWN: dict[str, Claim[Instance]] = {
    "left: 2% too much": claim(0, lambda i: 1.02 * float(i.limits()[0])),
    "worst case instead of Haar": claim(
        0, lambda i: 1 - np.sin(0.5 * np.arcsin(min(2 * i.tau / i.beta, 1.0))) ** 2 if i.beta > 2 * i.tau else 0.0
    ),
    "threshold law of iid entries of the same norm": claim(0, lambda i: _noise(i).left),
    "cosine instead of its square": square(lambda z, tau: z / np.sqrt(z**2 + tau**2)),
    "full-rank law at every k": claim(0, lambda i: float(law(i.beta, i.tau, i.m, i.m, i.m)[0])),
    "complexity hurts at a fixed norm": budget(0, reverse=True),
}

BLIND: dict[str, Claim[Instance]] = {
    "left: the overlap of the right side": claim(0, lambda i: i.limits()[1]),
    "left: a square layer of m outputs": claim(0, lambda i: law(i.beta, i.tau, i.m, i.m, min(i.k, i.m))[0]),
    "left: a threshold at beta = tau": claim(0, lambda i: i.limits()[0] if i.beta > i.tau else 0.0),
    "left: only the Frobenius norm counts, the task spread over all directions": claim(
        0, lambda i: i.limits(min(i.m, i.d))[0]
    ),
    "right: the overlap for independent entries of the same norm": claim(1, lambda i: _noise(i).right),
    "right: the closed form of full complexity": claim(
        1, lambda i: 1 / (1 + (i.tau / (i.beta * _square_value(i))) ** 2)
    ),
    "right: the overlap without its square": claim(1, lambda i: np.sqrt(i.limits()[1])),
    "value: the closed form of full complexity": claim(2, _square_value),
    "value: that for independent entries of the same norm": claim(2, lambda i: _noise(i).value / i.beta),
    "value: the larger of strength and task": claim(2, lambda i: max(1.0, i.tau / i.beta)),
    "full complexity: the strength for the observed value": square(
        lambda z, tau: (z - tau**2 / z) ** 2 / ((z - tau**2 / z) ** 2 + tau**2)
    ),
    "full complexity: the first term of the series": square(lambda z, tau: 1 - tau**2 / z**2),
    "left grows with k at fixed tau": exact(
        ">=", lambda i: law(i.beta, i.tau, i.m, i.d, i.k2)[0], lambda i: i.limits()[0]
    ),
    "right shrinks with k at fixed norm": budget(1, reverse=True),
    "left: the squared sine falls as 1/k at fixed norm": exact(
        "<=", lambda i: 1 - i.limits(i.k2)[0], lambda i: (1 - i.limits()[0]) * i.k / i.k2
    ),
    "the value grows with k at fixed norm": budget(2),
}
