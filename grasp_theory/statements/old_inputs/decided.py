"""old-inputs for one direction V = e₁ of three: the promise, the cost of an input, one input more, an always-on factor.

The update is a row (0, a): sums over outputs say the rest. Inverses are the solutions of their linear systems.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import z3
from numpy import ndarray

from ...linear.problem import psd_root
from ..derivations import Core
from ..shared.reals import Values, definite, equal, numbers, outer, reals, square, symmetric, symmetric_numbers
from . import STATEMENT
from .instances import Instance, draw


def cores() -> list[Core[Instance]]:
    """Least squares and least norms are only said to be stationary."""
    return [_promise(), _one_input(), _one_more(), _always_on()]


def _promise() -> Core[Instance]:
    """Off V the old inputs have mean mu and covariance C; λ I − (C + mu muᵀ) has no negative eigenvalue."""
    a, mu, C, (top, low, at_v) = reals("a", 2), reals("m", 2), symmetric("C"), z3.Reals("top low v")
    second = C + outer(mu, mu)
    moved = a @ second @ a

    def bounded(S: ndarray, value: z3.ArithRef) -> list[z3.BoolRef]:
        """λ_max(S) <= value."""
        first, last, off = value - S[0, 0], value - S[1, 1], S[0, 1]
        return [first >= 0, last >= 0, first * last >= off * off]

    return Core(
        "promise",
        "promise",
        "d = 3, k = 1",
        (*definite(C), square(a) > 0, at_v > 0, *bounded(second, top)),
        moved <= top * square(a),
        {
            # low is any bound of λ_max of the covariance
            "covariance for the second moment": z3.Implies(z3.And(*bounded(C, low)), moved <= low * square(a)),
            "no more than the least that V holds": moved <= at_v * square(a),
        },
        _with_old,
    )


def _one_input() -> Core[Instance]:
    """(0, a) is the least with a·x = y: along x off V. sin² ∠(x, V) is the share of ‖x‖² off V, at is x along V."""
    a, x, at, y = reals("a", 2), reals("x", 2), *z3.Reals("at y")
    size2, off2, all2 = square(a), square(x), square(x) + z3.Real("at") * z3.Real("at")
    return Core(
        "one input",
        "one input",
        "d = 3, k = 1",
        (off2 > 0, 1000 * off2 > all2, y != 0, a @ x == y, a[0] * x[1] == a[1] * x[0]),
        size2 * off2 == y * y,
        {
            "one input: cosine of the angle": size2 * at * at == y * y,
            "one input: squared sine": size2 * off2 * off2 == y * y * all2,
        },
        lambda values: _instance(X=np.array([values.get("at", 0.0), *numbers(values, "x", 2)]), Y=values["y"]),
    )


def _one_more() -> Core[Instance]:
    """f is what the update says of X; the misfit (f − y₀)² + (a f − y)² is least, of derivative 0."""
    a, f, wanted, y, w = z3.Reals("a f wanted y w")
    gap2, misfit2 = (wanted * a - y) * (wanted * a - y), (f - wanted) * (f - wanted) + (a * f - y) * (a * f - y)
    return Core(
        "one more input",
        "one more input",
        "one input and one more",
        (f - wanted + a * (a * f - y) == 0,),
        misfit2 * (1 + a * a) == gap2,
        {
            "one more input: w for a": misfit2 * (1 + w * w) == gap2,
            "one more input: V w shares the misfit": misfit2 * (1 + a * a + w * w) == gap2,
            "one more input can always be learnt": misfit2 == 0,
        },
        lambda values: _instance(
            Y=values.get("wanted", 0.0), **{name: np.array([values.get(name, 0.0)]) for name in ("a", "w", "y")}
        ),
    )


def _always_on() -> Core[Instance]:
    """The factor asks for g at inputs of mean mu, covariance C off V: a (C + mu muᵀ) = g muᵀ; C k = mu, h = mu·k."""
    a, mu, k, C, g = reals("a", 2), reals("m", 2), reals("k", 2), symmetric("C"), z3.Real("g")
    back, h = a @ mu, mu @ k
    return Core(
        "always-on",
        "always-on",
        "d = 3, k = 1",
        (*definite(C), square(mu) > 0, g > 0, *equal(a @ (C + outer(mu, mu)), mu * g), *equal(C @ k, mu)),
        back * (1 + h) == h * g,
        {
            "always-on: uncentred moment for C, h/(1 + 2h)": back * (1 + 2 * h) == h * g,
            "always-on: nothing returns, whatever the mean": back == 0,
        },
        _constant,
    )


def _with_old(values: Values) -> Instance:
    """Six inputs about the mean (0, mu), of variance v along V and covariance C off it."""
    C = np.diag([values["v"], 0.0, 0.0])
    C[1:, 1:] = symmetric_numbers(values, "C")
    mean, spread = np.append(0.0, numbers(values, "m", 2))[:, None], np.sqrt(3) * psd_root(C)
    old, row = np.hstack([mean + spread, mean - spread]), np.append(0.0, numbers(values, "a", 2))
    return _instance(old=old, dW=row[None])


def _constant(values: Values) -> Instance:
    Sigma = np.eye(3)
    Sigma[1:, 1:] = symmetric_numbers(values, "C")
    return _instance(Sigma=Sigma, X=np.append(0.0, numbers(values, "m", 2)), w=np.array([values["g"]]), U=np.eye(1))


def _instance(**given: ndarray | float) -> Instance:
    """A drawn instance of this size, turned such that V = e₁, with what is given put in."""
    rng = np.random.default_rng(0)
    while True:
        i = draw(rng)
        if (i.V.shape, i.X.shape, i.Y.shape) != ((3, 1), (3, 1), (1, 1)):
            continue
        B = np.column_stack([i.V, i.Q])
        turned = {"old": B.T @ i.old, "Sigma0": B.T @ i.Sigma0 @ B, "V": B.T @ i.V, "dW": i.dW @ B, "X": B.T @ i.X}
        turned |= {"Z": i.Z @ B, "T": i.T @ B, "R": B.T @ i.R, "Sigma": B.T @ i.Sigma @ B}
        i = replace(i, **turned)
        if "U" in given:
            given["R"] = i.V
        shapes = {"X": (3, 1), "Y": (1, 1)}
        given |= {name: np.reshape(given[name], shape) for name, shape in shapes.items() if name in given}
        i = replace(i, **given)
        i = replace(i, Sigma0=i.old @ i.old.T / i.old.shape[1])
        if not STATEMENT.broken(i):
            return i
