"""subspace-angle: two triples at once after looking, and what is promised before for m = d = q + 1 and every q.

sigma = 1 before looking. There the complement of the top q triples is one pair: Mᵀn = s r, M r = s n, s = ŝ_{q+1}.
"""

from __future__ import annotations

import numpy as np
import z3
from numpy import ndarray

from ..derivations import Core
from ..shared.reals import Values, at_cosine, definite, numbers, outer, plane, reals, square
from . import Instance

STRONG = 2.0  # strength of the second factor where a model is made an instance: it is identified exactly


def cores() -> list[Core[Instance]]:
    """The premises are norms of P_U T or T on one vector, not sines."""
    return [_after(), _before()]


def _after() -> Core[Instance]:
    """x = Û_Jᵀy for a unit y off U: (s₁x₁, s₂x₂) is V̂_Jᵀ Tᵀy, as yᵀM = yᵀT, so that it is no longer than tau.

    M = Û_J diag(s) with the last row x diag(s) that of T = y xᵀdiag(s): the other rows are N, of σ_q > 2 tau.
    """
    s, x, tau = reals("s", 2), reals("x", 2), z3.Real("tau")
    off2, tau2, moved = square(x), tau * tau, s * x
    N = np.array([[s[i] * s[j] * (int(i == j) - x[i] * x[j]) for j in range(2)] for i in range(2)], object)
    return Core(
        "a block of two",
        "left, after",
        "all reals, two triples",
        (
            *(s[0] >= s[1], s[1] > 0, off2 < 1, tau > 0, square(moved) <= tau2),
            *definite(N - np.array([[4 * tau2, 0], [0, 4 * tau2]], object)),
        ),
        off2 * s[1] * s[1] <= tau2,
        {"after, left: the largest value of the block": off2 * s[0] * s[0] <= tau2},
        _block,
    )


def _before() -> Core[Instance]:
    """p = ‖Uᵀn‖ the larger sine, q = ‖Vᵀr‖ (the mirror image has them change places), x = ‖NᵀUᵀn‖ >= p.

    ‖Tᵀn‖² = ‖s r − NᵀUᵀn‖² = s² − 2 s z + x² <= tau² with z = nᵀU N r <= q x, and s <= tau (Weyl).
    A false variant is asked for N = diag(1, 2), its first factor in the plane of n and u: x = p, z = p q.
    """
    p, q, x, z, s, tau, root = z3.Reals("p q x z s tau root")
    sine2, tau2 = p * p, tau * tau
    one_plane = z3.And(x == p, z == p * q, s * s - 2 * s * z + q * q <= tau2)

    def bound(rho2: z3.ArithRef, factor=1) -> z3.BoolRef:
        """sin 2 Theta <= 2 rho, Theta <= 45°."""
        return z3.Implies(one_plane, z3.And(2 * sine2 <= 1, factor * sine2 * (1 - sine2) <= rho2))

    return Core(
        "before looking",
        "left, before",
        "m = d = q + 1",
        (
            *(0 <= q, q <= p, p <= 1, x >= p, z <= q * x, s * s - 2 * s * z + x * x <= tau2),
            *(0 <= s, s <= tau, 0 < tau, 2 * tau < 1, root >= 0, root * root == 1 - 4 * tau2),
        ),
        2 * sine2 <= 1 - root,
        {
            "before, left: sin Theta <= tau/sigma": z3.Implies(one_plane, sine2 <= tau2),
            "before, left: the strongest factor for the weakest": bound(tau2, 4),
        },
        _planes,
    )


def _block(values: Values) -> Instance:
    s, x = numbers(values, "s", 2), numbers(values, "x", 2)
    # two columns of length one with the last row x: the root of I − x xᵀ on top
    eigenvalues, Q = np.linalg.eigh(np.eye(2) - np.outer(x, x))
    top: ndarray = Q * np.sqrt(eigenvalues.clip(0)) @ Q.T
    T = np.vstack([np.zeros((2, 2)), x * s])
    return Instance(T, np.eye(3)[:, :2], top * s, values["tau"], (0, 1))


def _planes(values: Values) -> Instance:
    n, r = at_cosine(values["p"]), at_cosine(values["q"])
    T, e = np.zeros((3, 3)), np.eye(3)
    T[:2, :2] = plane(n, r, values["s"], values["tau"]) - outer(e[0, :2], e[0, :2])
    return Instance(T, e[:, [0, 2]], np.array([e[0], STRONG * e[2]]), values["tau"], (0, 1))
