"""What every method leaves of an update, in closed form: one function a method, all maps by name in ``SOLUTIONS``."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
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

    Cost O(m d min(m, d)). Raises InputError for a rank below 1.
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


def posthoc_write(problem: LinearProblem, D: Float[ndarray, "m d"]) -> Float[ndarray, "m d"]:
    """P_u D. Of M: error −u uᵀT, excess risk ‖uᵀT Sigma_t^½‖² whatever H: no update with uᵀD = 0 has less."""
    return problem.P_u @ D


def posthoc_read(problem: LinearProblem, D: Float[ndarray, "m d"]) -> Float[ndarray, "m d"]:
    """D P_v. Of M: error −T v vᵀ, excess risk ‖T v‖² vᵀ Sigma_t v."""
    return D @ problem.P_v


def top_triple(D: Float[ndarray, "m d"]) -> tuple[Float[ndarray, " m"], float, Float[ndarray, " d"]]:
    """(û, ŝ₁, v̂)."""
    U, S, Vh = linalg.svd(D, full_matrices=False)
    return U[:, 0], float(S[0]), Vh[0]


def delete_component(D: Float[ndarray, "m d"]) -> Float[ndarray, "m d"]:
    """D − ŝ₁ û v̂ᵀ, which equals (I − û ûᵀ) D (I − v̂ v̂ᵀ).

    Of M: error Delta = beta u vᵀ − ŝ₁ û v̂ᵀ, ‖Delta‖₂ <= ŝ₂ + tau, because T + Delta has norm ŝ₂.
    """
    u, s, v = top_triple(D)
    return D - s * np.outer(u, v)


CUTOFF = 1e-12  # eigenvalues below this share of the largest count as 0: the projected-out direction's is rounding


def grasp_write(problem: LinearProblem, rank: int | None = None) -> Float[ndarray, "m d"]:
    """argmin ‖H^½ (D − M) Sigma^½‖_F² over uᵀD = 0 (and rank D <= rank).

    Law: P_u (P_u H P_u)⁺ P_u H M = P_u M + w uᵀM with w of ``write_leak``; for H u ∥ u simply P_u M.
    Rank r: K⁺ [K⁺ P_u H M S]_r S⁻¹ with K = (P_u H P_u)^½, S = Sigma^½. Cost O(m³ + d³).
    """
    return constrained_fit(problem, problem.M, left=problem.P_u, rank=rank)


def grasp_read(problem: LinearProblem, rank: int | None = None) -> Float[ndarray, "m d"]:
    """The least squares of :func:`grasp_write` over D v = 0.

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
    ‖K D G − K⁺ L H target Sigma R G⁺‖_F² plus a constant, and Eckart–Young. Of several minimisers the smallest. Raises
    InputError for a rank below 1.
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


def caft(
    problem: LinearProblem, rank: int | None = None, *, on_v: Float[ndarray, " m"] | None = None
) -> Float[ndarray, "m d"]:
    """What training on (W0 + D) P x = (W0 + M) x leaves at deployment, P = P_v.

    Law: off v, D P = argmin over updates that do not read v, with the target M + W0 v vᵀ (the ablation also takes away
    the pretrained response W0 v, which the update must imitate): at full rank
    D P = (W0 + M) Sigma P (P Sigma P)⁺ − W0 P = GRASP-read + W0 v ell.
    On v no gradient flows to A: A v is what it was at the start, D v moves with B alone, so two rows:

    Args:
        on_v: D v; 0 by default (full-rank training, or LoRA with A0 projected at attach time). LoRA as published keeps
            ``kept_read(B, A0, v)``.
    """
    off = constrained_fit(
        problem, problem.M + np.outer(problem.W0 @ problem.v, problem.v), right=problem.P_v, rank=rank
    )
    return off if on_v is None else off + np.outer(on_v, problem.v)


def kept_read(
    B: Float[ndarray, "m r"], A0: Float[ndarray, "r d"], v: Float[ndarray, " d"], scaling: float = 1.0
) -> Float[ndarray, " m"]:
    """scaling · B A0 v: the read of v that LoRA-CAFT keeps under plain descent or momentum (Adam moves A v).

    B is trained without ever seeing A0 v. For Gaussian A0 of variance s² it is therefore N(0, s² scaling² B Bᵀ):
    E‖D v‖² = s² scaling² ‖B‖_F².
    """
    return scaling * B @ (A0 @ v)


