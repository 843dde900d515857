"""theorem-1 for all reals: the step of the descent's bound, and the weight that errors in variables teach."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import z3

from ..derivations import Core
from .cores import errors_in_variables
from .descent import Run
from .draws import inputs, worst
from .instances import Instance


def cores() -> list[Core[Instance]]:
    """j: an eigenvalue of K Z, h = eta ‖Z‖², x = 1/(2 − h). core and z solve the normal equations of one core."""
    step: Any = z3.Reals("h j x")
    one: Any = z3.Reals("L nu kappa core z")
    (h, j, x), (L, nu, kappa, core, z) = step, one
    half: Any = z3.Or(j != 0, h + 2 * (1 - h) * j - (2 - h) * j * j <= 0.5)  # at the first step
    gain, den = h + 2 * (1 - h) * j - (2 - h) * j * j, 1 + nu - kappa * kappa
    first, second = (1 + nu) * core + kappa * z - L, kappa * core + z - kappa * L
    equations = (first <= 0, first >= 0, second <= 0, second >= 0)  # as equations z3 would solve them with a division
    sizes = (0.1 <= L, L <= 9, 0.1 <= kappa, kappa <= 0.9, 0.1 <= nu, nu <= 9)
    return [
        Core(
            "one step of descent",
            "descent",
            "all reals",
            (0 < h, h < 1, x * (2 - h) == 1),
            gain <= x,
            {"descent, constant 1/2 for steps of any size": half},
            first_step,
        ),
        Core(
            "one core",
            "curation",
            "all reals",
            (*sizes, *equations),
            z * den == nu * kappa * L,
            {
                "weight without the cores' share of z": z * (1 + nu) == nu * kappa * L,
                "z explained as by exact cores": z * (1 + nu) * (1 - kappa * kappa) == nu * kappa * L,
                "weight of the correlation": z == kappa * L,
                "weight without exact cores too": z * den == (1 + nu) * kappa * L,
            },
            one_core,
        ),
    ]


def base() -> Instance:
    """Two samples of two inputs."""
    i = worst(np.random.default_rng(0), 2, inputs(np.random.default_rng(0), 2, 2), rho=0.1)
    return replace(i, run=replace(i.run, step=i.run.step / 100))


def one_core(values: Mapping[str, float]) -> Instance:
    """Labels of one core with the model's numbers."""
    return replace(base(), cores=errors_in_variables(values["nu"], values["kappa"], norm=values["L"]))


def first_step(values: Mapping[str, float]) -> Instance:
    """One step of this h, A0 in the row of the task, both off v."""
    e, axis = np.eye(2)
    T, A0 = 0.2 * np.outer(axis, axis), axis[None]
    run = Run(None, A0, values["h"], 0.01, 1)
    return replace(base(), X=np.sqrt(2) * np.eye(2), T=T, u=e, v=e, beta=1.0, noise=0.0, run=run)
