"""read-removal, row by row and with three inputs: the fit is only said to be stationary, (D − M) Sigma P = 0, D v = 0.

Distance and risk at Sigma_t = Sigma are sums over the rows of D. A row of M is (t + c, m), where t is that of T v and c
that of beta u; D's is (0, m + y). v = e₁, and the other inputs are turned such that their moment is diagonal.
"""

from __future__ import annotations

import numpy as np
import z3

from ...linear.problem import LinearProblem
from ..derivations import Core
from ..shared.reals import Values, bordered, bordered_numbers, reals, square
from . import Instance

SIGMA, y = bordered("S"), reals("y", 2)
t, c = z3.Reals("t c")
FITTED = (*SIGMA.definite, *SIGMA.fits(t + c, y), c > 0)


def cores() -> list[Core[Instance]]:
    """One row; c > 0 is beta in the instance of one output."""
    kappa, L, ell2 = SIGMA.kappa, SIGMA.L, square(SIGMA.ell)
    response2, apart2, risk = (t + c) * (t + c), square(y), SIGMA.risk(-t, y)
    return [
        Core(
            "distance to post-hoc projection",
            "distance",
            "m x 3",
            FITTED,
            apart2 == response2 * ell2,
            {
                "equals M P": apart2 == 0,
                "angle to Sigma v instead of Sigma⁻¹v": apart2 * SIGMA.h * SIGMA.h == response2 * square(SIGMA.b),
                "distance at most beta ‖ell‖": apart2 <= c * c * ell2,
            },
            _instance,
        ),
        Core(
            "risk without shift",
            "risk without shift",
            "m x 3",
            FITTED,
            risk == t * t * kappa + c * c * L,
            {
                "beta for beta²": risk == t * t * kappa + c * L,
                "all of vᵀSigma v lost: kappa without conditioning": risk == t * t * (kappa + L) + c * c * L,
                "M v leaks where the shortcut alone is wrong": risk == t * t * kappa + response2 * L,
            },
            _instance,
        ),
    ]


def _instance(values: Values) -> Instance:
    """One output: T = (t, 1, −1), as what is off v cancels."""
    T, S = np.array([[values.get("t", 0.0), 1.0, -1.0]]), bordered_numbers(values, "S")
    return Instance(LinearProblem(np.zeros((1, 3)), T, values["c"], np.ones(1), np.eye(3)[0], S), 1, np.ones((1, 3)))
