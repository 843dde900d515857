"""prior-angle for all reals: overlaps p <= q, sigma and rho are all that its proof uses."""

from __future__ import annotations

import numpy as np
import z3

from ..derivations import Core
from ..shared.reals import Values, at_cosine, outer, plane
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


def worst(values: Values) -> Instance:
    """û, v̂ at the model's overlaps; T in their plane is completed to norm rho."""
    e = np.eye(2)[0]
    M = plane(at_cosine(values["p"]), at_cosine(values["q"]), values["sigma"], values["rho"])
    return Instance(M - outer(e, e), e, e, 1.0)
