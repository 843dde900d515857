"""Three different things that are easily confused: the response left, the norm left, and the excess risk."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from .problem import LinearProblem


def excess_risk(problem: LinearProblem, D: Float[ndarray, "m d"]) -> float:
    """‖(D − T) Sigma_t^½‖_F²: squared error of W0 + D at deployment, beyond the noise."""
    E = D - problem.T
    return float(np.trace(E @ problem.Sigma_t @ E.T))


def response_left(problem: LinearProblem, D: Float[ndarray, "m d"]) -> float:
    """|uᵀ (D − T) v|: how much of the shortcut's response survives along u and v; beta for the naive solution."""
    return float(abs(problem.u @ (D - problem.T) @ problem.v))


def norm_left(problem: LinearProblem, D: Float[ndarray, "m d"]) -> float:
    """‖(D − T) v‖₂: length of all that the factor's input still moves wrongly; beta for the naive solution."""
    return float(np.linalg.norm((D - problem.T) @ problem.v))
