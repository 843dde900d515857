"""How much of one direction the others imitate under a metric H: shares, and the two bounds of them."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float
from numpy import ndarray
from scipy.linalg import null_space

from ...linear.problem import psd_root


def share(H: Float[ndarray, "n n"], u: Float[ndarray, " n"]) -> float:
    """Least squares of H^½ u on H^½ u^⊥: one less the share of the squared length that is left."""
    R = psd_root(H)
    left = R @ u - R @ (B := null_space(u[None])) @ np.linalg.lstsq(R @ B, R @ u, rcond=None)[0]
    return 1 - float(left @ left) / float(u @ H @ u)


def product(H: Float[ndarray, "n n"], u: Float[ndarray, " n"]) -> float:
    """(uᵀHu)(uᵀH⁻¹u)."""
    return float((u @ H @ u) * (u @ np.linalg.pinv(H) @ u))


def kantorovich(H: Float[ndarray, "n n"]) -> float:
    """(κ − 1)/(κ + 1)."""
    values = np.linalg.eigvalsh(H)
    return float((values[-1] - values[0]) / (values[-1] + values[0]))


def share_bounds(H: Float[ndarray, "n n"], u: Float[ndarray, " n"]) -> tuple[float, float]:
    """‖P H u‖²/(λ uᵀHu), P = I − u uᵀ, with λ the largest and smallest eigenvalue of H on u^⊥: bounds of the share."""
    B = null_space(u[None])
    low, high = (float(np.sum((B.T @ H @ u) ** 2) / (u @ H @ u)) / np.linalg.eigvalsh(B.T @ H @ B)[[-1, 0]]).tolist()
    return low, high
