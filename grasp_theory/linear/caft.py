"""CAFT: trained with the factor's activation ablated in the forward pass, deployed without the ablation."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from .grasp import constrained_fit
from .problem import LinearProblem


def caft(
    problem: LinearProblem, rank: int | None = None, *, on_v: Float[ndarray, " m"] | None = None
) -> Float[ndarray, "m d"]:
    """What training on (W0 + D) P x = (W0 + M) x leaves at deployment, P = P_v.

    Law: off v, D P = argmin over updates that do not read v, with the target M + W0 v vᵀ (the ablation also takes away
    the pretrained response W0 v, which the update must imitate): at full rank
    D P = (W0 + M) Sigma P (P Sigma P)⁺ − W0 P = GRASP-read + W0 v ell.
    On v no gradient flows: D v is what it was at the start, so two rows:

    on_v : D v; 0 by default (full-rank training, or LoRA with A0 projected at attach time). LoRA as published keeps
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
