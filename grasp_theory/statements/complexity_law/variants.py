"""complexity-law: variants written blind."""

from __future__ import annotations

import numpy as np

from ...identification.spectra import spike
from ..statement import Claim, Sides
from . import Instance, _budget, _claim, _square, law


def _noise(i: Instance):
    """Independent entries of the same Frobenius norm in place of a flat task."""
    return spike(i.beta, i.m, i.d, s=i.tau * np.sqrt(i.k / (i.m * i.d)))


def _full(i: Instance) -> np.ndarray:
    """The same Frobenius norm spread over every direction."""
    k = min(i.m, i.d)
    return law(i.beta, i.tau * np.sqrt(i.k / k), i.m, i.d, k)


def _square_value(i: Instance) -> float:
    """z/beta of k = m = d."""
    return float((1 + np.sqrt(1 + 4 * (i.tau / i.beta) ** 2)) / 2)


def _same_tau(column: int) -> Claim[Instance]:
    return Claim(
        ">=",
        lambda i: Sides.exact(law(i.beta, i.tau, i.m, i.d, i.k2)[column], law(i.beta, i.tau, i.m, i.d, i.k)[column]),
    )


def _falls(column: int) -> Claim[Instance]:
    """sin² at k2 against sin² at k times k/k2."""
    return Claim(
        "<=",
        lambda i: Sides.exact(1 - i.limits(i.k2)[column], (1 - i.limits()[column]) * i.k / i.k2),
    )


MUTANTS: dict[str, Claim[Instance]] = {
    "left: the overlap of the right side": _claim(0, lambda i: i.limits()[1]),
    "left: a square layer of m outputs": _claim(0, lambda i: law(i.beta, i.tau, i.m, i.m, min(i.k, i.m))[0]),
    "left: a threshold at beta = tau": _claim(0, lambda i: i.limits()[0] if i.beta > i.tau else 0.0),
    "left: only the Frobenius norm counts, the task spread over all directions": _claim(0, lambda i: _full(i)[0]),
    "right: the overlap for independent entries of the same norm": _claim(1, lambda i: _noise(i).right),
    "right: the closed form of full complexity": _claim(
        1, lambda i: 1 / (1 + (i.tau / (i.beta * _square_value(i))) ** 2)
    ),
    "right: the overlap without its square": _claim(1, lambda i: np.sqrt(i.limits()[1])),
    "value: the closed form of full complexity": _claim(2, _square_value),
    "value: that for independent entries of the same norm": _claim(2, lambda i: _noise(i).value / i.beta),
    "value: the larger of strength and task": _claim(2, lambda i: max(1.0, i.tau / i.beta)),
    "full complexity: the strength for the observed value": _square(
        lambda z, tau: (z - tau**2 / z) ** 2 / ((z - tau**2 / z) ** 2 + tau**2)
    ),
    "full complexity: the first term of the series": _square(lambda z, tau: 1 - tau**2 / z**2),
    "full complexity: tau counted on both sides": _square(lambda z, tau: z**2 / (z**2 + 2 * tau**2)),
    "left grows with k at fixed tau": _same_tau(0),
    "right shrinks with k at fixed norm": _budget(1, reverse=True),
    "left: the squared sine falls as 1/k at fixed norm": _falls(0),
    "the value grows with k at fixed norm": _budget(2),
}
