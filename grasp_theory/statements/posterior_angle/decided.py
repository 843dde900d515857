"""posterior-angle: its bounds for the triple of any matrix, and the second singular value of every 2 x 2 matrix."""

from __future__ import annotations

import numpy as np
import z3

from ..derivations import Core
from ..shared.reals import Values, no_longer, numbers, outer, plane, reals, square, turned
from . import Instance


def cores() -> list[Core[Instance]]:
    """beta = 1, u = v = e₁."""
    return [_any_triple(), _second_value()]


def _any_triple() -> Core[Instance]:
    """The proof's T v̂ = ŝ û − beta (vᵀv̂) u, which lies in the plane of u and û, is no longer than tau; Tᵀû alike.

    û and v̂ are written in the planes of u and û, of v and v̂, so that the size of M does not matter.
    """
    left, right, e = reals("a", 2), reals("e", 2), np.array([1, 0], object)
    sigma, tau = z3.Reals("sigma tau")
    moved, moved_back = left * sigma - e * right[0], right * sigma - e * left[0]
    sine2, value2, tau2 = left[1] * left[1], sigma * sigma, tau * tau
    return Core(
        "any triple",
        "left bound",
        "all reals",
        (
            *(square(left) == 1, square(right) == 1, sigma > 0, tau > 0),
            *(square(moved) <= tau2, square(moved_back) <= tau2),
        ),
        sine2 * value2 <= tau2,
        {
            "(tau/ŝ_i)²": sine2 * value2 * value2 <= tau2 * tau2,
            "left: the planted strength for the observed value": sine2 <= tau2,
            "left: the arctangent for the arcsine": sine2 * (tau2 + value2) <= tau2,
        },
        _completed,
    )


def _second_value() -> Core[Instance]:
    """M = sigma û v̂ᵀ + s û' v̂'ᵀ, 0 <= s <= sigma, and ‖M − u vᵀ‖₂ <= tau, all entries written out: ŝ₂ = s <= tau."""
    left, right = reals("a", 2), reals("e", 2)
    sigma, s, tau = z3.Reals("sigma s tau")
    T = outer(left, right) * sigma + outer(turned(left), turned(right)) * s - np.diag([1, 0]).astype(object)
    return Core(
        "the second value",
        "all the spectrum says of tau",
        "2 x 2",
        (square(left) == 1, square(right) == 1, 0 <= s, s <= sigma, sigma > 0, tau > 0, *no_longer(T, tau * tau)),
        s <= tau,
        {
            "spectrum: the second value lives off the factor": s * s <= T[1, 1] * T[1, 1],
            # ‖T e₂‖ <= ‖T‖₂, which the variant puts below ŝ₂
            "spectrum: the second value as an upper bound of the task": square(T[:, 1]) <= s * s,
        },
        _instance,
    )


def _completed(values: Values) -> Instance:
    """The rest of a 2 x 2 M chosen such that T has no more than norm tau."""
    left, right, sigma = numbers(values, "a", 2), numbers(values, "e", 2), values["sigma"]
    M = plane(left, right, sigma, values["tau"])
    return _make(M, values["tau"], 0 if sigma >= abs(turned(left) @ M @ turned(right)) else 1)


def _instance(values: Values) -> Instance:
    left, right, sigma, s = numbers(values, "a", 2), numbers(values, "e", 2), values["sigma"], values.get("s", 0.0)
    return _make(sigma * outer(left, right) + s * outer(turned(left), turned(right)), values["tau"], 0)


def _make(M: np.ndarray, tau: float, index: int) -> Instance:
    e = np.eye(2)[0]
    return Instance(M - outer(e, e), e, e, 1.0, M, tau, index)
