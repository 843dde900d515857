"""False variants of naive-solution: its author's own, and those written blind."""

from __future__ import annotations

import numpy as np
from numpy import ndarray

from ...linear.problem import psd_root
from ...linear.solutions import naive_solution
from ..shared.maps import truncated
from ..statement import Claim
from . import Instance, at_rank, by_root, descent, full, minimum, no_rival, unique


def _metric_unrooted(i: Instance) -> ndarray:
    H = i.problem.H
    return np.linalg.solve(H, truncated(H @ i.problem.M @ i.S, i.rank)) @ np.linalg.pinv(i.S, rcond=1e-7)


def _gap(i: Instance, index: int) -> bool:
    return bool(i.sigma[index - 1] - i.sigma[index] > 1e-6 * i.sigma[0])


OWN: dict[str, Claim[Instance]] = {
    "only the shortcut": full(lambda i: i.problem.beta * np.outer(i.problem.u, i.problem.v)),
}

BLIND: dict[str, Claim[Instance]] = {
    "full rank: each input direction learned in proportion to its variance": full(
        lambda i: i.problem.M @ i.problem.Sigma * len(i.problem.v) / np.trace(i.problem.Sigma)
    ),
    "full rank: the root of the metric left in front": full(lambda i: psd_root(i.problem.H) @ i.problem.M),
    "rank r: the metric forgotten": at_rank(
        lambda i: truncated(i.problem.M @ i.S, i.rank) @ np.linalg.pinv(i.S, rcond=1e-7)
    ),
    "rank r: the metric without its root": at_rank(_metric_unrooted),
    "rank r: Sigma in place of a root of it": at_rank(lambda i: by_root(i, i.problem.Sigma)),
    "least loss: the first value missed alone, a spectral norm": minimum(lambda i: i.sigma[i.rank] ** 2),
    "least loss: the values missed by the truncation of M without the inputs": minimum(
        lambda i: float(np.sum(np.linalg.svd(psd_root(i.problem.H) @ i.problem.M)[1][i.rank :] ** 2))
    ),
    "rivals: a sum of values, squared, for the sum of squares": no_rival(
        lambda i: float(np.sum(i.sigma[i.rank :])) ** 2
    ),
    "rivals: of rank below r only, the r-th value counted as missed": no_rival(
        lambda i: float(np.sum(i.sigma[i.rank - 1 :] ** 2))
    ),
    "uniqueness: a gap is needed even where nothing is missed": unique(lambda i: _gap(i, i.rank)),
    "uniqueness: the gap above the r-th value": unique(lambda i: i.rank == 1 or _gap(i, i.rank - 1)),
    "descent stays in the row space of A0": descent(lambda i: i.loss(i.problem.M @ np.linalg.pinv(i.A0) @ i.A0)),
    "descent ends in the truncation of the full-rank update": descent(
        lambda i: i.loss(truncated(naive_solution(i.problem), i.rank))
    ),
}
