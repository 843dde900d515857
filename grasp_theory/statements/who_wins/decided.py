"""who-wins on the read side: its borders without a shift, and the floor under one, for two or three inputs.

v = e₁ and u = e₁; two outputs hold T v and u, whatever their number. Read GRASP is only said to be stationary: a row of
its error is (−t_i, y_i); the one row of naive's is (c, 0) with c = beta, post-hoc's are (−t_i, 0).
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import z3
from numpy import ndarray

from ...linear.problem import LinearProblem
from ..derivations import Core
from ..shared.reals import Bordered, Values, bordered, bordered_numbers, numbers, reals, square
from . import Instance, draw

c, t = z3.Real("c"), reals("t", 2)


def _grasp(Sigma: Bordered, y: ndarray) -> list[z3.BoolRef]:
    """Its rows of the error off v; Sigma ≻ 0."""
    return [*Sigma.definite, c > 0, *Sigma.fits(t[0] + c, y[0]), *Sigma.fits(t[1], y[1])]


def _risk(Sigma: Bordered, rest: ndarray) -> z3.ArithRef:
    """Of the error with D v = 0 and these rows off v."""
    return Sigma.risk(-t[0], rest[0]) + Sigma.risk(-t[1], rest[1])


def cores() -> list[Core[Instance]]:
    """Risks are sums over the rows of the error."""
    return [_row(), _between(), _floor()]


def _row() -> Core[Instance]:
    Sigma, y = bordered("S"), reals("y", 2, 2)
    risk, task2, kappa, L = _risk(Sigma, y), square(t), Sigma.kappa, Sigma.L
    return Core(
        "the row of read GRASP",
        "read GRASP, no shift",
        "m x 3",
        tuple(_grasp(Sigma, y)),
        risk == task2 * kappa + c * c * L,
        {
            "no shift, read GRASP: kappa and L exchanged": risk == task2 * L + c * c * kappa,
            "no shift, read GRASP: kappa all of vᵀSigma v": risk == task2 * Sigma.h + c * c * L,
        },
        lambda values: _instance(values, "S"),
    )


def _between() -> Core[Instance]:
    Sigma, y = bordered("S", 1), reals("y", 2, 1)
    grasp, naive, posthoc = _risk(Sigma, y), c * c * Sigma.h, square(t) * Sigma.h
    return Core(
        "between naive and post-hoc",
        "not above both",
        "m x 2",
        tuple(_grasp(Sigma, y)),
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
    """Whatever an update with D v = 0 does off v, its rows (−t_i, x_i) cost ‖T v‖²/(vᵀSigma_t⁻¹v) at least."""
    Sigma, deployed, x, y = bordered("S"), bordered("R"), reals("x", 2, 2), reals("y", 2, 2)
    risk, grasp, floor = _risk(deployed, x), _risk(deployed, y), square(t) * deployed.kappa
    return Core(
        "read floor",
        "read floor",
        "m x 3",
        (*_grasp(Sigma, y), *deployed.definite),
        risk >= floor,
        {
            "read: GRASP reaches the floor": grasp <= floor,
            "read: post-hoc is never beaten by GRASP": grasp >= square(t) * deployed.h,
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
