"""The instances of naive-solution: a layer with planted singular values, samples, a rank and a start."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from ...linear.problem import LinearProblem, psd_root
from ...linear.solutions import naive_solution
from ...linear.training import Run, stable_step, train
from ..shared.draws import covariance, log_uniform, orthonormal, unit, with_spectrum


@dataclass(frozen=True, eq=False)
class Instance:
    """A layer, a rank, LoRA's A0, samples of the curated data, and what the claims are evaluated at.

    S : any root of Sigma. inputs, noise : (d, n), (m, n) samples whose second moments are the population's.
    candidate : a rival update of rank r. probe : the functional in which two updates are compared.
    """

    problem: LinearProblem
    rank: int
    A0: Float[ndarray, "r d"]
    S: Float[ndarray, "d d"]
    inputs: Float[ndarray, "d n"]
    noise: Float[ndarray, "m n"]
    candidate: Float[ndarray, "m d"]
    probe: Float[ndarray, "m d"]

    @property
    def X(self) -> Float[ndarray, "m d"]:
        """H^½ M S."""
        return psd_root(self.problem.H) @ self.problem.M @ self.S

    @cached_property
    def sigma(self) -> Float[ndarray, " n"]:
        """Singular values of H^½ M S, then zeros."""
        values = np.linalg.svd(self.X, compute_uv=False)
        return np.append(values, np.zeros(max(self.rank + 1 - len(values), 1)))

    @property
    def unique(self) -> bool:
        """The criterion."""
        after, small = self.sigma[self.rank], 1e-6 * self.sigma[0]
        return bool(self.sigma[self.rank - 1] - after > small or after < small)

    @property
    def tail(self) -> float:
        """Σ_{i>r} σ_i²."""
        return float(np.sum(self.sigma[self.rank :] ** 2))

    def scale(self) -> float:
        """σ_1², against which losses round."""
        return float(self.sigma[0] ** 2)

    def loss(self, D: Float[ndarray, "m d"]) -> float:
        """‖H^½ (M − D) Sigma^½‖_F²."""
        E = self.problem.M - D
        return float(np.trace(self.problem.H @ E @ self.problem.Sigma @ E.T))

    @cached_property
    def run(self) -> Run:
        """Gradient descent from the LoRA start, with momentum: plain descent takes 20 times the steps."""
        lr = stable_step(self.problem, self.A0)
        return train(self.problem, self.A0, optimizer="momentum", lr=lr, steps=20_000, tolerance=1e-8, every=0)


def draw(rng: np.random.Generator) -> Instance:
    """Singular values of X planted: gaps of at least 20% after the r-th, ties there, or exact low rank."""
    m, d = (int(n) for n in rng.integers(2, 6, 2))
    rank, k = int(rng.integers(1, min(m, d) + 2)), min(m, d)
    values = log_uniform(rng, 1, 3) * np.append(1.0, np.cumprod(rng.uniform(0.5, 0.8, k - 1)))
    kind = rng.choice(["gap", "tie", "low rank"], p=[0.5, 0.2, 0.3])
    if kind == "tie" and rank < k:
        values[rank] = values[rank - 1]
    if kind == "low rank" and k > 1:
        values[int(rng.integers(1, k)) :] = 0
    H = covariance(rng, m, condition=3.0)
    return plant(rng, with_spectrum(rng, m, d, values), rank, covariance(rng, d, condition=4.0), H)


def plant(rng: np.random.Generator, X: ndarray, rank: int, Sigma: ndarray, H: ndarray) -> Instance:
    m, d = X.shape
    u, v, beta = unit(rng, m), unit(rng, d), log_uniform(rng, 0.3, 3)
    M = np.linalg.solve(psd_root(H), X) @ np.linalg.pinv(psd_root(Sigma), rcond=1e-7)
    problem = LinearProblem(rng.standard_normal((m, d)), M - beta * np.outer(u, v), beta, u, v, Sigma, H=H)
    n = 2 * (m + d)
    white = np.sqrt(n) * orthonormal(rng, n, d + m).T
    S = psd_root(Sigma) @ orthonormal(rng, d, d)
    rival = naive_solution(problem, rank)
    if rank < min(m, d):
        rival = rival @ (np.eye(d) + 0.3 * rng.random() * rng.standard_normal((d, d)))
    # far larger than √‖M‖ or badly conditioned it only slows descent
    A0 = with_spectrum(rng, rank, d, rng.uniform(0.4, 1.2, min(rank, d)))
    noise = rng.standard_normal((m, m)) @ white[d:]
    return Instance(problem, rank, A0, S, S @ white[:d], noise, rival, rng.standard_normal((m, d)))
