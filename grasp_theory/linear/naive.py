"""What naive fine-tuning learns."""

from __future__ import annotations

from jaxtyping import Float
from numpy import ndarray

from .. import linalg
from ..errors import InputError
from .problem import LinearProblem, psd_root


def naive_solution(problem: LinearProblem, rank: int | None = None) -> Float[ndarray, "m d"]:
    """Minimiser of ‖H^½ (M − D) Sigma^½‖_F² over updates D, of rank at most ``rank`` if given.

    Law: M at full rank; H^{-½} [H^½ M S]_r S⁻¹ at rank r, for any S Sᵀ = Sigma ([.]_r: the r leading singular triples),
    so [M S]_r S⁻¹ for H = I. At full rank neither Sigma nor H matters. It is unique iff σ_r > σ_{r+1} or σ_{r+1} = 0
    (singular values of H^½ M S); at a tie one of the minimisers is returned. If Sigma is singular: M times the
    projector on its range, as full fine-tuning from dW = 0 learns. LoRA only if A0 has no part in the null space: else
    B A0 stays there, unseen by any gradient. H likewise on the left.

    Cost O(m d min(m, d)).
    """
    if rank is not None and rank < 1:
        raise InputError(f"rank must be at least 1, got {rank}")
    left, left_inverse = _root(problem.H)
    right, right_inverse = _root(problem.Sigma)
    if rank is None or rank >= min(problem.shape):
        return left_inverse @ left @ problem.M @ right @ right_inverse
    U, S, Vh = linalg.svd(left @ problem.M @ right, full_matrices=False)
    return left_inverse @ (U[:, :rank] * S[:rank] @ Vh[:rank]) @ right_inverse


def _root(matrix: ndarray) -> tuple[ndarray, ndarray]:
    """(R, R⁺) for the symmetric root."""
    root = psd_root(matrix)
    # eigenvalues that rounding moved off 0 have roots near 1e-8 of the largest
    return root, linalg.pinv(root, rcond=1e-7, hermitian=True)
