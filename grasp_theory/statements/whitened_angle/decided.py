"""whitened-angle: the read functional and the written direction, for any triple of X = G M S and roots of 2 x 2.

u = v = e₁. G and S are triangular by rotations that turn û or v̂ alone. Inverses are solutions of their systems.
"""

from __future__ import annotations

import numpy as np
import z3
from numpy import ndarray

from ..derivations import Core
from ..shared.reals import Values, equal, numbers, reals, square
from . import Instance, make


def cores() -> list[Core[Instance]]:
    """The two are transposes of each other, with different false variants."""
    return [_read(), _written()]


def _pulled(root: ndarray) -> tuple[ndarray, z3.ArithRef, ndarray, ndarray, list[z3.BoolRef]]:
    """(t, beta, m, f, premises): m = t + beta e₁ is Mᵀ of û (M of v̂), with t that of T; ŝ x = rootᵀm, rootᵀf = x."""
    t, x, f, (beta, value) = reals("t", 2), reals("x", 2), reals("f", 2), z3.Reals("beta value")
    root[0, 1] = 0
    m = t + np.array([beta, 0], object)
    premises = [root[0, 0] > 0, root[1, 1] > 0, beta > 0, value > 0, square(x) == 1]
    return t, value, m, f, [*premises, *equal(root.T @ m, x * value), *equal(root.T @ f, x)]


def _read() -> Core[Instance]:
    """S the root, û = 1 for an instance of one output; f = (S⁺)ᵀv̂."""
    S, x = reals("S", 2, 2), reals("x", 2)
    t, value, m, f, premises = _pulled(S)
    pattern = S @ x
    return Core(
        "read functional",
        "read functional",
        "m x 2",
        tuple(premises),
        f[1] * f[1] * square(m) == t[1] * t[1] * square(f),
        {
            "read: divided by the singular value": f[1] * f[1] * value * value == t[1] * t[1] * square(f),
            "S v̂ is the read functional": pattern[1] * pattern[1] * square(m) == t[1] * t[1] * square(pattern),
        },
        lambda values: _row(values, numbers(values, "S", 2, 2)),
    )


def _written() -> Core[Instance]:
    """Gᵀ the root, v̂ = 1 for an instance of one input; f = G⁺û."""
    root, x = reals("G", 2, 2), reals("x", 2)
    t, _, m, f, premises = _pulled(root)
    seen = root @ x
    return Core(
        "written direction",
        "written direction",
        "2 x d",
        tuple(premises),
        f[1] * f[1] * square(m) == t[1] * t[1] * square(f),
        {"û is the written direction": seen[1] * seen[1] * square(m) == t[1] * t[1] * square(seen)},
        lambda values: _column(values, numbers(values, "G", 2, 2).T),
    )


def _row(values: Values, S: ndarray) -> Instance:
    """One output."""
    one = np.eye(1)
    return make(numbers(values, "t", 2)[None], one[0], np.eye(2)[0], values["beta"], one, np.tril(S), r=1)


def _column(values: Values, G: ndarray) -> Instance:
    """One input."""
    one = np.eye(1)
    return make(numbers(values, "t", 2)[:, None], np.eye(2)[0], one[0], values["beta"], np.triu(G), one, r=1)
