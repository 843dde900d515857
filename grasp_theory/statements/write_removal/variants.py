"""False variants of write-removal: its author's own, and those written blind."""

from __future__ import annotations

import numpy as np

from ...linear.problem import psd_root
from ...linear.solutions import grasp_write, naive_solution, posthoc_write, write_leak
from ..shared.maps import complement, map_risk, rank_loss
from ..statement import Claim
from . import Instance, distance, leak, risk, tangent, u_row, whitened


def _inverse_first(i: Instance):
    p = i.problem
    return p.P_u @ np.linalg.pinv(p.H, 1e-12, hermitian=True) @ p.P_u @ p.H @ p.u


def _of_root(i: Instance):
    P, root = i.problem.P_u, psd_root(i.problem.H)
    return np.linalg.pinv(P @ root @ P, 1e-10, hermitian=True) @ P @ root @ i.problem.u


def _task_row(i: Instance):
    return i.problem.u @ i.problem.T


OWN: dict[str, Claim[Instance]] = {
    "equals post-hoc projection for every H": distance(lambda i: 0.0),
    "leak P_u H u, without the inverse": leak(lambda i: i.problem.P_u @ i.problem.H @ i.problem.u),
    "leak of the other sign": leak(lambda i: -write_leak(i.problem)),
    "risk ‖uᵀT‖_t² for every H": risk(lambda i: map_risk(i.problem, i.problem.u[None] @ i.problem.T)),
}

BLIND: dict[str, Claim[Instance]] = {
    "inverse taken before restricting: w = P_u H⁻¹ P_u H u": leak(_inverse_first),
    "square root of the metric: H^½ for H in w": leak(_of_root),
    "sine for tangent in the distance": distance(
        lambda i: i.tangent() / np.sqrt(1 + i.tangent() ** 2) * np.linalg.norm(u_row(i))
    ),
    "angle to H u instead of H⁻¹u": distance(
        lambda i: tangent(i.problem.u, i.problem.H @ i.problem.u) * np.linalg.norm(u_row(i))
    ),
    "cross term 2 tan ⟨uᵀT, uᵀM⟩ kept": risk(
        lambda i: map_risk(i.problem, (_task_row(i) + i.tangent() * u_row(i))[None])
    ),
    "the leak carries uᵀT alone: ‖uᵀT‖²(1 + tan²)": risk(
        lambda i: (1 + i.tangent() ** 2) * map_risk(i.problem, _task_row(i)[None])
    ),
    "risk weighted by the training moment": risk(
        lambda i: (
            _task_row(i) @ i.problem.Sigma @ _task_row(i) + i.tangent() ** 2 * u_row(i) @ i.problem.Sigma @ u_row(i)
        )
    ),
    "rank r without the leak: σ_i of K P_u M Sigma^½": rank_loss(
        lambda i: grasp_write(i.problem, i.rank),
        lambda i: (
            np.linalg.cholesky((Q := complement(i.problem.u)).T @ i.problem.H @ Q).T
            @ Q.T
            @ i.problem.M
            @ psd_root(i.problem.Sigma)
        ),
    ),
    "the naive rank-r run projected afterwards explains as much": rank_loss(
        lambda i: posthoc_write(i.problem, naive_solution(i.problem, i.rank)), whitened
    ),
}
