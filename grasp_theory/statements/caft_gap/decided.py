"""caft-gap, row by row and with three inputs: both fits are only said to be stationary.

v = e₁. A row of W0 v is w, of T v is t, of beta u is c. CAFT fits (W0 + M) x by (W0 + D) P x: its residual is
(−w − t − c, y) with y the change of D P beyond M P; GRASP-read's is (−t − c, g). The error of either at deployment is
(−t, y) and (−t, g), for D v = 0. Differences of maps and of risks are sums over rows.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import z3

from ...linear.problem import LinearProblem
from ..derivations import Core
from ..shared.reals import Values, bordered, bordered_numbers, every, reals
from . import Instance, draw

SIGMA, y, g = bordered("S"), reals("y", 2), reals("g", 2)
w, t, c = z3.Reals("w t c")
FITTED = (*SIGMA.definite, *SIGMA.fits(w + t + c, y), *SIGMA.fits(t + c, g), c > 0)


def cores() -> list[Core[Instance]]:
    """One row; c > 0 is beta in the instance of one output."""
    ell, L, more = SIGMA.ell, SIGMA.L, SIGMA.risk(-t, y) - SIGMA.risk(-t, g)
    return [
        Core(
            "off v",
            "off v",
            "m x 3",
            FITTED,
            every(y, g + ell * w),
            {
                "equals GRASP off v": every(y, g),
                "gap (W0 + M) v ell": every(y, g + ell * (w + t + c)),
                "the pretrained response taken away: −W0 v ell": every(y, g - ell * w),
            },
            _instance,
        ),
        Core(
            "against GRASP-read",
            "against GRASP",
            "m x 3",
            FITTED,
            more == ((c + w) * (c + w) - c * c) * L,
            {
                "cross term 2 beta uᵀW0 v missing": more == w * w * L,
                "T v counted among the leak": more == ((t + c + w) * (t + c + w) - (t + c) * (t + c)) * L,
            },
            _instance,
        ),
    ]


def _instance(values: Values) -> Instance:
    """One output; what W0 and T have off v cancels. The probe Z and the LoRA start are any."""
    W0, T = (np.array([[values.get(name, 0.0), 1.0, -1.0]]) for name in ("w", "t"))
    p = LinearProblem(W0, T, values["c"], np.ones(1), np.eye(3)[0], bordered_numbers(values, "S"))
    A0, Z = np.array([[0.5, -0.3, 0.4]]), np.array([[0.3, 1.0, 0.7]])
    given = {"problem": p, "A0": A0, "other_A0": A0 + np.eye(3)[:1], "rank": 1, "Z": Z}
    return replace(draw(np.random.default_rng(0)), optimizer="sgd", **given)
