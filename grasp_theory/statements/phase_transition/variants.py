"""False variants of phase-transition: its author's own, and those written blind."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from ...identification.spectra import critical_strength, spike
from ..statement import Claim
from . import Instance, claim


def _c_theta2(i: Instance) -> tuple[float, float]:
    return i.m / i.d, (i.beta / i.s) ** 2 / i.d


def _above(law: Callable[[float, float], float], below: Callable[[float], float] = lambda c: 0.0):
    """law(c, theta²) above theta⁴ = c, below(c) up to it."""

    def limit(i: Instance) -> float:
        c, x = _c_theta2(i)
        return float(law(c, x) if x * x > c else below(c))

    return limit


def _shown_from(column: int, border: Callable[[Instance], float], *, large: bool = False) -> Claim[Instance]:
    """The true overlap, but only from another border on."""
    return claim(column, lambda i: float(i.law_values()[column]) if i.beta > border(i) else 0.0, large=large)


def _square(i: Instance) -> float:
    x = _c_theta2(i)[1]
    return 1 - 1 / max(x, 1.0)  # (x² − 1)/(x (x + 1)) or 0


def _from_c(i: Instance) -> float:
    c, x = _c_theta2(i)
    return max(x - c, 0.0) / (x + c)


def _edge(c: float) -> float:
    return 1 + float(np.sqrt(c))


OWN: dict[str, Claim[Instance]] = {
    "left: 2% too much": claim(0, lambda i: 1.02 * float(i.law_values()[0]), large=True),
    "border 3% too high": claim(0, lambda i: spike(i.beta / 1.03, i.m, i.d, s=i.s).left, large=True),
    "threshold theta² = c": claim(0, _from_c),
    "cosine instead of its square": claim(0, lambda i: float(np.sqrt(i.law_values()[0]))),
    "ŝ₁ = theta + c/theta": claim(2, lambda i: i.beta / i.s / i.d**0.5 + i.m * i.s / i.d**0.5 / i.beta),
}

BLIND: dict[str, Claim[Instance]] = {
    "left and right exchanged: û has theta² + 1 below": claim(0, lambda i: float(i.law_values()[1])),
    "v̂ has theta² + c below as û has": claim(1, lambda i: float(i.law_values()[0])),
    "the square matrix's law 1 − 1/theta² for every shape": claim(0, _square),
    "v̂'s overlap not squared": claim(1, lambda i: float(np.sqrt(i.law_values()[1]))),
    "s counted as the variance": claim(1, lambda i: spike(i.beta, i.m, i.d, s=np.sqrt(i.s)).right),
    "u shows once beta is above the noise's norm s(√m + √d)": _shown_from(
        0, lambda i: i.s * float(np.sqrt(i.m) + np.sqrt(i.d))
    ),
    "v shows from s√(m + d) on": _shown_from(1, lambda i: i.s * float(np.sqrt(i.m + i.d))),
    "border √2 too high": _shown_from(0, lambda i: np.sqrt(2) * critical_strength(i.m, i.d, s=i.s)),
    "ŝ₁² adds up: theta² + 1 + c without c/theta²": claim(2, _above(lambda c, x: np.sqrt(x + 1 + c), _edge)),
    "ŝ₁ the larger of beta and the edge": claim(2, lambda i: max(_edge(i.m / i.d), _c_theta2(i)[1] ** 0.5)),
    "edge √(1 + c) below the border": claim(
        2, _above(lambda c, x: np.sqrt((1 + x) * (c + x) / x), lambda c: np.sqrt(1 + c))
    ),
    "u shows from 1.03 beta_c on, at a large size": _shown_from(
        0, lambda i: 1.03 * critical_strength(i.m, i.d, s=i.s), large=True
    ),
    "v shows half as far above beta_c as u does": claim(
        1, lambda i: spike(i.beta / 1.01, i.m, i.d, s=i.s).right, large=True
    ),
}
