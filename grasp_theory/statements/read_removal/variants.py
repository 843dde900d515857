"""False variants of read-removal: its author's own, and those written blind."""

from __future__ import annotations

import numpy as np

from ...linear.problem import psd_root
from ...linear.solutions import grasp_read, naive_solution, posthoc_read
from ..shared.maps import complement, map_risk, rank_loss, rest_on_v
from ..statement import Claim
from . import Instance, distance, error_risk, onto, parts, regression, risk, solution, unshifted, whitened


def _lost(i: Instance) -> float:
    """‖T v‖²."""
    return float(np.sum((i.problem.T @ i.problem.v) ** 2))


def _unshifted(bound) -> Claim[Instance]:
    """Risk at Sigma_t = Sigma from (i, kappa, L)."""
    return risk(lambda i: bound(i, *parts(i)), shift=False)


def _wrong_sign(i: Instance) -> float:
    p, ell = i.problem, regression(i.problem)
    return map_risk(p, np.outer(p.T @ p.v, ell + p.v) + p.beta * np.outer(p.u, ell))


OWN: dict[str, Claim[Instance]] = {
    "equal to M P iff Sigma v ∥ v": distance(">=", lambda i: 1e-3 * i.problem.beta * np.linalg.norm(i.problem.ell)),
    "equals M P": distance("=", lambda i: 0.0),
    "beta for beta²": risk(lambda i: unshifted(i) - (i.problem.beta**2 - i.problem.beta) * parts(i)[1], shift=False),
    "rank r by projecting the naive one": rank_loss(
        lambda i: posthoc_read(i.problem, naive_solution(i.problem, i.rank)), whitened
    ),
}

BLIND: dict[str, Claim[Instance]] = {
    "the rest regressed on vᵀx instead": solution(lambda i: i.problem.M @ onto(i.problem, rest_on_v(i.problem))),
    "inverse taken before restricting: ell = vᵀSigma P Sigma⁻¹ P": solution(
        lambda i: (
            i.problem.M
            @ onto(
                i.problem,
                i.problem.v
                @ i.problem.Sigma
                @ i.problem.P_v
                @ np.linalg.pinv(i.problem.Sigma, 1e-10, hermitian=True)
                @ i.problem.P_v,
            )
        )
    ),
    "only the shortcut comes back: M P + beta u ell": solution(
        lambda i: i.problem.M @ i.problem.P_v + i.problem.beta * np.outer(i.problem.u, regression(i.problem))
    ),
    "distance at most beta ‖ell‖": distance("<=", lambda i: i.problem.beta * np.linalg.norm(regression(i.problem))),
    "angle to Sigma v instead of Sigma⁻¹v": distance(
        "=", lambda i: np.linalg.norm(rest_on_v(i.problem)) * np.linalg.norm(i.problem.M @ i.problem.v)
    ),
    "‖T v‖ and beta add up in the distance": distance(
        "=", lambda i: (np.sqrt(_lost(i)) + i.problem.beta) * np.linalg.norm(regression(i.problem))
    ),
    "no-shift risk for any Sigma_t": risk(unshifted, shift=True),
    "sign of the lost direction: T v (ell + vᵀ)": risk(_wrong_sign, shift=True),
    "shifted inputs, cross term between task and shortcut dropped": risk(
        lambda i: (
            error_risk(i)
            - 2
            * i.problem.beta
            * (i.problem.u @ i.problem.T @ i.problem.v)
            * ((regression(i.problem) - i.problem.v) @ i.problem.Sigma_t @ regression(i.problem))
        ),
        shift=True,
    ),
    "all of vᵀSigma v lost: kappa without conditioning": _unshifted(
        lambda i, kappa, L: _lost(i) * (kappa + L) + i.problem.beta**2 * L
    ),
    "M v leaks where the shortcut alone is wrong": _unshifted(
        lambda i, kappa, L: _lost(i) * kappa + float(np.sum((i.problem.M @ i.problem.v) ** 2)) * L
    ),
    "rank r: the projector after the root, σ_i of H^½ M Sigma^½ P": rank_loss(
        lambda i: grasp_read(i.problem, i.rank),
        lambda i: psd_root(i.problem.H) @ i.problem.M @ psd_root(i.problem.Sigma) @ complement(i.problem.v),
    ),
    "rank r: metric H for its root": rank_loss(
        lambda i: grasp_read(i.problem, i.rank), lambda i: psd_root(i.problem.H) @ whitened(i)
    ),
}
