"""write-removal for 2 x 2 problems: D = e₂ xᵀ is only said to be stationary; the leak, distance and risk follow.

u = e₁, so that D has no first row, and e₂ᵀ H (D − M) Sigma = 0 with Sigma ≻ 0, H ≻ 0. H⁻¹u ∥ (H₁₁, −H₀₁), whose
tangent with u is |H₀₁|/H₁₁.
"""

from __future__ import annotations

import numpy as np
from numpy import ndarray

from ...linear.problem import LinearProblem
from ..derivations import Core
from ..shared.reals import Values, definite, equal, numbers, reals, square, symmetric, symmetric_numbers
from . import Instance

H, Sigma, Sigma_t = (symmetric(name) for name in ("H", "S", "R"))
M, x, v = reals("M", 2, 2), reals("x", 2), reals("v", 2)
D = np.array([[0, 0], x], object)
STATIONARY = (*definite(H), *definite(Sigma), *equal((H @ (D - M) @ Sigma)[1], 0))


def cores() -> list[Core[Instance]]:
    """beta = 1; T = M − u vᵀ."""
    return [_distance(), _risk()]


def _distance() -> Core[Instance]:
    apart2, row2 = square(x - M[1]), square(M[0])
    slope2, far2, near2 = H[0, 1] * H[0, 1], H[0, 0] * H[0, 0], H[1, 1] * H[1, 1]
    return Core(
        "distance to post-hoc projection",
        "distance",
        "2 x 2",
        STATIONARY,
        apart2 * near2 == slope2 * row2,
        {
            "equals post-hoc projection for every H": apart2 == 0,
            "sine for tangent in the distance": apart2 * (near2 + slope2) == slope2 * row2,
            "angle to H u instead of H⁻¹u": apart2 * far2 == slope2 * row2,
        },
        lambda values: _instance(values, np.eye(2)[0]),
    )


def _risk() -> Core[Instance]:
    T = M - np.array([v, [0, 0]], object)
    E = D - T

    def moment(row: ndarray, S: ndarray = Sigma_t):
        return row @ S @ row

    risk, near2, slope2 = moment(E[0]) + moment(E[1]), H[1, 1] * H[1, 1], H[0, 1] * H[0, 1]
    task, leaking = moment(T[0]), moment(M[0])
    return Core(
        "risk",
        "risk",
        "2 x 2",
        (*STATIONARY, *definite(Sigma_t), square(v) == 1),
        near2 * risk == near2 * task + slope2 * leaking,
        {
            "risk ‖uᵀT‖_t² for every H": risk == task,
            "the leak carries uᵀT alone: ‖uᵀT‖²(1 + tan²)": near2 * risk == (near2 + slope2) * task,
            "risk weighted by the training moment": near2 * risk
            == near2 * moment(T[0], Sigma) + slope2 * moment(M[0], Sigma),
        },
        lambda values: _instance(values, numbers(values, "v", 2)),
    )


def _instance(values: Values, v: ndarray) -> Instance:
    T, u = numbers(values, "M", 2, 2), np.eye(2)[0]
    T[0] -= v
    S, R, H = (symmetric_numbers(values, name) for name in "SRH")
    return Instance(LinearProblem(np.zeros((2, 2)), T, 1.0, u, v, S, R if R.any() else S, H), 2, np.ones((2, 2)))
