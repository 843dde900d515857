"""A frozen compensator C runs beside the layer while it trains, and is dropped at deployment."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from .edit import top_triple
from .grasp import constrained_fit
from .problem import LinearProblem


def compensated(
    problem: LinearProblem, C: Float[ndarray, "m d"], rank: int | None = None, *, project: bool = False
) -> Float[ndarray, "m d"]:
    """What training W0 + D + C on y = (W0 + M) x leaves: naive fine-tuning of the target M − C.

    Law: M − C at full rank for every Sigma and H, error Delta = beta u vᵀ − C unamplified; [(M − C) S]_r S⁻¹ at rank r
    (H = I). With C the top triple of M it is ``delete_component(M)``, and at rank r, Sigma = I, the deletion of the
    component from the naive run of rank r + 1.

    project : keep D off C's top left vector as well, for comparison. At H = I compensation is then invisible:
        P_û (M − C) = P_û M.
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
