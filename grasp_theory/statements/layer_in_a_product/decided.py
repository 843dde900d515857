"""layer-in-a-product for 2 x 2 products: the angles between the early and the late direction, R and L of real unknowns.

u = v = e₁ by rotations of the output and the input. Inverses are adjugates; det R, det L ≠ 0.
"""

from __future__ import annotations

import numpy as np
import z3
from numpy import ndarray

from ..derivations import Core
from ..shared.reals import Values, adjugate, definite, equal, numbers, reals, square, symmetric, symmetric_numbers
from . import Instance

E1 = np.array([1, 0], object)


def cores() -> list[Core[Instance]]:
    """cos² ∠(a, b) is never divided: cos² = c stands for (a·b)² = c ‖a‖²‖b‖²."""
    return [_left(), _right(), _agreement()]


def _det(X: ndarray) -> z3.ArithRef:
    return X[0, 0] * X[1, 1] - X[0, 1] * X[1, 0]


def _left() -> Core[Instance]:
    R, cos2 = reals("R", 2, 2), z3.Real("cos2")
    early, late = R.T @ E1, adjugate(R) @ E1  # the latter times det R
    K, K_other = R @ R.T, R.T @ R
    det2, dot = _det(R) * _det(R), early @ late
    return Core(
        "early and late, left",
        "cos² left",
        "2 x 2",
        (det2 > 0, cos2 * square(early) * square(late) == dot * dot),
        cos2 * K[0, 0] * adjugate(K)[0, 0] == det2,
        {
            "left cosine without its square": cos2 * cos2 * K[0, 0] * adjugate(K)[0, 0] == det2,
            "left cosine with R'R": cos2 * K_other[0, 0] * adjugate(K_other)[0, 0] == det2,
            "left cosine between u and RR'u": cos2 * square(K[0]) == K[0, 0] * K[0, 0],
        },
        _instance,
    )


def _right() -> Core[Instance]:
    L, Sigma, cos2 = reals("L", 2, 2), symmetric("S"), z3.Real("cos2")
    early, late = L @ Sigma @ E1, adjugate(L).T @ E1
    det2, dot, inner = _det(L) * _det(L), early @ late, Sigma[0, 0] * Sigma[0, 0]
    return Core(
        "early and late, right",
        "cos² right",
        "2 x 2",
        (det2 > 0, *definite(Sigma), cos2 * square(early) * square(late) == dot * dot),
        cos2 * square(early) * adjugate(L.T @ L)[0, 0] == inner * det2,
        {
            "right cosine for white inputs": cos2 * square(L @ E1) * adjugate(L.T @ L)[0, 0] == det2,
            "right cosine with LL'": cos2 * square(early) * adjugate(L @ L.T)[0, 0] == inner * det2,
        },
        _instance,
    )


def _agreement() -> Core[Instance]:
    """late = R⁻¹u and opposite = R⁻¹P_u RRᵀu, the side of the proof's triangle, are said to solve their equations.

    R is triangular by a rotation of the layer's outputs. The directions are parallel iff RRᵀu has no part off u.
    """
    R, late, opposite = reals("R", 2, 2), reals("q", 2), reals("o", 2)
    R[0, 1] = 0
    early, Ku = R.T @ E1, R @ R.T @ E1
    apart = early[0] * late[1] - early[1] * late[0]  # sin² ∠(early, late) ‖early‖²‖late‖² = apart²
    apart2, k, both2 = apart * apart, Ku[0], square(early) * square(late)
    return Core(
        "where they agree",
        "agree iff u is an eigenvector",
        "2 x 2",
        (R[0, 0] * R[1, 1] != 0, *equal(R @ late, E1), *equal(R @ opposite, Ku - E1 * k)),
        z3.And(apart2 * k * k * square(late) == both2 * square(opposite), (apart == 0) == (Ku[1] == 0)),
        {
            "the sine of RR'u off u": apart2 * square(Ku) == both2 * Ku[1] * Ku[1],
            "the opposite side over the wrong leg, a tangent": apart2 * (k * k * square(late) - square(opposite))
            == both2 * square(opposite),
        },
        _instance,
    )


def _instance(values: Values) -> Instance:
    R, L = (numbers(values, name, 2, 2) for name in "RL")
    Sigma, T = symmetric_numbers(values, "S"), np.array([[0.1, 0.05], [-0.1, 0.2]])
    R, L, Sigma = (X if X.any() else np.eye(2) for X in (R, L, Sigma))
    return Instance(T, np.eye(2)[0], np.eye(2)[0], 1.0, R, L, Sigma)
