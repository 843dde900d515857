"""The factor's activation ablated at inference only, after naive fine-tuning."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from .naive import naive_solution
from .problem import LinearProblem


def ablated(problem: LinearProblem, D: Float[ndarray, "m d"]) -> Float[ndarray, "m d"]:
    """Effective update of the map x -> (W0 + D) P x: D P − W0 v vᵀ. The pretrained response W0 v goes as well."""
    return D @ problem.P_v - np.outer(problem.W0 @ problem.v, problem.v)


def naive_ablated(problem: LinearProblem, rank: int | None = None) -> Float[ndarray, "m d"]:
    """Effective update of naive fine-tuning followed by ablation; at full rank T − (W0 + T) v vᵀ."""
    return ablated(problem, naive_solution(problem, rank))


def ablation_risk(problem: LinearProblem) -> float:
    """Excess risk of naive + ablation at full rank: ‖(W0 + T) v‖² vᵀ Sigma_t v.

    The shortcut is gone and so is everything else that the layer did with v; neither beta nor ell enters, for any
    Sigma and Sigma_t (they do if the model was *trained* ablated, see ``caft_ablated``).
    """
    lost = (problem.W0 + problem.T) @ problem.v
    return float(lost @ lost * (problem.v @ problem.Sigma_t @ problem.v))
