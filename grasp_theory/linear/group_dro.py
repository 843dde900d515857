"""The supervised reference: reweighting of groups in which the shortcut holds to different extents.

Group g has strength b_g, y = (W0 + T + b_g u vᵀ) x + noise, and inputs with second moment Sigma_g. Sampled with shares
p_g and one Sigma, naive fine-tuning sees beta = Σ p_g b_g. No reweighting helps while every group has b_g > 0: the
reference needs data in which the shortcut fails (b = 0) and, unless the rest is thrown away, misleads (b < 0).
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from .. import linalg
from ..errors import InputError
from .problem import LinearProblem


def reweighted(
    problem: LinearProblem,
    strengths: Float[ndarray, " g"],
    weights: Float[ndarray, " g"],
    moments: Float[ndarray, "g d d"] | None = None,
) -> Float[ndarray, "m d"]:
    """Least squares on groups with these weights (problem.beta is not used).

    Law: T + u vᵀ (Σ q_g b_g Sigma_g)(Σ q_g Sigma_g)⁻¹; with one Sigma, T + (Σ q_g b_g) u vᵀ: T iff Σ q_g b_g = 0.

    moments : Sigma_g; problem.Sigma for every group by default.
    """
    if weights.shape != strengths.shape or (weights < 0).any() or not weights.any():
        raise InputError(f"weights must be non-negative, one of {strengths.shape}, not all 0; got {weights}")
    Sigmas = np.broadcast_to(problem.Sigma, (len(strengths), *problem.Sigma.shape)) if moments is None else moments
    tilted = np.tensordot(weights * strengths, Sigmas, axes=1)
    mixed = np.tensordot(weights, Sigmas, axes=1)
    return problem.T + np.outer(problem.u, problem.v @ tilted @ linalg.pinv(mixed, 1e-12, hermitian=True))


def removing_weights(strengths: Float[ndarray, " g"]) -> Float[ndarray, " g"]:
    """Weights, summing to 1, with Σ q_g b_g = 0, on the groups of smallest and largest strength; equal Sigma_g.

    q = (b_max, −b_min)/(b_max − b_min): with groups (b, 0) all weight on the group without the factor, with (b, −b) the
    balanced half. Raises InputError if no strength is <= 0 or none >= 0.
    """
    low, high = int(np.argmin(strengths)), int(np.argmax(strengths))
    b_min, b_max = float(strengths[low]), float(strengths[high])
    if b_min > 0 or b_max < 0:
        raise InputError(f"no weights remove the shortcut: all strengths have one sign, {strengths}")
    weights = np.zeros(len(strengths))
    if b_min == b_max:
        weights[:] = 1 / len(strengths)
    else:
        weights[low], weights[high] = b_max / (b_max - b_min), -b_min / (b_max - b_min)
    return weights


def worst_group(problem: LinearProblem, strengths: Float[ndarray, " g"]) -> Float[ndarray, "m d"]:
    """Group DRO, argmin of the largest group risk; equal noise, one Sigma.

    Law: T + ½ (b_min + b_max) u vᵀ: the risk of group g at T + b u vᵀ is (b − b_g)² vᵀ Sigma v, and components along
    other directions only add to every group. It removes the shortcut iff b_min = −b_max, *not* with groups (b, 0),
    where half of it stays. (H = I; any H scales all risks alike.)
    """
    return problem.T + 0.5 * float(strengths.min() + strengths.max()) * np.outer(problem.u, problem.v)
