"""False variants of bbp-converse: its author's own, and those written blind."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from ...identification.spectra import Spike, spike
from ..shared.spiked import average
from ..statement import Claim, Sides
from . import Instance, at_large, best, fixed_point, largest_overlap


def _other(change: Callable[[float, float], tuple[float, float]]) -> Claim[Instance]:
    """The SVD against the closed form with (A, B) changed."""

    def sides(i: Instance) -> Sides:
        A, B = change((i.beta / i.s) ** 2 / i.m, (i.beta / i.s) ** 2 / i.d)
        return average(i.found["svd"], max(A * B - 1, 0.0) / (B * (A + 1)), i.finite_size)

    return Claim("=", sides)


def _svd(i: Instance, share: float = 1.0) -> Spike:
    return spike(share * i.beta, i.m, i.d, s=i.s)


def _AB(i: Instance) -> tuple[float, float]:
    return (i.beta / i.s) ** 2 / i.m, (i.beta / i.s) ** 2 / i.d


def _fixed(side: int, law: Callable[[Instance], float]) -> Claim[Instance]:
    return Claim("=", lambda i: Sides.exact(fixed_point(i)[side], law(i)))


def _at_most(law: Callable[[Instance], float]) -> Claim[Instance]:
    return Claim("<=", lambda i: best(i, law(i)))


def _reaches(name: str, law: Callable[[Instance], float]) -> Claim[Instance]:
    return Claim(">=", lambda i: average(i.found[name], law(i), i.finite_size))


def _one_channel(i: Instance) -> float:
    A, B = _AB(i)
    return 1 - 1 / max(A * B, 1.0)


def _symmetric(i: Instance) -> float:
    A, B = _AB(i)
    return 1 - 1 / float(np.sqrt(max(A * B, 1.0)))


OWN: dict[str, Claim[Instance]] = {
    "twice the border": _other(lambda A, B: (A / 4, B / 4)),
    "A and B exchanged": _other(lambda A, B: (B, A)),
    "one step instead of the fixed point": _other(lambda A, B: (A, B / (1 + B))),
    "the largest entry does as well": Claim(
        ">=", lambda i: average(i.found["largest entry"], largest_overlap(i), i.finite_size)
    ),
}

BLIND: dict[str, Claim[Instance]] = {
    "q_u with A and B exchanged": _fixed(0, lambda i: _svd(i).right),
    "q_v with A and B exchanged": _fixed(1, lambda i: _svd(i).left),
    "q_u = 1 − 1/(AB)": _fixed(0, _one_channel),
    "q_u = 1 − 1/√(AB), the square case": _fixed(0, _symmetric),
    "noise of variance 2s²": _fixed(1, lambda i: _svd(i, np.sqrt(0.5)).right),
    "q_v the overlap, not its square": _fixed(1, lambda i: np.sqrt(_svd(i).right)),
    "no estimator beats the matrix overlap q_u q_v": _at_most(lambda i: float(np.prod(fixed_point(i)))),
    "no estimator beats q_v on the side of u": _at_most(lambda i: fixed_point(i)[1]),
    "nothing is seen below s(√m + √d)": _at_most(
        lambda i: fixed_point(i)[0] if i.beta > i.s * (np.sqrt(i.m) + np.sqrt(i.d)) else 0.0
    ),
    "the SVD reaches the larger of q_u and q_v": _reaches("svd", lambda i: max(fixed_point(i))),
    "the SVD reaches 1 − 1/(AB)": _reaches("svd", _one_channel),
    "the SVD reaches the square case's 1 − 1/√(AB)": Claim(
        "=", lambda i: average(i.found["svd"], _symmetric(i), i.finite_size)
    ),
    "no estimator beats the square case's 1 − 1/√(AB)": _at_most(_symmetric),
    "the SVD reaches, at a large size, what 5% less strength would show": Claim(
        "=", lambda i: at_large(i, _svd(i, 0.95).left)
    ),
    "thresholding the entries first costs nothing": _reaches("thresholded", lambda i: fixed_point(i)[0]),
}
