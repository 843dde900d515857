"""Part 3 of theorem-1: two worlds with one data set, and how well the best answer can do in Gaussian noise."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from jaxtyping import Float
from numpy import ndarray
from scipy.stats import poisson

from ..shared.draws import Planted, sharp
from .instances import Instance

TRIALS = 200  # layers with a hidden factor


def worlds(i: Instance) -> tuple[Planted, Planted]:
    """Two explanations of the data: u = L cos theta ± K sin theta, v along cos theta p₁/l₁ ± sin theta p₂/l₂.

    T = ∓ tau (L q₂ᵀ + K q₁ᵀ) Ŝ⁺. p, l : left singular vectors and values of Ŝ; its right ones are the axes q₁, q₂.
    """
    rho = i.task / i.b
    s = sharp(rho)
    c, (L, K) = np.sqrt(1 - s * s), i.frame.T
    l = np.linalg.norm(i.S, axis=0)[:2]
    P = i.S[:, :2] / l
    found = []
    for sign in (1, -1):
        v = P @ (np.array([c, sign * s]) / l)
        T = -sign * i.task * (np.outer(L, i.S_inverse[1]) + np.outer(K, i.S_inverse[0]))
        found.append(Planted(T, c * L + sign * s * K, v / np.linalg.norm(v), i.b * float(np.linalg.norm(v))))
    return found[0], found[1]


def told_v(m: int, a: float) -> float:
    """E⟨û,u⟩² of the best answer to z = a u + N(0, I), u uniform: E (1 + 2J)/(m + 2J), J ~ Poisson(a²/2)."""
    J = np.arange(int(a * a / 2 + 12 * a + 40))
    return float(poisson.pmf(J, a * a / 2) @ ((1 + 2 * J) / (m + 2 * J)))


def second_moment(m: int, q: int, a: float) -> float:
    """E[e^(a² x y)(x² − 1/m)], x = ⟨u,u'⟩, y = ⟨w,w'⟩ of independent uniform unit vectors, by its series in a⁴."""
    total, term = 0.0, 1.0  # term: (a⁴/4)^j/(j! (q/2)_j) E x^(2j)
    for j in range(400):
        total += term * ((j + 0.5) / (j + m / 2) - 1 / m)
        term *= a**4 / 4 / ((j + 1) * (j + q / 2)) * (j + 0.5) / (j + m / 2)
    return total


def told_nothing(m: int, q: int, a: float) -> float:
    """1/m + √(((1 − kappa)^(−3/2) − 1 − kappa/2)/m), kappa = a⁴/(m q); 1 where that is more, or kappa >= 1."""
    kappa = a**4 / (m * q)
    if kappa >= 1:
        return 1.0
    return min(1.0, 1 / m + float(np.sqrt(((1 - kappa) ** -1.5 - 1 - kappa / 2) / m)))


@lru_cache(maxsize=512)
def overlaps(m: int, q: int, a: float, seed: int) -> tuple[Float[ndarray, " trials"], Float[ndarray, " trials"]]:
    """⟨û,u⟩² of z/‖z‖ told v, and of the SVD told nothing; u, w uniform, noise N(0, I)."""
    rng = np.random.default_rng(seed)
    u, w = (rng.standard_normal((TRIALS, n)) for n in (m, q))
    u, w = (x / np.linalg.norm(x, axis=1, keepdims=True) for x in (u, w))
    Y = a * u[:, :, None] * w[:, None] + rng.standard_normal((TRIALS, m, q))
    z = np.einsum("tmq,tq->tm", Y, w)
    U = np.linalg.svd(Y, full_matrices=False)[0][:, :, 0]
    return np.sum(z * u, axis=1) ** 2 / np.sum(z * z, axis=1), np.sum(U * u, axis=1) ** 2
