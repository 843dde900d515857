"""Edits of a finished update: project one side, or delete a component."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from .. import linalg
from .problem import LinearProblem


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