def caft_ablated(problem: LinearProblem, rank: int | None = None) -> Float[ndarray, "m d"]:
    """Effective update (W0 + D) P − W0 of CAFT with the ablation kept at inference.

    Law: caft P − W0 v vᵀ, whatever D v was; error at full rank (W0 + T) v (ell − vᵀ) + beta u ell.
    """
    return caft(problem, rank) - np.outer(problem.W0 @ problem.v, problem.v)


def ablated(problem: LinearProblem, D: Float[ndarray, "m d"]) -> Float[ndarray, "m d"]:
    """Effective update of the map x -> (W0 + D) P x: D P − W0 v vᵀ. The pretrained response W0 v goes as well."""
    return D @ problem.P_v - np.outer(problem.W0 @ problem.v, problem.v)


def naive_ablated(problem: LinearProblem) -> Float[ndarray, "m d"]:
    """Effective update of naive fine-tuning at full rank followed by ablation: T − (W0 + T) v vᵀ."""
    return ablated(problem, naive_solution(problem))


def ablation_risk(problem: LinearProblem) -> float:
    """Excess risk of naive + ablation at full rank: ‖(W0 + T) v‖² vᵀ Sigma_t v.

    The shortcut is gone and so is everything else that the layer did with v; neither beta nor ell enters, for any
    Sigma and Sigma_t (they do if the model was *trained* ablated, see ``caft_ablated``).
    """
    lost = (problem.W0 + problem.T) @ problem.v
    return float(lost @ lost * (problem.v @ problem.Sigma_t @ problem.v))


def compensated(
    problem: LinearProblem, C: Float[ndarray, "m d"], rank: int | None = None, *, project: bool = False
) -> Float[ndarray, "m d"]:
    """What training W0 + D + C on y = (W0 + M) x leaves: naive fine-tuning of the target M − C.

    Law: M − C at full rank for every Sigma and H, error Delta = beta u vᵀ − C unamplified; [(M − C) S]_r S⁻¹ at rank r
    (H = I). With C the top triple of M it is ``delete_component(M)``, and at rank r, Sigma = I, the deletion of the
    component from the naive run of rank r + 1.

    Args:
        project: keep D off C's top left vector as well, for comparison. At H = I compensation is then invisible: P_û (M
            − C) = P_û M.
    """
    left = None
    if project:
        u = top_triple(C)[0]
        left = np.eye(len(u)) - np.outer(u, u)
    return constrained_fit(problem, problem.M - C, left=left, rank=rank)


def own_component(D: Float[ndarray, "m d"]) -> Float[ndarray, "m d"]:
    """ŝ₁ û v̂ᵀ, the compensator that needs no labels."""
    u, s, v = top_triple(D)
    return s * np.outer(u, v)


Mean = Float[ndarray, " d"]


def inference_strength(problem: LinearProblem, mean_t: Mean) -> float:
    """The best a for x -> (W0 + M)(x − a v): a = beta (E z) uᵀg/‖g‖², g = (W0 + M) v, E z = vᵀmean_t; 0 if g = 0."""
    g = _response(problem)
    return float(problem.beta * (problem.v @ mean_t) * (problem.u @ g) / (g @ g)) if g.any() else 0.0


def inference_risk(problem: LinearProblem, mean_t: Mean, a: float) -> float:
    """Excess risk of the naive model steered by −a v: E‖beta u z − a g‖²; Sigma_t is the second moment about 0.

    Law: at the best a it is beta² Var z + beta² (E z)² sin² ∠(u, g) (g = 0: sin = 1).
    """
    g, z, beta = _response(problem), float(problem.v @ mean_t), problem.beta
    second = float(problem.v @ problem.Sigma_t @ problem.v)
    return float(beta**2 * second - 2 * a * beta * z * (problem.u @ g) + a**2 * (g @ g))


