"""False variants of bbp-converse: its author's own, and those written blind."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from ..statement import Claim
from . import Instance, at_large, best, fixed, fixed_point, largest_overlap, reaches, svd


def _other(change: Callable[[float, float], tuple[float, float]]) -> Claim[Instance]:
    """The SVD against the closed form with (A, B) changed."""

    def law(i: Instance) -> float:
        A, B = change(*i.AB)
        return max(A * B - 1, 0.0) / (B * (A + 1))

    return reaches("svd", law)


def _at_most(law: Callable[[Instance], float]) -> Claim[Instance]:
    return Claim("<=", lambda i: best(i, law(i)))


def _one_channel(i: Instance) -> float:
    return 1 - 1 / max(np.prod(i.AB), 1.0)


def _symmetric(i: Instance) -> float:
    return 1 - 1 / float(np.sqrt(max(np.prod(i.AB), 1.0)))


OWN: dict[str, Claim[Instance]] = {
    "twice the border": _other(lambda A, B: (A / 4, B / 4)),
    "A and B exchanged": _other(lambda A, B: (B, A)),
    "one step instead of the fixed point": _other(lambda A, B: (A, B / (1 + B))),
    "the largest entry does as well": reaches("largest entry", largest_overlap, ">="),
}

BLIND: dict[str, Claim[Instance]] = {
    "q_u with A and B exchanged": fixed(0, lambda i: svd(i).right),
    "q_v with A and B exchanged": fixed(1, lambda i: svd(i).left),
    "q_u = 1 − 1/(AB)": fixed(0, _one_channel),
    "q_u = 1 − 1/√(AB), the square case": fixed(0, _symmetric),
    "noise of variance 2s²": fixed(1, lambda i: svd(i, np.sqrt(0.5)).right),
    "q_v the overlap, not its square": fixed(1, lambda i: np.sqrt(svd(i).right)),
    "no estimator beats the matrix overlap q_u q_v": _at_most(lambda i: float(np.prod(fixed_point(i)))),
    "no estimator beats q_v on the side of u": _at_most(lambda i: fixed_point(i)[1]),
    "nothing is seen below s(√m + √d)": _at_most(
        lambda i: fixed_point(i)[0] if i.beta > i.s * (np.sqrt(i.m) + np.sqrt(i.d)) else 0.0
    ),
    "the SVD reaches the larger of q_u and q_v": reaches("svd", lambda i: max(fixed_point(i)), ">="),
    "the SVD reaches 1 − 1/(AB)": reaches("svd", _one_channel, ">="),
    "the SVD reaches the square case's 1 − 1/√(AB)": reaches("svd", _symmetric),
    "no estimator beats the square case's 1 − 1/√(AB)": _at_most(_symmetric),
    "the SVD reaches, at a large size, what 5% less strength would show": Claim(
        "=", lambda i: at_large(i, svd(i, 0.95).left)
    ),
    "thresholding the entries first costs nothing": reaches("thresholded", largest_overlap, ">="),
}
