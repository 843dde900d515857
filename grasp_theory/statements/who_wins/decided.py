"""who-wins on the read side: its borders without a shift, and the floor under one, for two or three inputs.

v = e₁ and u = e₁; two outputs hold T v and u, whatever their number. Read GRASP is only said to be stationary: a row of
its error is (−t_i, y_i); the one row of naive's is (c, 0) with c = beta, post-hoc's are (−t_i, 0).
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import z3

from ...linear.problem import LinearProblem
from ..derivations import Core
from ..shared.reals import Values, bordered, bordered_numbers, numbers, reals, square
from . import Instance, draw

c, t = z3.Real("c"), reals("t", 2)


def cores() -> list[Core[Instance]]:
    """Risks are sums over the rows of the error; what compares sums needs two rows, what is additive one."""
    return [_row(), _between(), _floor()]


def _row() -> Core[Instance]:
    """The row along u, the others being those with c = 0."""
    Sigma, y = bordered("S"), reals("y0", 2)
    risk, task2, kappa, L = Sigma.risk(-t[0], y), t[0] * t[0], Sigma.kappa, Sigma.L
    return Core(
        "the row of read GRASP",
        "read GRASP, no shift",
        "m x 3",
        (*Sigma.definite, c > 0, *Sigma.fits(t[0] + c, y)),
        risk == task2 * kappa + c * c * L,
        {
            "no shift, read GRASP: kappa and L exchanged": risk == task2 * L + c * c * kappa,
            "no shift, read GRASP: kappa all of vᵀSigma v": risk == task2 * Sigma.h + c * c * L,
        },
        lambda values: _instance(values, "S"),
    )


def _between() -> Core[Instance]:
    Sigma, y = bordered("S", 1), reals("y", 2, 1)
    grasp, naive, posthoc = Sigma.risk(-t[0], y[0]) + Sigma.risk(-t[1], y[1]), c * c * Sigma.h, square(t) * Sigma.h
    return Core(
        "between naive and post-hoc",
        "not above both",
        "m x 2",
        (*Sigma.definite, c > 0, *Sigma.fits(t[0] + c, y[0]), *Sigma.fits(t[1], y[1])),
        z3.And(z3.Or(grasp <= naive, grasp <= posthoc), z3.Or(grasp >= naive, grasp >= posthoc)),
        {
            "read GRASP never loses to post-hoc": grasp <= posthoc,
            "read GRASP never loses to naive": grasp <= naive,
            "read GRASP the best of three": z3.And(grasp <= naive, grasp <= posthoc),
            "read GRASP at least the mean of the two": 2 * grasp >= naive + posthoc,
        },
        lambda values: _instance(values, "S", 1),
    )


def _floor() -> Core[Instance]:
    """Whatever an update with D v = 0 does off v, a row (−t, x) costs t²/(vᵀSigma_t⁻¹v) at least."""
    Sigma, deployed, x, y = bordered("S"), bordered("R"), reals("x0", 2), reals("y0", 2)
    risk, grasp, task2 = deployed.risk(-t[0], x), deployed.risk(-t[0], y), t[0] * t[0]
    return Core(
        "read floor",
        "read floor",
        "m x 3",
        (*Sigma.definite, c > 0, *Sigma.fits(t[0] + c, y), *deployed.definite),
        risk >= task2 * deployed.kappa,
        {
            "read: GRASP reaches the floor": grasp <= task2 * deployed.kappa,
            "read: post-hoc is never beaten by GRASP": grasp >= task2 * deployed.h,
        },
        lambda values: _instance(values, "R"),
    )


def _instance(values: Values, deployed: str, others: int = 2) -> Instance:
    """What T has off v cancels, or is matched: D_v is T and x there."""
    T = np.array([[0.0, 1.0, -1.0], [0.0, 0.5, 1.0]])[:, : others + 1]
    T[:, 0] = numbers(values, "t", 2)
    D_v, W0 = T + np.column_stack([-T[:, 0], numbers(values, "x", 2, others)]), np.ones(T.shape)
    S, R = (bordered_numbers(values, name, others) for name in ("S", deployed))
    p = LinearProblem(W0, T, values["c"], np.eye(2)[0], np.eye(others + 1)[0], S, R)
    return replace(draw(np.random.default_rng(0)), problem=p, D_u=p.P_u @ T, D_v=D_v)
