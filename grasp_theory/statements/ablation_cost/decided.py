"""ablation-cost, row by row and with three inputs: naive fine-tuning and GRASP-read are only said to be stationary.

v = e₁. A row of W0 v is w, of T v is t, of beta u is c. Naive fine-tuning is off M by (n, n') with (n, n') Sigma = 0;
ablated it errs by (−w − t, n'). GRASP-read errs by (−t, g). Risks are sums over rows.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import z3

from ...linear.problem import LinearProblem
from ..derivations import Core
from ..shared.reals import Values, bordered, bordered_numbers, equal, reals
from . import Instance, draw

SIGMA, DEPLOYED = bordered("S"), bordered("R")
n, off, g = z3.Real("n"), reals("o", 2), reals("g", 2)
w, t, c = z3.Reals("w t c")
NAIVE = (*SIGMA.definite, *(c > 0, SIGMA.h * n + SIGMA.b @ off == 0), *equal(SIGMA.b * n + SIGMA.l * off, 0))


def cores() -> list[Core[Instance]]:
    """One row; c > 0 is beta in the instance of one output. Sigma_t is written like Sigma."""
    kappa, L, lost, task = SIGMA.kappa, SIGMA.L, (w + t) * (w + t), t * t
    risk = DEPLOYED.risk(-w - t, off)
    more = SIGMA.risk(-w - t, off) - SIGMA.risk(-t, g)
    return [
        Core(
            "risk",
            "risk",
            "m x 3",
            (*NAIVE, *DEPLOYED.definite),
            risk == lost * DEPLOYED.h,
            {
                "training variance of vᵀx": risk == lost * SIGMA.h,
                "W0 v ⟂ T v: their squares add": risk == (w * w + task) * DEPLOYED.h,
                "only what v alone explains: 1/(vᵀSigma_t⁻¹v)": risk == lost * DEPLOYED.kappa,
            },
            _instance,
        ),
        Core(
            "against GRASP-read",
            "against GRASP, no shift",
            "m x 3",
            (*NAIVE, *SIGMA.fits(t + c, g)),
            more == (lost - task) * kappa + (lost - c * c) * L,
            {
                "GRASP wins iff ‖T v‖ < ‖(W0 + T) v‖ for every Sigma": more == (lost - task) * SIGMA.h,
                "kappa and L exchanged": more == (lost - task) * L + (lost - c * c) * kappa,
                "GRASP leaks the task's own T v too": more == (lost - task) * kappa + (lost - c * c - task) * L,
            },
            _instance,
        ),
    ]


def _instance(values: Values) -> Instance:
    """One output; what W0 and T have off v cancels."""
    W0, T = (np.array([[values.get(name, 0.0), 1.0, -1.0]]) for name in ("w", "t"))
    S, R = (bordered_numbers(values, name) for name in "SR")
    p = LinearProblem(W0, T, values["c"], np.ones(1), np.eye(3)[0], S, R if R.any() else S)
    return replace(draw(np.random.default_rng(0)), problem=p, Z=np.array([[0.3, 1.0, 0.7]]))
