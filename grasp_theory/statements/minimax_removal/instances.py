"""Updates with one factor, removals, and the worlds of minimax-removal that show one M."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from ...linear.shrinkage import hardest_strength
from ..shared.draws import Planted, log_uniform, orthonormal, unit, with_spectrum


@dataclass(frozen=True, eq=False)
class Instance(Planted):
    """M = T + beta u vᵀ with an asserted tau, an amount n and a leftover D of M.

    ends : the directions û, v̂ of the worlds; left, right : L, R of the worlds, k columns. removal : N there, as a
    combination: (of û v̂ᵀ, of L Rᵀ, of noise), in units of beta.
    """

    tau: float
    n: float
    D: Float[ndarray, "m d"]
    left: Float[ndarray, "a k"]
    right: Float[ndarray, "b k"]
    ends: tuple[Float[ndarray, " a"], Float[ndarray, " b"]]
    removal: tuple[float, float, Float[ndarray, "a b"]] | None

    @cached_property
    def values(self) -> tuple[ndarray, ndarray, ndarray]:
        """U, S, Vh of M, thin."""
        U, S, Vh = np.linalg.svd(self.M, full_matrices=False)
        return U, S, Vh

    @property
    def top(self) -> tuple[ndarray, float, ndarray]:
        """(û, s, v̂)."""
        U, S, Vh = self.values
        return U[:, 0], float(S[0]), Vh[0]

    @property
    def s(self) -> float:
        """The top singular value of M."""
        return self.top[1]

    @property
    def s2(self) -> float:
        """The next one."""
        return float(self.values[1][1])

    @property
    def kappa(self) -> float:
        """The bound of the overlap."""
        return kappa(self.s, self.tau, self.beta)

    @property
    def overlap(self) -> float:
        """(ûᵀu)(v̂ᵀv)."""
        return float((self.top[0] @ self.u) * (self.top[2] @ self.v))

    def worst_removal(self) -> float:
        """Over the 2k worlds of M = s û v̂ᵀ + |s − beta| L Rᵀ: ‖N − beta u vᵀ‖_F²."""
        k = self.left.shape[1]
        p, r = np.sqrt(max(self.kappa, 0.0)), np.sqrt(max(1 - self.kappa, 0.0))
        sign = -1.0 if self.beta < self.s else 1.0
        first = np.outer(*self.ends)
        if self.removal is None:  # the best one
            N = self.beta * (self.kappa * first + sign * (1 - self.kappa) / k * self.left @ self.right.T)
        else:
            one, others, noise = self.removal
            N = self.beta * (one * first + others * self.left @ self.right.T + noise)
        worst = 0.0
        for j in range(k):
            for turn in (r, -r):
                u, v = p * self.ends[0] + turn * self.left[:, j], p * self.ends[1] + sign * turn * self.right[:, j]
                worst = max(worst, float(np.sum((N - self.beta * np.outer(u, v)) ** 2)))
        return worst


def kappa(s: float, tau: float, beta: float) -> float:
    """The least product of the overlaps, (s² − tau²)/(beta (2s − beta))."""
    return (s * s - tau * tau) / (beta * (2 * s - beta))


def draw(rng: np.random.Generator) -> Instance:
    """Generic tasks, the worst planes and nearly so, and tau just above s; removals near the best one or at random."""
    m, d = (int(x) for x in rng.integers(2, 6, 2))
    kind, s, rho = rng.integers(4), log_uniform(rng, 0.1, 10), rng.uniform(0.03, 0.95)
    if kind == 0:
        beta = s
        T = with_spectrum(rng, m, d, rho * beta * np.concatenate([[1.0], rng.random(min(m, d) - 1)]))
        u, v, tau = unit(rng, m), unit(rng, d), rho * beta * (1.0 if rng.random() < 0.5 else rng.uniform(1, 1.4))
    elif kind < 3:
        beta = s + rho * s * rng.uniform(-1, 1)
        T, u, v = plane(rng, m, d, s, beta, rho * s)
        tau = float(np.linalg.norm(T, 2))
    else:
        T, u, v, beta, tau = two_values(rng, m, d, s, s * rng.uniform(1.01, 1.2))
    return _made(rng, T, u, v, beta, tau)


def plane(
    rng: np.random.Generator, m: int, d: int, s: float, beta: float, tau: float, *, tilt: bool = True
) -> tuple[ndarray, ndarray, ndarray]:
    """(T, u, v) of the proof: T is tau times an orthogonal matrix in a plane, or nearly that."""
    left, right = orthonormal(rng, m, 2), orthonormal(rng, d, 2)
    k = kappa(s, tau, beta) + (rng.normal(scale=0.02) if tilt else 0.0)
    p, r = np.sqrt(np.clip(k, 0, 1)), np.sqrt(np.clip(1 - k, 0, 1))
    sign = -1.0 if beta < s else 1.0
    u, v = left @ [p, r], right @ [p, sign * r]
    return left @ np.diag([s, abs(s - beta)]) @ right.T - beta * np.outer(u, v), u, v


def two_values(
    rng: np.random.Generator, m: int, d: int, s: float, tau: float
) -> tuple[ndarray, ndarray, ndarray, float, float]:
    """The task hides most of a factor and has a component of its own that leads: tau > s."""
    left, right = orthonormal(rng, m, 2), orthonormal(rng, d, 2)
    return left @ np.diag([-tau, s]) @ right.T, left[:, 0], right[:, 0], 2 * s + 0.5 * (tau - s), tau


def _made(rng: np.random.Generator, T: ndarray, u: ndarray, v: ndarray, beta: float, tau: float) -> Instance:
    (m, d), k = T.shape, int(rng.integers(1, 5))
    M = T + beta * np.outer(u, v)
    s = float(np.linalg.norm(M, 2))
    frames = orthonormal(rng, k + 2, k + 1), orthonormal(rng, k + 1, k + 1)
    removal = None
    if rng.random() < 0.7:
        noise = log_uniform(rng, 1e-3, 1) * rng.standard_normal((k + 2, k + 1))
        best = kappa(s, tau, beta), 0.0, 0 * noise
        removal = best if rng.random() < 0.5 else (s / beta, rng.normal(), noise)
    D = (M - s * rng.random() * np.outer(u, v)) if rng.random() < 0.5 else M + 0.3 * s * rng.standard_normal((m, d))
    ends, (left, right) = (frames[0][:, 0], frames[1][:, 0]), (F[:, 1:] for F in frames)
    return Instance(T, u, v, beta, tau, s * rng.uniform(0, 1.5), D, left, right, ends, removal)


def extremal(rng: np.random.Generator) -> Instance:
    """The worst plane in R⁵ x R⁴ at tau = 0.4 s and the hardest strength; the best removal; deletion in D."""
    s, tau = 1.5, 0.6
    beta = hardest_strength(s, tau)
    T, u, v = plane(rng, 5, 4, s, beta, tau, tilt=False)
    i = replace(_made(rng, T, u, v, beta, tau), removal=None)
    return replace(i, D=i.M - i.s * np.outer(i.top[0], i.top[2]))


def beyond(rng: np.random.Generator) -> Instance:
    """tau = 1.3 s."""
    return _made(rng, *two_values(rng, 5, 4, 1.2, 1.56))
