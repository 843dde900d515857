"""Vectors and matrices of real unknowns for the decision procedure, and the numbers of a model as arrays."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import z3
from jaxtyping import Float
from numpy import ndarray

Values = Mapping[str, float]


def reals(name: str, *shape: int) -> ndarray:
    """Unknowns ``name0``, ``name1``, … (or ``name00``, …) as an array that @ and + take."""
    return np.array([z3.Real(f"{name}{''.join(map(str, at))}") for at in np.ndindex(*shape)], object).reshape(shape)


def numbers(values: Values, name: str, *shape: int) -> ndarray:
    """The values of ``reals(name, *shape)``; an unknown that the model leaves open is 0."""
    found = [values.get(f"{name}{''.join(map(str, at))}", 0.0) for at in np.ndindex(*shape)]
    return np.array(found, float).reshape(shape)


def equal(left: Any, right: Any) -> list[Any]:
    """The entries agree."""
    left, right = np.broadcast_arrays(np.asarray(left, object), np.asarray(right, object))
    return [a == b for a, b in zip(left.ravel(), right.ravel(), strict=True)]


def every(left: Any, right: Any) -> Any:
    """One formula: the entries agree."""
    return z3.And(*equal(left, right))


def square(x: ndarray) -> Any:
    """Sum of the squared entries."""
    return sum(entry * entry for entry in x.ravel())


def no_longer(T: ndarray, bound2: Any) -> list[Any]:
    """‖T‖₂² <= bound2 for a matrix of two columns: bound2 I − TᵀT has no negative eigenvalue."""
    G = T.T @ T
    a, c = bound2 - G[0, 0], bound2 - G[1, 1]
    return [a >= 0, c >= 0, a * c >= G[0, 1] * G[0, 1]]


def definite(S: ndarray) -> list[Any]:
    """S, 2 x 2 and symmetric, is positive definite."""
    return [S[0, 0] > 0, S[0, 0] * S[1, 1] > S[0, 1] * S[0, 1]]


def symmetric(name: str) -> ndarray:
    """A symmetric 2 x 2 matrix of unknowns ``name00``, ``name01``, ``name11``."""
    a, b, c = z3.Reals(f"{name}00 {name}01 {name}11")
    return np.array([[a, b], [b, c]], object)


def symmetric_numbers(values: Values, name: str) -> Float[ndarray, "2 2"]:
    """The values of ``symmetric(name)``."""
    a, b, c = (values.get(f"{name}{at}", 0.0) for at in ("00", "01", "11"))
    return np.array([[a, b], [b, c]])


def adjugate(S: ndarray) -> ndarray:
    """det(S) S⁻¹ of a 2 x 2 matrix."""
    return np.array([[S[1, 1], -S[0, 1]], [-S[1, 0], S[0, 0]]], S.dtype)


@dataclass(frozen=True)
class Bordered:
    """Sigma with v = e₁ and the other inputs in the basis where their moment is diagonal: [[h, bᵀ], [b, diag(l)]].

    ell : the regression of vᵀx on the others, ell_i l_i = b_i. Sigma ≻ 0 means l > 0 and h > ell·b.
    """

    h: z3.ArithRef
    b: ndarray
    l: ndarray
    ell: ndarray

    @property
    def definite(self) -> list[Any]:
        """Sigma ≻ 0, and what ell is."""
        return [*(value > 0 for value in self.l), *equal(self.ell * self.l, self.b), self.kappa > 0]

    @property
    def L(self) -> Any:
        """ell Sigma ellᵀ, what the others explain of vᵀx."""
        return self.ell @ self.b

    @property
    def kappa(self) -> Any:
        """1/(vᵀ Sigma⁻¹ v), the Schur complement."""
        return self.h - self.L

    def risk(self, first: Any, rest: ndarray) -> Any:
        """E Sigma Eᵀ of a row E."""
        return self.h * first * first + 2 * first * (self.b @ rest) + sum(self.l * rest * rest)

    def fits(self, lacking: Any, rest: ndarray) -> list[Any]:
        """The error (−lacking, rest) of least squares on the others alone is uncorrelated with them."""
        return equal(self.l * rest, self.b * lacking)


def bordered(name: str, others: int = 2) -> Bordered:
    """Such a moment of unknowns."""
    return Bordered(z3.Real(f"{name}h"), *(reals(f"{name}{part}", others) for part in ("b", "l", "e")))


def bordered_numbers(values: Values, name: str, others: int = 2) -> Float[ndarray, "d d"]:
    """The values of ``bordered(name, others)`` as Sigma."""
    S = np.diag([values.get(f"{name}h", 0.0), *numbers(values, f"{name}l", others)])
    S[0, 1:] = S[1:, 0] = numbers(values, f"{name}b", others)
    return S


def at_cosine(cosine: float) -> Float[ndarray, "2"]:
    """The unit vector with this first entry, the other not below 0."""
    return np.array([cosine, np.sqrt(max(1 - cosine**2, 0.0))])


def turned(x: ndarray) -> ndarray:
    """The vector of the plane a quarter turn on."""
    return np.array([-x[1], x[0]], x.dtype)


def outer(x: ndarray, y: ndarray) -> ndarray:
    """x yᵀ."""
    return x[:, None] * y[None, :]


def plane(u_hat: Float[ndarray, "2"], v_hat: Float[ndarray, "2"], sigma: float, tau: float) -> Float[ndarray, "2 2"]:
    """M = sigma û v̂ᵀ + s û' v̂'ᵀ with ‖M − e₁ e₁ᵀ‖₂ <= tau, |s| small; it takes that T v̂ and Tᵀû are no longer.

    By the theorem of Davis, Kahan and Weinberger: [[A, B], [C, X]] has norm <= tau iff X is within
    tau √((1 − B²/g)(1 − C²/g)) of −ABC/g, g = tau² − A².
    """
    u_next, v_next = turned(u_hat), turned(v_hat)
    A, B, C = sigma - u_hat[0] * v_hat[0], -u_hat[0] * v_next[0], -u_next[0] * v_hat[0]
    g = max(tau**2 - A**2, np.finfo(float).tiny)
    radius = tau * np.sqrt(max(1 - B * B / g, 0.0) * max(1 - C * C / g, 0.0))
    others = u_next[0] * v_next[0]
    s = -others if g < 1e-12 * tau**2 else float(np.clip(-others, -A * B * C / g - radius, -A * B * C / g + radius))
    return sigma * outer(u_hat, v_hat) + (s + others) * outer(u_next, v_next)
