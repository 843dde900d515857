"""prior-angle for all reals: overlaps p <= q, sigma and rho are all that its proof uses."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import z3
from jaxtyping import Float
from numpy import ndarray
from scipy.optimize import minimize_scalar

from ..derivations import Core
from . import Instance


def cores() -> list[Core[Instance]]:
    """beta = 1. The premises are the proof's: ‖T v̂‖² <= rho², Weyl's bounds on sigma, p the smaller overlap."""
    p, q, sigma, rho, root = z3.Reals("p q sigma rho root")
    premises = (
        *(0 <= p, p <= q, q <= 1, 0 <= rho, 2 * rho < 1),
        *(1 - rho <= sigma, sigma <= 1 + rho, sigma * sigma + q * q - 2 * sigma * p * q <= rho * rho),
        *(root >= 0, root * root == 1 - 4 * rho * rho),
    )
    return [
        Core(
            "both angles",
            "left",
            "all reals",
            premises,
            2 * p * p >= 1 + root,
            {
                # sin 2 theta <= rho is 4 p² (1 − p²) <= rho², on the branch p² >= ½
                "sin 2 theta <= tau/beta": z3.And(2 * p * p >= 1, 4 * p * p * (1 - p * p) <= rho * rho),
                "the bound on the whole angle, sin theta <= rho": 1 - p * p <= rho * rho,
            },
            worst,
        )
    ]


def worst(values: Mapping[str, float]) -> Instance:
    """û, v̂ at the model's overlaps, M = sigma û v̂ᵀ + s û' v̂'ᵀ in the plane, T = M − u vᵀ of least norm over s."""
    sigma, e = values["sigma"], np.eye(2)[0]
    best = np.full((2, 2), np.inf)
    for first, second in ((values["p"], values["q"]), (values["q"], values["p"])):
        for sign in (1, -1):
            U, V = _turn(first), _turn(second, sign)
            s = minimize_scalar(
                lambda s, U=U, V=V: np.linalg.norm(U * [sigma, s] @ V.T - np.outer(e, e), 2), bounds=(-sigma, sigma)
            ).x
            T = U * [sigma, s] @ V.T - np.outer(e, e)
            best = min(best, T, key=lambda T: np.linalg.norm(T, 2) if np.isfinite(T).all() else np.inf)
    return Instance(best, e, e, 1.0)


def _turn(cosine: float, sign: int = 1) -> Float[ndarray, "2 2"]:
    """A rotation whose first column has this first entry."""
    sine = sign * np.sqrt(max(1 - cosine**2, 0.0))
    return np.array([[cosine, -sine], [sine, cosine]])
