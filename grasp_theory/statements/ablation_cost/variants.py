"""ablation-cost: variants written blind."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from ...linear.ablation import naive_ablated
from ...linear.problem import LinearProblem
from ..statement import Claim
from ..shared.maps import same
from . import STATEMENT, Instance, _against_grasp, _risk, correlated, lost, row, task


def pretrained(p: LinearProblem) -> float:
    """‖W0 v‖²."""
    return float(np.sum((p.W0 @ p.v) ** 2))


def kappa(p: LinearProblem) -> float:
    """1/(vᵀ Sigma⁻¹ v)."""
    return 1 / float(p.v @ np.linalg.solve(p.Sigma, p.v))


def variance(p: LinearProblem) -> float:
    """vᵀ Sigma v."""
    return float(p.v @ p.Sigma @ p.v)


def _error(right) -> Claim[Instance]:
    return same(lambda i: naive_ablated(i.problem) - i.problem.T, lambda i: right(i.problem))


def _against_naive(bound, relation="=") -> Claim[Instance]:
    true = STATEMENT.claims["against naive"]
    return Claim(relation, lambda i: replace(true.sides(i), bound=bound(i.problem)))


MUTANTS: dict[str, Claim[Instance]] = {
    "the shortcut counted as lost: −(W0 + M) v vᵀ": _error(lambda p: -np.outer((p.W0 + p.M) @ p.v, p.v)),
    "the rest of x takes over: (W0 + T) v (ell − vᵀ)": _error(lambda p: np.outer((p.W0 + p.T) @ p.v, p.ell - p.v)),
    "training variance of vᵀx": _risk(lambda p: lost(p) * variance(p)),
    "W0 v ⟂ T v: their squares add": _risk(lambda p: (pretrained(p) + task(p)) * row(p)),
    "only what v alone explains: 1/(vᵀSigma_t⁻¹v)": _risk(
        lambda p: lost(p) / float(p.v @ np.linalg.pinv(p.Sigma_t, 1e-12, hermitian=True) @ p.v)
    ),
    "the aligned case for correlated inputs": _against_grasp(
        lambda i: i.problem, lambda p: (lost(p) - task(p)) * row(p)
    ),
    "aligned: only ‖W0 v‖² separates the two": _against_grasp(Instance.aligned, lambda p: pretrained(p) * row(p)),
    "aligned: kappa for vᵀSigma_t v": _against_grasp(Instance.aligned, lambda p: (lost(p) - task(p)) * kappa(p)),
    "kappa and L exchanged": _against_grasp(
        Instance.unshifted,
        lambda p: (lost(p) - task(p)) * (variance(p) - kappa(p)) + (lost(p) - p.beta**2) * kappa(p),
    ),
    "GRASP leaks the task's own T v too": _against_grasp(
        Instance.unshifted, lambda p: correlated(p) - task(p) * (variance(p) - kappa(p))
    ),
    "GRASP leaks M v: ‖M v‖² for beta²": _against_grasp(
        Instance.unshifted,
        lambda p: correlated(p) + (p.beta**2 - float(np.sum((p.M @ p.v) ** 2))) * (variance(p) - kappa(p)),
    ),
    "norm of the difference for difference of norms": _against_naive(
        lambda p: float(np.sum(((p.W0 + p.T) @ p.v - p.beta * p.u) ** 2)) * row(p)
    ),
    "wins once ‖W0 v‖² + ‖T v‖² < beta²": _against_naive(
        lambda p: (pretrained(p) + task(p) - p.beta**2) * row(p), "<="
    ),
}
