"""phase-transition: variants written blind."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from ...identification.spectra import critical_strength, spike
from ..statement import Claim
from . import Instance, _claim


def _c_theta2(i: Instance) -> tuple[float, float]:
    return i.m / i.d, (i.beta / i.s) ** 2 / i.d


def _above(law: Callable[[float, float], float], below: Callable[[float], float] = lambda c: 0.0):
    """law(c, theta²) above theta⁴ = c, below(c) up to it."""

    def limit(i: Instance) -> float:
        c, x = _c_theta2(i)
        return float(law(c, x) if x * x > c else below(c))

    return limit


def _shown_from(column: int, border: Callable[[Instance], float]) -> Claim[Instance]:
    """The true overlap, but only from another border on."""
    return _claim(column, lambda i: float(i.law_values()[column]) if i.beta > border(i) else 0.0)


def _square(i: Instance) -> float:
    x = _c_theta2(i)[1]
    return 1 - 1 / max(x, 1.0)  # (x² − 1)/(x (x + 1)) or 0


def _edge(c: float) -> float:
    return 1 + float(np.sqrt(c))


MUTANTS: dict[str, Claim[Instance]] = {
    "left and right exchanged: û has theta² + 1 below": _claim(0, lambda i: float(i.law_values()[1])),
    "v̂ has theta² + c below as û has": _claim(1, lambda i: float(i.law_values()[0])),
    "the square matrix's law 1 − 1/theta² for every shape": _claim(0, _square),
    "û's overlap 1 − c/theta⁴": _claim(0, _above(lambda c, x: 1 - c / x**2)),
    "v̂'s overlap not squared": _claim(1, lambda i: float(np.sqrt(i.law_values()[1]))),
    "s counted as the variance": _claim(1, lambda i: spike(i.beta, i.m, i.d, s=np.sqrt(i.s)).right),
    "u shows once beta is above the noise's norm s(√m + √d)": _shown_from(
        0, lambda i: i.s * float(np.sqrt(i.m) + np.sqrt(i.d))
    ),
    "v shows from s√(m + d) on": _shown_from(1, lambda i: i.s * float(np.sqrt(i.m + i.d))),
    "border √2 too high": _shown_from(0, lambda i: np.sqrt(2) * critical_strength(i.m, i.d, s=i.s)),
    "ŝ₁² adds up: theta² + 1 + c without c/theta²": _claim(2, _above(lambda c, x: np.sqrt(x + 1 + c), _edge)),
    "ŝ₁ the larger of beta and the edge": _claim(2, lambda i: max(_edge(i.m / i.d), _c_theta2(i)[1] ** 0.5)),
    "edge √(1 + c) below the border": _claim(
        2, _above(lambda c, x: np.sqrt((1 + x) * (c + x) / x), lambda c: np.sqrt(1 + c))
    ),
}
