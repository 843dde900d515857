"""scalar-output: the worst case in the plane of v and Tᵀc; a projector c cᵀ leaves a 2 x 2 matrix one value."""

from __future__ import annotations

import numpy as np
import z3

from ..derivations import Core
from ..shared.reals import Values, numbers, outer, reals, square
from . import Instance


def cores() -> list[Core[Instance]]:
    """beta = 1, v = e₁."""
    return [_worst_case(), _one_component()]


def _worst_case() -> Core[Instance]:
    """t = Tᵀc in the plane, x = t + v is not 0 and v̂ is any unit vector along it; the sine is its part off v."""
    t, v_hat = reals("t", 2), reals("e", 2)
    x = t + np.array([1, 0], object)
    task2, sine2 = square(t), v_hat[1] * v_hat[1]
    return Core(
        "worst case",
        "worst case",
        "all reals",
        (square(x) > 0, square(v_hat) == 1, v_hat[0] * x[1] == v_hat[1] * x[0]),
        sine2 <= task2,
        {
            "complexity helps: ‖t‖/(√2 beta)": 2 * sine2 <= task2,
            "worst case at a right angle between task and factor": sine2 * (1 + task2) <= task2,
            "worst case: the task off v is all that counts": sine2 <= t[1] * t[1],
            "worst case squared": z3.Implies(task2 <= 1, sine2 <= task2 * task2),
        },
        lambda values: Instance(numbers(values, "t", 2)[None], np.ones(1), np.eye(2)[0], 1.0, np.eye(1)),
    )


def _one_component() -> Core[Instance]:
    """The singular values of c xᵀ are known by ‖.‖_F² = s₁² + s₂² and s₁ s₂ = |det|, here of entries."""
    t, c, u, (first, second) = reals("t", 2), reals("c", 2), reals("u", 2), z3.Reals("s1 s2")
    seen = outer(c, t + np.array([c @ u, 0], object))
    det = seen[0, 0] * seen[1, 1] - seen[0, 1] * seen[1, 0]
    task2, strength2 = square(t), (c @ u) * (c @ u)
    mixed = first * first - task2 - strength2
    return Core(
        "one component",
        "one component",
        "2 x 2",
        (
            *(square(c) == 1, square(u) == 1, first >= second, second >= 0, first > 0),
            *(first * first * second * second == det * det, first * first + second * second == square(seen)),
        ),
        second == 0,
        {
            "one component: task and factor add up orthogonally": mixed == 0,
            # s₁ = t + |b|, squared twice
            "one component for each of task and factor": mixed * mixed == 4 * task2 * strength2,
        },
        _seen,
    )


def _seen(values: Values) -> Instance:
    c = numbers(values, "c", 2)
    return Instance(outer(c, numbers(values, "t", 2)), numbers(values, "u", 2), np.eye(2)[0], 1.0, outer(c, c))
