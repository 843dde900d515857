"""minimax-angle by its geometry: the two worlds and the cap against any answer, and the task of rank one.

q = 1. An answer outside the plane of the worlds is only further off, and the cap is met in the plane of x and the
answer, so that two coordinates say all of it.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import z3
from numpy import ndarray

from ..derivations import Core
from ..shared.reals import Values, at_cosine, equal, numbers, outer, reals, square, turned
from . import Instance, Task, make


def cores() -> list[Core[Instance]]:
    """beta = 1, L = R = e₁, K = Q = e₂ and x = v = e₁."""
    return [_lower(), _cost(), _rank_one_upper(), _rank_one_lower()]


def _worlds() -> tuple[z3.ArithRef, z3.ArithRef, z3.ArithRef, list, list[ndarray]]:
    """cos, sin of theta, rho, sin 2 theta = 2 rho with theta <= 45°, and U₁, U₂ (which are V₁, V₂ too)."""
    c, s, rho = z3.Reals("c s rho")
    premises = [0 <= s, s <= c, c * c + s * s == 1, 2 * s * c == 2 * rho, 0 < rho, 2 * rho < 1]
    return c, s, rho, premises, [np.array([c, sign * s], object) for sign in (1, -1)]


def _lower() -> Core[Instance]:
    """Whatever the answer w, u is theta or more off it in one of the worlds; 2 sin² theta = 1 − √(1 − 4 rho²)."""
    c, s, rho, premises, U = _worlds()
    w, root = reals("w", 2), z3.Real("root")

    def missed(least, factor=1) -> z3.BoolRef:
        return z3.Or(*(factor * (1 - (w @ u) * (w @ u)) >= least for u in U))

    return Core(
        "two worlds",
        "lower",
        "all reals, q = 1",
        (*premises, square(w) <= 1, root >= 0, root * root == 1 - 4 * rho * rho),
        missed((1 - root) / 2),
        {
            "lower: the angle between the worlds, not half of it": missed(4 * rho * rho),
            "lower: the tangent of theta": missed(s * s, c * c),
            "lower: everything lost from rho = 1/3 on": z3.Implies(3 * rho >= 1, missed(1)),
            "value tau/(beta − tau)": missed(rho * rho, (1 - rho) * (1 - rho)),
        },
        _among_worlds,
    )


def _cost() -> Core[Instance]:
    """Both worlds show one matrix, and no vector y is stretched by T = ½(U₂V₂ᵀ − U₁V₁ᵀ) but by rho exactly."""
    _, s, rho, premises, (first, second) = _worlds()
    y = reals("y", 2)
    T = (outer(second, second) - outer(first, first)) * z3.Q(1, 2)
    shown = equal(T + outer(first, first), outer(second, second) - T)
    stretched = square(T @ y)
    return Core(
        "price of a world",
        "each costs tau",
        "all reals, q = 1",
        (*premises, square(y) == 1),
        z3.And(stretched == rho * rho, *shown),
        {"cost: beta sin theta for half of beta sin 2 theta": stretched == s * s},
        lambda values: _asked(values["rho"], np.array([1.0, 0.0])),
    )


def _rank_one_upper() -> Core[Instance]:
    """T = rho p qᵀ in the plane of u = e₁ and p, so that M has the rows v + rho p₁ q and rho p₂ q; k = vᵀq, e = qᵀv̂₁.

    The premises are the proof's: the second row of M v̂ = ŝ₁ û, to which u does not contribute, and ŝ₁ >= ‖Mᵀw‖ for
    the unit vector w ⟂ p. A false variant is asked where q = v, so that M = (u + rho p) vᵀ has no other triple.
    """
    rho, sigma, k, e = z3.Reals("rho sigma k e")
    p, a = reals("p", 2), reals("a", 2)
    G = outer(p, p) * (rho * rho) + np.array([[1 + 2 * rho * k * p[0], rho * k * p[1]], [rho * k * p[1], 0]], object)
    w, alone = turned(p), z3.And(k == 1, e == 1, *equal(a * sigma, p * rho + np.array([1, 0], object)))
    sine2, rho2 = a[1] * a[1], rho * rho
    return Core(
        "rank one, upper",
        "rank one, upper",
        "all reals",
        (
            *(square(p) == 1, square(a) == 1, -1 <= k, k <= 1, -1 <= e, e <= 1, 0 < rho, rho < 1, sigma > 0),
            *(rho * p[1] * e == a[1] * sigma, sigma * sigma >= w @ G @ w),
        ),
        sine2 <= rho2,
        {
            "rank one: tan for sin": z3.Implies(alone, sine2 * (1 + rho2) <= rho2),
            # 2 sin² <= 1 − √(1 − rho²) of the half arc sin, the root squared away
            "rank one: half of the arc": z3.Implies(
                alone, z3.And(2 * sine2 <= 1, (1 - 2 * sine2) * (1 - 2 * sine2) >= 1 - rho2)
            ),
        },
        _planted,
    )


def _rank_one_lower() -> Core[Instance]:
    """M = √(1−rho²) x vᵀ is T + u vᵀ for u on the other side of x from w, at arcsin rho from x or at 90° from w."""
    c, rho, root = z3.Reals("c rho root")
    w, u = reals("w", 2), reals("u", 2)
    missed, T = 1 - (u @ w) * (u @ w), np.array([c, 0], object) - u
    at_rho, at_right_angle = z3.And(u[1] == -rho, rho <= w[0]), z3.And(u @ w == 0, rho >= w[0])
    return Core(
        "rank one, lower",
        "rank one, lower",
        "all reals",
        (
            *(square(w) == 1, w[0] >= 0, w[1] >= 0, square(u) == 1, u[0] >= 0, u[1] <= 0),
            *(c >= 0, rho > 0, c * c + rho * rho == 1, z3.Or(at_rho, at_right_angle)),
            *(root >= 0, z3.Implies(2 * rho < 1, root * root == 1 - 4 * rho * rho)),
        ),
        z3.And(missed >= rho * rho, square(T) <= rho * rho),
        {
            "rank one: nobody does better than for any task": z3.Implies(2 * rho < 1, 2 * missed >= 1 - root),
            "rank one: tan of the cone's angle as a lower bound": z3.Implies(
                2 * rho * rho < 1, missed * (1 - rho * rho) >= rho * rho
            ),
        },
        lambda values: _asked(values["rho"], numbers(values, "w", 2)),
    )


def _asked(rho: float, w: ndarray) -> Instance:
    """Worlds and cap at this rho in the first two dimensions, and the answer w."""
    i = make(np.random.default_rng(0), 1.0, rho, np.eye(len(w))[:, :2], np.eye(2), 0.0)
    return replace(i, answers=[[w[:, None]]] * 2)


def _among_worlds(values: Values) -> Instance:
    """What w lacks to a unit vector goes out of the plane of the worlds."""
    w = numbers(values, "w", 2)
    return _asked(values["rho"], np.append(w, np.sqrt(max(1 - w @ w, 0.0))))


def _planted(values: Values) -> Instance:
    """The task of rank one in the planes of u and p, v and q."""
    e = np.eye(2)
    T = values["rho"] * outer(numbers(values, "p", 2), at_cosine(values.get("k", 0.0)))
    return replace(_asked(values["rho"], e[0]), rank_one=Task(T, e[:, :1], e[:, :1]))
