"""angle-forgiveness for 2 x 2 problems, and row by row: least squares behind the projection, of unknown entries.

u = v = e₁ and beta = 1, û = a and v̂ = e unit vectors. D and D(0) are not given by the projectors of the proof, but as
what least squares leaves: D is 0 along û (v̂), and its error M − D has no part that a change of D could take away.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import z3
from numpy import ndarray

from ..derivations import Core
from ..shared.reals import Values, equal, numbers, reals, square, turned
from . import Instance, draw

E = np.array([[1, 0], [0, 0]], object)  # u vᵀ


def cores() -> list[Core[Instance]]:
    """The responses and norms need no T: the shortcut's part F = D − D(0) is the fit of M − T = u vᵀ alone."""
    return [_response(), _norm(), _write_response(), _read_risk(), _risk()]


def _fitted(D: ndarray, M: ndarray, left: ndarray | None, right: ndarray | None) -> list[z3.BoolRef]:
    """D is the least-squares fit of M with ûᵀD = 0 and D v̂ = 0; no condition on a side that is None."""
    zero = [*(equal(left @ D, 0) if left is not None else []), *(equal(D @ right, 0) if right is not None else [])]
    error = D - M
    error = turned(left) @ error if left is not None else error
    return zero + equal(error @ turned(right) if right is not None else error, 0)


def _units(*vectors: ndarray) -> list[z3.BoolRef]:
    return [square(x) == 1 for x in vectors]


def _response() -> Core[Instance]:
    left, right, F = reals("a", 2), reals("e", 2), reals("F", 2, 2)
    cos2, sin2 = (left[0] * left[0], right[0] * right[0]), (left[1] * left[1], right[1] * right[1])
    found = F[0, 0]
    return Core(
        "response, both sides",
        "response, both",
        "all reals",
        (*_units(left, right), *_fitted(F, E, left, right)),
        found == sin2[0] * sin2[1],
        {
            "both: complement of the product of cosines": found == 1 - cos2[0] * cos2[1],
            "both: the better side alone": found == z3.If(sin2[0] < sin2[1], sin2[0], sin2[1]),
        },
        _instance,
    )


def _norm() -> Core[Instance]:
    """F has rank one, so that its norm is ‖F‖_F."""
    right, F = reals("e", 2), reals("F", 2, 2)
    found, sin2 = square(F), right[1] * right[1]
    return Core(
        "norm, read side",
        "norm, read",
        "all reals",
        (*_units(right), *_fitted(F, E, None, right)),
        z3.And(found == sin2, F[0, 0] * F[1, 1] == F[0, 1] * F[1, 0]),
        {
            "norm beta sin²θ": found == sin2 * sin2,
            # (2 − chord²)² = 4 cos²
            "chord 2 sin(θ/2) for sine": (2 - found) * (2 - found) == 4 * right[0] * right[0],
        },
        _instance,
    )


def _write_response() -> Core[Instance]:
    left, F, cos, sin = reals("a", 2), reals("F", 2, 2), *z3.Reals("cos sin")
    return Core(
        "response, write side",
        "response, write",
        "all reals",
        (
            *_units(left),
            *_fitted(F, E, left, None),
            *(cos >= 0, sin >= 0, cos * cos == left[0] * left[0], sin * sin == left[1] * left[1]),
        ),
        F[0, 0] == sin * sin,
        {"response beta (1 − cos θ)": F[0, 0] == 1 - cos, "response beta sin θ cos θ": F[0, 0] == sin * cos},
        _instance,
    )


def _read_risk() -> Core[Instance]:
    """Row by row, as the risk is a sum over rows: t and d a row of T and D, beta what the shortcut adds to it."""
    right, t, d, beta = reals("e", 2), reals("t", 2), reals("d", 2), z3.Real("beta")
    curated = t + np.array([beta, 0], object)
    risk, sine2, lost = square(d - t), right[1] * right[1], (t @ right) * (t @ right)
    added = beta * beta * sine2
    mixed = risk - added - lost
    return Core(
        "risk, read side",
        "risk, read",
        "m x 2",
        (*_units(right), beta > 0, d @ right == 0, (d - curated) @ turned(right) == 0),
        risk == added + lost,
        {
            "risk without the task lost": risk == added,
            "risk beta² sin⁴θ + ‖T v̂‖²": risk == added * sine2 + lost,
            "task lost along v instead of v̂": risk == added + t[0] * t[0],
            # (beta sin + ‖T v̂‖)²
            "norms add before squaring": z3.And(mixed >= 0, mixed * mixed == 4 * added * lost),
        },
        _instance,
    )


def _risk() -> Core[Instance]:
    """Everything in the frames û, û' and v̂, v̂': R is T there, D has the last entry d alone, and M's is R₁₁ + u₁ v₁."""
    left, right, R, d = reals("a", 2), reals("e", 2), reals("R", 2, 2), z3.Real("d")
    u, v = np.array([left[0], -left[1]], object), np.array([right[0], -right[1]], object)
    risk = square(np.array([[0, 0], [0, d]], object) - R)
    sine2, column, row = u[1] * u[1] * v[1] * v[1], square(R[:, 0]), square(R[0])
    return Core(
        "risk, both sides",
        "risk, both",
        "2 x 2",
        (*_units(left, right), d == R[1, 1] + u[1] * v[1]),
        risk == sine2 + column + row - R[0, 0] * R[0, 0],
        {"both: corner (ûᵀT v̂)² lost twice": risk == sine2 + column + row},
        _instance,
    )


def _instance(values: Values) -> Instance:
    """T is 0 where the core does without it."""
    left = numbers(values, "a", 2) if "a0" in values else np.array([0.6, 0.8])
    right = numbers(values, "e", 2) if "e0" in values else np.array([0.6, 0.8])
    frames = (np.column_stack([x, turned(x)]) for x in (left, right))
    T, e = next(frames) @ numbers(values, "R", 2, 2) @ next(frames).T, np.eye(2)[0]
    T[0] += numbers(values, "t", 2)
    given = {
        "T": T,
        "u": e,
        "v": e,
        "beta": values.get("beta", 1.0),
        **dict.fromkeys(("Sigma", "Sigma_t"), np.eye(2)),
        "r": 2,
    }
    return replace(draw(np.random.default_rng(0)), **given, u_hat=left, v_hat=right)
