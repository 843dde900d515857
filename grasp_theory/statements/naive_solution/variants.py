"""naive-solution: variants written blind."""

from __future__ import annotations

import numpy as np
from numpy import ndarray

from ...linear.naive import naive_solution
from ...linear.problem import psd_root
from ..statement import Claim, Sides
from . import Instance, _at_rank, _by_root, _full, _minimum, _truncated, _unique


def _metric_unrooted(i: Instance) -> ndarray:
    H = i.problem.H
    return np.linalg.solve(H, _truncated(H @ i.problem.M @ i.S, i.rank)) @ np.linalg.pinv(i.S, rcond=1e-7)


def _metric_forgotten(i: Instance) -> ndarray:
    return _truncated(i.problem.M @ i.S, i.rank) @ np.linalg.pinv(i.S, rcond=1e-7)


def _no_rival(least) -> Claim[Instance]:
    return Claim(">=", lambda i: Sides.exact(i.loss(i.candidate), least(i), scale=float(i.sigma[0] ** 2)))


def _descent(end) -> Claim[Instance]:
    return Claim("=", lambda i: Sides(i.loss(i.run.dW), i.loss(end(i)), 1e-6 * i.sigma[0] ** 2))


def _gap(i: Instance, index: int) -> bool:
    return bool(i.sigma[index - 1] - i.sigma[index] > 1e-6 * i.sigma[0])


MUTANTS: dict[str, Claim[Instance]] = {
    "full rank: each input direction learned in proportion to its variance": _full(
        lambda i: i.problem.M @ i.problem.Sigma * len(i.problem.v) / np.trace(i.problem.Sigma)
    ),
    "full rank: the root of the metric left in front": _full(lambda i: psd_root(i.problem.H) @ i.problem.M),
    "rank r: inputs and metric forgotten, the truncated M": _at_rank(lambda i: _truncated(i.problem.M, i.rank)),
    "rank r: the metric forgotten": _at_rank(_metric_forgotten),
    "rank r: the metric without its root": _at_rank(_metric_unrooted),
    "rank r: Sigma in place of a root of it": _at_rank(lambda i: _by_root(i, i.problem.Sigma)),
    "rank r: the root transposed, S'S for SS'": _at_rank(lambda i: _by_root(i, i.S.T)),
    "least loss: the first value missed alone, a spectral norm": _minimum(lambda i: i.sigma[i.rank] ** 2),
    "least loss: the values missed by the truncation of M without the inputs": _minimum(
        lambda i: float(np.sum(np.linalg.svd(psd_root(i.problem.H) @ i.problem.M)[1][i.rank :] ** 2))
    ),
    "rivals: a sum of values, squared, for the sum of squares": _no_rival(
        lambda i: float(np.sum(i.sigma[i.rank :])) ** 2
    ),
    "rivals: of rank below r only, the r-th value counted as missed": _no_rival(
        lambda i: float(np.sum(i.sigma[i.rank - 1 :] ** 2))
    ),
    "uniqueness: a gap is needed even where nothing is missed": _unique(lambda i: _gap(i, i.rank)),
    "uniqueness: whenever the r-th value is positive": _unique(lambda i: i.sigma[i.rank - 1] > 1e-6 * i.sigma[0]),
    "uniqueness: the gap above the r-th value": _unique(lambda i: i.rank == 1 or _gap(i, i.rank - 1)),
    "descent stays in the row space of A0": _descent(lambda i: i.problem.M @ np.linalg.pinv(i.A0) @ i.A0),
    "descent ends in the truncation of the full-rank update": _descent(
        lambda i: _truncated(naive_solution(i.problem), i.rank)
    ),
}
