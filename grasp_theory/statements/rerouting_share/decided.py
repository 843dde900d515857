"""rerouting-share: the share for 2 x 2 metrics, its bounds and Kantorovich's inequality for d = 2 and 3.

The minimum over D with uᵀD = 0 is taken by the procedure, from its stationarity; inverses are adjugates, as det H > 0.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import z3
from jaxtyping import Float
from numpy import ndarray

from ..derivations import Core
from ..shared.draws import orthonormal
from ..shared.reals import Values, adjugate, definite, numbers, reals, square, symmetric, symmetric_numbers, turned
from . import STATEMENT, Instance, draw

Numbers = Callable[[Values], tuple[Float[ndarray, "k k"], Float[ndarray, " k"]]]


def cores() -> list[Core[Instance]]:
    """Sigma and beta cancel in a share: the loss that is left, over the loss uᵀHu of doing nothing."""
    return [_share(), _bounds(), _kantorovich(2), _kantorovich(3), _chord()]


def _share() -> Core[Instance]:
    """u + x n with n ⟂ u: the loss that is left is the least over x of (u + x n)ᵀH(u + x n), of derivative 0 at it."""
    H, u, x = symmetric("H"), reals("u", 2), z3.Real("x")
    n = turned(u)
    off = u + n * x
    left, all_of_it, inverse = off @ H @ off, u @ H @ u, u @ adjugate(H) @ u
    trace, det, Hu = H[0, 0] + H[1, 1], H[0, 0] * H[1, 1] - H[0, 1] * H[0, 1], square(H @ u)
    return Core(
        "share",
        "share, write",
        "2 x 2",
        (*definite(H), square(u) == 1, n @ H @ off == 0),
        left * inverse == det,  # left = 1/(uᵀH⁻¹u)
        {
            "share = ((κ−1)/(κ+1))² for every u": (all_of_it - left) * trace * trace
            == all_of_it * (trace * trace - 4 * det),
            "sin² ∠(u, H u)": left * Hu == all_of_it * all_of_it * all_of_it,
        },
        _instance(lambda values: (symmetric_numbers(values, "H"), numbers(values, "u", 2))),
    )


def _bounds() -> Core[Instance]:
    """u = e₁, and the basis of u^⊥ such that PHP = diag(l); b = PHu. The best x is stationary, x_i l_i = −b_i."""
    h, b, l, x = z3.Real("h"), reals("b", 2), reals("l", 2), reals("x", 2)
    left = h + 2 * (b @ x) + l[0] * x[0] * x[0] + l[1] * x[1] * x[1]
    recovered = h - left
    return Core(
        "bounds of the share",
        "none only if P H u = 0",
        "d = 3",
        (l[0] > 0, l[1] >= l[0], x[0] * l[0] == -b[0], x[1] * l[1] == -b[1], left > 0),
        z3.And(recovered * l[1] >= square(b), recovered * l[0] <= square(b)),
        {
            "lower bound with λ_min(PHP)": recovered * l[0] >= square(b),
            "lower bound with the mean eigenvalue of PHP": recovered * (l[0] + l[1]) >= 2 * square(b),
        },
        _instance(_bordered),
    )


def _kantorovich(d: int) -> Core[Instance]:
    """The eigenvalues 1 = l₀ <= l₁ <= … <= κ of H and the squares w of u's parts: 1 − share = 1/(Σ w l · Σ w/l)."""
    l, w = reals("l", d), reals("w", d)
    others = [np.prod(np.delete(l, k)) for k in range(d)]  # Π l / l_k
    product, kappa, scale = (w @ l) * (w @ np.array(others, object)), l[d - 1], np.prod(l)
    share, root = product - scale, z3.Real("root")  # the share times the product, and √κ

    def at_most(k: z3.ArithRef) -> z3.BoolRef:
        """The share is <= ((k − 1)/(k + 1))²."""
        return share * (k + 1) * (k + 1) <= product * (k - 1) * (k - 1)

    return Core(
        f"Kantorovich, d = {d}",
        "Kantorovich",
        f"d = {d}",
        (
            *(l[0] == 1, sum(w) == 1, *(w[k] >= 0 for k in range(d)), *(l[k] <= l[k + 1] for k in range(d - 1))),
            *(root >= 0, root * root == kappa),
        ),
        at_most(kappa),
        {"condition number of H^½": at_most(root)},
        _instance(lambda values: _diagonal(values, d)),
    )


def _chord() -> Core[Instance]:
    """Any number of dimensions: eigenvalues in [1, κ], a = uᵀHu their mean under the weights of u, b = uᵀH⁻¹u.

    1/λ lies below its chord, 1/λ <= (1 + κ − λ)/κ, so that κ b <= 1 + κ − a.
    """
    a, b, kappa, root = (z3.Real(name) for name in ("a", "b", "kappa", "root"))

    def at_most(k: z3.ArithRef) -> z3.BoolRef:
        return (a * b - 1) * (k + 1) * (k + 1) <= (k - 1) * (k - 1) * a * b

    return Core(
        "Kantorovich by the chord",
        "Kantorovich",
        "all reals",
        (
            *(1 <= a, a <= kappa, b > 0, kappa > 1, kappa < 1000),
            *(kappa * b <= 1 + kappa - a, root >= 1, root * root == kappa),
        ),
        at_most(kappa),
        {"condition number of H^½": at_most(root)},
        _instance(_on_the_chord),
    )


def _on_the_chord(values: Values) -> tuple[Float[ndarray, "2 2"], Float[ndarray, "2"]]:
    """Eigenvalues 1 and κ with the weights that make uᵀHu = a: its b is the largest for this a."""
    weight = (values["a"] - 1) / (values["kappa"] - 1)
    return np.diag([1.0, values["kappa"]]), np.sqrt([1 - weight, weight])


def _diagonal(values: Values, d: int) -> tuple[Float[ndarray, "d d"], Float[ndarray, " d"]]:
    return np.diag(numbers(values, "l", d)), np.sqrt(numbers(values, "w", d))


def _bordered(values: Values) -> tuple[Float[ndarray, "3 3"], Float[ndarray, "3"]]:
    H, b = np.diag([values["h"], *numbers(values, "l", 2)]), numbers(values, "b", 2)
    H[0, 1:] = H[1:, 0] = b
    return H, np.eye(3)[0]


def _instance(of: Numbers) -> Callable[[Values], Instance]:
    """A drawn instance with this metric and u; further dimensions get an eigenvalue of the metric, u none of them."""

    def make(values: Values) -> Instance:
        (H, u), rng = of(values), np.random.default_rng(0)
        while True:
            i = draw(rng)
            n, k = len(i.u), len(u)
            if n < k:
                continue
            Q, wide = orthonormal(rng, n, n), float(np.linalg.eigvalsh(H)[0]) * np.eye(n)
            wide[:k, :k] = H
            i = replace(i, H=Q @ wide @ Q.T, u=Q[:, :k] @ u)
            if not STATEMENT.broken(i):
                return i

    return make
