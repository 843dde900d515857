"""False variants of ablation-cost: its author's own, and those written blind."""

from __future__ import annotations

import numpy as np

from ...linear.problem import LinearProblem
from ...linear.solutions import naive_ablated
from ..shared.maps import map_risk, same
from ..statement import Claim
from . import Instance, against_grasp, against_naive, correlated, kappa, lost, risk, row, task, variance


def pretrained(p: LinearProblem) -> float:
    """‖W0 v‖²."""
    return float(np.sum((p.W0 @ p.v) ** 2))


def _error(right) -> Claim[Instance]:
    return same(lambda i: naive_ablated(i.problem) - i.problem.T, lambda i: right(i.problem))


OWN: dict[str, Claim[Instance]] = {
    # of training ablated
    "plus the leak term": risk(
        lambda p: map_risk(p, np.outer((p.W0 + p.T) @ p.v, p.ell - p.v) + p.beta * np.outer(p.u, p.ell))
    ),
    "GRASP wins iff ‖T v‖ < ‖(W0 + T) v‖ for every Sigma": against_grasp(
        Instance.unshifted, lambda p: (lost(p) - task(p)) * row(p)
    ),
    "norm for its square": risk(lambda p: np.sqrt(lost(p)) * row(p)),
}

BLIND: dict[str, Claim[Instance]] = {
    "the shortcut counted as lost: −(W0 + M) v vᵀ": _error(lambda p: -np.outer((p.W0 + p.M) @ p.v, p.v)),
    "the rest of x takes over: (W0 + T) v (ell − vᵀ)": _error(lambda p: np.outer((p.W0 + p.T) @ p.v, p.ell - p.v)),
    "training variance of vᵀx": risk(lambda p: lost(p) * variance(p)),
    "W0 v ⟂ T v: their squares add": risk(lambda p: (pretrained(p) + task(p)) * row(p)),
    "only what v alone explains: 1/(vᵀSigma_t⁻¹v)": risk(
        lambda p: lost(p) / float(p.v @ np.linalg.pinv(p.Sigma_t, 1e-12, hermitian=True) @ p.v)
    ),
    "the aligned case for correlated inputs": against_grasp(
        lambda i: i.problem, lambda p: (lost(p) - task(p)) * row(p)
    ),
    "aligned: kappa for vᵀSigma_t v": against_grasp(Instance.aligned, lambda p: (lost(p) - task(p)) * kappa(p)),
    "kappa and L exchanged": against_grasp(
        Instance.unshifted, lambda p: (lost(p) - task(p)) * (variance(p) - kappa(p)) + (lost(p) - p.beta**2) * kappa(p)
    ),
    "GRASP leaks the task's own T v too": against_grasp(
        Instance.unshifted, lambda p: correlated(p) - task(p) * (variance(p) - kappa(p))
    ),
    "GRASP leaks M v: ‖M v‖² for beta²": against_grasp(
        Instance.unshifted,
        lambda p: correlated(p) + (p.beta**2 - float(np.sum((p.M @ p.v) ** 2))) * (variance(p) - kappa(p)),
    ),
    "norm of the difference for difference of norms": against_naive(
        lambda p: float(np.sum(((p.W0 + p.T) @ p.v - p.beta * p.u) ** 2)) * row(p)
    ),
    "wins once ‖W0 v‖² + ‖T v‖² < beta²": against_naive(lambda p: (pretrained(p) + task(p) - p.beta**2) * row(p), "<="),
}
