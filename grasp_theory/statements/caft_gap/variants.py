"""False variants of caft-gap: its author's own, and those written blind."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from ...linear.solutions import caft, caft_ablated, grasp_read
from ..shared.maps import map_risk, rest_on_v, same
from ..statement import Claim, Sides
from . import STATEMENT, Instance, W0v, ablated_error, deployed, difference, gain, mean_read, off_v, on_v, risk


def _norm2(x) -> float:
    return float(np.sum(x**2))


def _separately(i: Instance) -> Sides:
    """The risk as a sum over the three parts of the error."""
    p = i.problem
    pieces = (np.outer(p.T @ p.v, p.ell - p.v), np.outer(p.beta * p.u + W0v(i), p.ell), on_v(i))
    return replace(STATEMENT.claims["risk"].sides(i), bound=sum(map_risk(p, E) for E in pieces))


OWN: dict[str, Claim[Instance]] = {
    "equals GRASP off v": off_v(lambda i: 0 * W0v(i)),
    "equals GRASP on v": same(on_v, lambda i: 0 * i.Z),
    "gap (W0 + M) v ell": off_v(lambda i: W0v(i) + i.problem.M @ i.problem.v),
    "ablation at inference costs W0 v only": same(
        lambda i: caft_ablated(i.problem, i.rank) - i.problem.T,
        lambda i: ablated_error(i) - np.outer(i.problem.T @ i.problem.v, i.problem.ell - i.problem.v),
    ),
}

BLIND: dict[str, Claim[Instance]] = {
    "the whole wanted response imitated: (W0 + T) v ell": off_v(lambda i: W0v(i) + i.problem.T @ i.problem.v),
    "the pretrained response taken away: −W0 v ell": off_v(lambda i: -W0v(i)),
    "regression in the wrong direction": same(
        lambda i: caft(i.problem, i.rank),
        lambda i: grasp_read(i.problem, i.rank) + np.outer(W0v(i), rest_on_v(i.problem)),
    ),
    "D v forgets A0 v": same(on_v, lambda i: on_v(replace(i, A0=i.other_A0))),
    "the mean read counts scaling once": mean_read(lambda i, B2: i.s**2 * i.scaling * B2),
    "the kept read is compensated by the rest: D v (vᵀ − ell)": risk(
        lambda i: deployed(i) - np.outer(on_v(i) @ i.problem.v, i.problem.ell)
    ),
    "LoRA deployed with D v = 0": risk(lambda i: deployed(i) - on_v(i)),
    "risks of the three parts add": Claim("=", _separately),
    "ablation kept at inference changes nothing: W0 v still answered": same(
        lambda i: caft_ablated(i.problem, i.rank) - i.problem.T,
        lambda i: ablated_error(i) + np.outer(W0v(i), i.problem.v),
    ),
    "trained ablated as if ablated afterwards: no ell": same(
        lambda i: caft_ablated(i.problem, i.rank) - i.problem.T,
        lambda i: -np.outer(W0v(i) + i.problem.T @ i.problem.v, i.problem.v),
    ),
    "cross term 2 beta uᵀW0 v missing": difference(lambda i: _norm2(W0v(i))),
    "the same difference under shift": difference(gain, shift=True),
    "T v counted among the leak": difference(
        lambda i: _norm2(i.problem.M @ i.problem.v + W0v(i)) - _norm2(i.problem.M @ i.problem.v)
    ),
}
