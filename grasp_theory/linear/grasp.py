"""GRASP: the update is kept off the factor while it is trained, and the fit is the best one left."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from .. import linalg
from ..errors import InputError
from .problem import LinearProblem

CUTOFF = 1e-12  # eigenvalues below this share of the largest count as 0: the projected-out direction's is rounding


def grasp_write(problem: LinearProblem, rank: int | None = None) -> Float[ndarray, "m d"]:
    """argmin ‖H^½ (D − M) Sigma^½‖_F² over uᵀD = 0 (and rank D <= rank).

    Law: P_u (P_u H P_u)⁺ P_u H M = P_u M + w uᵀM with w of ``write_leak``; for H u ∥ u simply P_u M.
    Rank r: K⁺ [K⁺ P_u H M S]_r S⁻¹ with K = (P_u H P_u)^½, S = Sigma^½. Cost O(m³ + d³).
    """
    return constrained_fit(problem, problem.M, left=problem.P_u, rank=rank)


def grasp_read(problem: LinearProblem, rank: int | None = None) -> Float[ndarray, "m d"]:
    """The same over D v = 0.

    Law: M Sigma P (P Sigma P)⁺ = M P + (M v) ell with P = P_v; for Sigma v ∥ v simply M P.
    Rank r: H^{-½} [H^½ M Sigma P K⁺]_r K⁺ with K = (P Sigma P)^½.
    """
    return constrained_fit(problem, problem.M, right=problem.P_v, rank=rank)


def grasp_both(problem: LinearProblem, rank: int | None = None) -> Float[ndarray, "m d"]:
    """The same over uᵀD = 0 and D v = 0.

    Law: P_u (P_u H P_u)⁺ P_u H M Sigma P_v (P_v Sigma P_v)⁺: the two solutions composed, in either order.
    """
    return constrained_fit(problem, problem.M, left=problem.P_u, right=problem.P_v, rank=rank)


def constrained_fit(
    problem: LinearProblem,
    target: Float[ndarray, "m d"],
    *,
    left: Float[ndarray, "m m"] | None = None,
    right: Float[ndarray, "d d"] | None = None,
    rank: int | None = None,
) -> Float[ndarray, "m d"]:
    """argmin ‖H^½ (D − target) Sigma^½‖_F² over D = L D R, rank D <= rank; L, R orthogonal projectors, I if omitted.

    Law: K⁺ [K⁺ L H target Sigma R G⁺]_r G⁺, K = (L H L)^½, G = (R Sigma R)^½. Proof: with D = L D R the loss is
    ‖K D G − K⁺ L H target Sigma R G⁺‖_F² plus a constant, and Eckart–Young. Of several minimisers the smallest.
    """
    if rank is not None and rank < 1:
        raise InputError(f"rank must be at least 1, got {rank}")
    m, d = problem.shape
    L = np.eye(m) if left is None else left
    R = np.eye(d) if right is None else right
    K, G = inverse_root(L @ problem.H @ L), inverse_root(R @ problem.Sigma @ R)
    U, S, Vh = linalg.svd(K @ L @ problem.H @ target @ problem.Sigma @ R @ G, full_matrices=False)
    return K @ (U[:, :rank] * S[:rank] @ Vh[:rank]) @ G


def write_leak(problem: LinearProblem) -> Float[ndarray, " m"]:
    """w = P_u (P_u H P_u)⁺ P_u H u, the directions that imitate u at the output: GRASP-write is P_u M + w uᵀM.

    −w = P_u h with h = H⁻¹u/(uᵀH⁻¹u), so ‖w‖ = tan ∠(u, H⁻¹u); 0 iff H u ∥ u. Mirror image of ``problem.ell``.
    """
    K = inverse_root(problem.P_u @ problem.H @ problem.P_u)
    return K @ K @ problem.P_u @ problem.H @ problem.u


def inverse_root(matrix: Float[ndarray, "n n"]) -> Float[ndarray, "n n"]:
    """Pseudo-inverse of the symmetric root of a positive semi-definite matrix."""
    values, Q = linalg.eigh(matrix)
    kept = values > CUTOFF * values[-1]
    return Q[:, kept] / np.sqrt(values[kept]) @ Q[:, kept].T