def preventative(problem: LinearProblem, mean: Mean, a: float) -> Float[ndarray, "m d"]:
    """What training on (W0 + D)(x + a v) = (W0 + M) x leaves once the vector is dropped.

    Law: D = M − a (W0 + M) v m'ᵀ Sigma'⁻¹ with m' = mean + a v, Sigma' = E[(x + a v)(x + a v)ᵀ]. For a constant factor
    z = z0 it is M − a/(z0 + a) (W0 + M) v vᵀ: the *pretrained* response has to supply the shift.
    """
    shifted = mean + a * problem.v
    moment = problem.Sigma + a * (np.outer(problem.v, shifted) + np.outer(mean, problem.v))
    return problem.M - a * np.outer(_response(problem), linalg.pinv(moment, hermitian=True) @ shifted)


def output_side(problem: LinearProblem, mean: Mean, a: float) -> Float[ndarray, "m d"]:
    """What training on (W0 + D) x + a u = (W0 + M) x leaves once the vector is dropped: M − a u meanᵀ Sigma⁻¹."""
    return problem.M - a * np.outer(problem.u, linalg.pinv(problem.Sigma, hermitian=True) @ mean)


def output_strength(problem: LinearProblem, mean: Mean) -> float:
    """The best a for ``output_side`` on the curated inputs: beta (E z)/(meanᵀ Sigma⁻¹ mean); beta z0 if z = z0 always.

    It leaves beta² (E z² − (E z)²/(meanᵀ Sigma⁻¹ mean)) there: 0 iff Sigma⁻¹ mean ∥ v.
    """
    return float(problem.beta * (problem.v @ mean) / (mean @ linalg.pinv(problem.Sigma, hermitian=True) @ mean))


def _response(problem: LinearProblem) -> Float[ndarray, " m"]:
    """g = (W0 + M) v, what steering along v moves at the output of the naive model."""
    return (problem.W0 + problem.M) @ problem.v


SOLUTIONS: Mapping[str, Callable[[LinearProblem], Float[ndarray, "m d"]]] = {
    "naive": naive_solution,
    "post-hoc write": lambda p: posthoc_write(p, naive_solution(p)),
    "write GRASP": grasp_write,
    "post-hoc read": lambda p: posthoc_read(p, naive_solution(p)),
    "read GRASP": grasp_read,
    "both GRASP": grasp_both,
    "deletion": lambda p: delete_component(naive_solution(p)),
    "CAFT": caft,
    "ablation": naive_ablated,
    "CAFT + ablation": caft_ablated,
}


# The supervised reference: reweighting of groups in which the shortcut holds to different extents. Group g has strength
# b_g, y = (W0 + T + b_g u vᵀ) x + noise, and inputs with second moment Sigma_g. Sampled with shares p_g and one Sigma,
# naive fine-tuning sees beta = Σ p_g b_g. No reweighting helps while every group has b_g > 0: the reference needs data
# in which the shortcut fails (b = 0) and, unless the rest is thrown away, misleads (b < 0).


def reweighted(
    problem: LinearProblem,
    strengths: Float[ndarray, " g"],
    weights: Float[ndarray, " g"],
    moments: Float[ndarray, "g d d"] | None = None,
) -> Float[ndarray, "m d"]:
    """Least squares on groups with these weights (problem.beta is not used).

    Law: T + u vᵀ (Σ q_g b_g Sigma_g)(Σ q_g Sigma_g)⁻¹; with one Sigma, T + (Σ q_g b_g) u vᵀ: T iff Σ q_g b_g = 0.

    Args:
        moments: Sigma_g; problem.Sigma for every group by default.

    Raises InputError for weights that are negative, all 0 or not one a group.
    """
    if weights.shape != strengths.shape or (weights < 0).any() or not weights.any():
        raise InputError(f"weights must be non-negative, one of {strengths.shape}, not all 0; got {weights}")
    Sigmas = np.broadcast_to(problem.Sigma, (len(strengths), *problem.Sigma.shape)) if moments is None else moments
    tilted = np.tensordot(weights * strengths, Sigmas, axes=1)
    mixed = np.tensordot(weights, Sigmas, axes=1)
    return problem.T + np.outer(problem.u, problem.v @ tilted @ linalg.pinv(mixed, hermitian=True))


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
