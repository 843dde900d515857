"""identify-then-remove for the top triple of any matrix: what of the shortcut is left, the risk, the reliance.

beta = 1 and u = v = e₁; û = a and v̂ = e in the planes of u and û, of v and v̂; sigma = ŝ₁ and s = ŝ₂. The premises are
those of the two angle theorems, ‖T v̂‖, ‖Tᵀû‖ <= tau with T v̂ = ŝ₁ û − u (vᵀv̂) written out, not their conclusions.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import z3

from ..derivations import Core
from ..shared.reals import Values, at_cosine, no_longer, numbers, outer, plane, reals, square, turned
from . import Instance, draw

left, right = reals("a", 2), reals("e", 2)
sigma, tau, root = z3.Reals("sigma tau root")
E1 = np.array([1, 0], object)
SHORTCUT = outer(E1, E1)
BOTH_ENDS = (
    *(square(left) == 1, square(right) == 1, tau > 0, 2 * tau < 1, 1 - tau <= sigma, sigma <= 1 + tau),
    *(square(left * sigma - E1 * right[0]) <= tau * tau, square(right * sigma - E1 * left[0]) <= tau * tau),
)
SIDES = (SHORTCUT - outer(left, left @ SHORTCUT), SHORTCUT - outer(SHORTCUT @ right, right))  # P_û u vᵀ, u vᵀP_v̂


def cores() -> list[Core[Instance]]:
    """T in the plane is completed to norm tau where a model is made an instance."""
    responses, norms = [F[0, 0] for F in SIDES], [square(F) for F in SIDES]  # F of rank one

    def both(measured: list, bound, factor=1) -> z3.BoolRef:
        return z3.And(*(factor * x <= bound for x in measured))

    tau2, value2 = tau * tau, sigma * sigma
    risk = square(outer(left, right) * sigma - SHORTCUT)  # D − T = u vᵀ − ŝ₁ û v̂ᵀ
    return [
        Core(
            "response after looking",
            "response, a posteriori",
            "all reals",
            BOTH_ENDS,
            both(responses, tau2, value2),
            {"ŝ1 for beta in front: tau²/ŝ1": both(responses, tau2, sigma)},
            _completed,
        ),
        _before(),
        Core(
            "norm after looking",
            "norm, a posteriori",
            "all reals",
            BOTH_ENDS,
            both(norms, tau2, value2),
            {
                "norm at most tau, as if ŝ1 >= beta": both(norms, tau2),
                "norm as second order as the response": both(norms, tau2 * tau2, value2 * value2),
            },
            _completed,
        ),
        Core(
            "risk",
            "risk",
            "all reals",
            BOTH_ENDS,
            value2 * risk <= tau2 * (value2 + 1),
            {
                "risk 2 tau², as if ŝ1 >= beta": risk <= 2 * tau2,
                "risk with the response squared: tau² + beta² (tau/ŝ1)⁴": value2 * value2 * (risk - tau2)
                <= tau2 * tau2,
            },
            _completed,
        ),
        _reliance(),
    ]


def _before() -> Core[Instance]:
    """p <= q the overlaps uᵀû and vᵀv̂ in their order (or the other way round), of which ‖T v̂‖² or ‖Tᵀû‖² is made."""
    p, q = z3.Reals("p q")
    tau2 = tau * tau
    return Core(
        "response before looking",
        "response, a priori",
        "all reals",
        (
            *(0 <= p, p <= q, q <= 1, 0 < tau, 2 * tau < 1, 1 - tau <= sigma, sigma <= 1 + tau),
            *(sigma * sigma + q * q - 2 * sigma * p * q <= tau2, root >= 0, root * root == 1 - 4 * tau2),
        ),
        2 * (1 - p * p) <= 1 - root,
        {
            "response, a priori: tau²/beta": 1 - p * p <= tau2,
            "a priori to fourth order: beta (rho² + rho⁴)": 1 - p * p <= tau2 + tau2 * tau2,
        },
        _with_overlaps,
    )


def _reliance() -> Core[Instance]:
    """D = s û' v̂'ᵀ in the plane, s <= tau by Weyl. A false variant is asked under ‖T‖₂ <= tau for all entries of T."""
    s = z3.Real("s")
    D = outer(turned(left), turned(right)) * s
    tau2, value2, s2 = tau * tau, sigma * sigma, s * s
    found2 = D[0, 0] * D[0, 0]
    scaled2 = found2 * value2 * value2  # (ŝ₁² |uᵀD v|)²
    within = z3.And(*no_longer(outer(left, right) * sigma + D - SHORTCUT, tau2))
    return Core(
        "reliance",
        "reliance left in all",
        "2 x 2",
        (*BOTH_ENDS, s >= 0, s <= tau),
        scaled2 <= s2 * tau2 * tau2,
        {
            "reliance left in all: fourth order": z3.Implies(within, scaled2 * value2 <= s2 * tau2 * tau2 * tau2),
            "reliance with beta for ŝ1": z3.Implies(within, found2 <= s2 * tau2 * tau2),
        },
        _whole,
    )


def _with_overlaps(values: Values) -> Instance:
    M = plane(at_cosine(values["p"]), at_cosine(values["q"]), values["sigma"], values["tau"])
    return _make(M, values["tau"])


def _completed(values: Values) -> Instance:
    return _make(plane(numbers(values, "a", 2), numbers(values, "e", 2), values["sigma"], values["tau"]), values["tau"])


def _whole(values: Values) -> Instance:
    a, e = numbers(values, "a", 2), numbers(values, "e", 2)
    return _make(values["sigma"] * outer(a, e) + values["s"] * outer(turned(a), turned(e)), values["tau"])


def _make(M: np.ndarray, tau: float) -> Instance:
    e = np.eye(2)[0]
    given = {"T": M - outer(e, e), "u": e, "v": e, "beta": 1.0, "tau": tau, "Sigma": np.eye(2), "r": 2}
    return replace(draw(np.random.default_rng(0)), **given)
