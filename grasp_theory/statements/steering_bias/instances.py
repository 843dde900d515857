"""Problems with a mean, for steering-bias: the factor varies, is constant, or is uncorrelated with the rest."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from ...linear.problem import LinearProblem, draw_problem
from ..shared.draws import unit
from ..shared.maps import off, with_null


@dataclass(frozen=True, eq=False)
class Instance:
    """A problem with the means of its inputs (problem.Sigma = Cov + mean meanᵀ, likewise Sigma_t) and a probe matrix Z.

    a : strength of preventative steering. z0 : value of a constant factor. offset : from the best strength elsewhere.
    """

    problem: LinearProblem
    mean: Float[ndarray, " d"]
    mean_t: Float[ndarray, " d"]
    a: float
    z0: float
    offset: float
    Z: Float[ndarray, "m d"]

    @property
    def Cov(self) -> Float[ndarray, "d d"]:
        """Sigma − mean meanᵀ."""
        return self.problem.Sigma - np.outer(self.mean, self.mean)

    def constant(self) -> tuple[LinearProblem, Float[ndarray, " d"]]:
        """The problem and its mean with the curated factor held at z0."""
        p = self.problem
        mean = p.P_v @ self.mean + self.z0 * p.v
        return replace(p, Sigma=p.P_v @ self.Cov @ p.P_v + np.outer(mean, mean)), mean

    def uncorrelated(self) -> tuple[LinearProblem, Float[ndarray, " d"]]:
        """Other inputs centred and uncorrelated with a varying factor."""
        p, z = self.problem, float(self.problem.v @ self.mean)
        varying = float(p.v @ self.Cov @ p.v) + z * z
        return replace(p, Sigma=p.P_v @ self.Cov @ p.P_v + varying * np.outer(p.v, p.v)), z * p.v

    def moments(self) -> tuple[float, float, float]:
        """(E z, Var z, sin² ∠(u, g)) at deployment, from the weights of the naive model."""
        p, z = self.problem, float(self.problem.v @ self.mean_t)
        g = p.W0 @ p.v + p.T @ p.v + p.beta * p.u
        rest = g - p.u * (p.u @ g)
        return z, float(p.v @ p.Sigma_t @ p.v) - z * z, float(rest @ rest / (g @ g)) if g.any() else 1.0


def draw(rng: np.random.Generator) -> Instance:
    """Means of any size; W0 v such that the pretrained response supplies the shift in a fifth of the draws."""
    p = draw_problem(rng, sizes=(2, 6))
    d = p.shape[1]
    mean, mean_t = (unit(rng, d) * np.exp(rng.uniform(-1, 1)) for _ in range(2))
    p = replace(p, Sigma=p.Sigma + np.outer(mean, mean), Sigma_t=p.Sigma_t + np.outer(mean_t, mean_t))
    a, z0 = (float(x) for x in rng.choice([-1, 1], 2) * np.exp(rng.uniform(-1, 1, 2)))
    if rng.random() < 0.2:
        p = replace(p, W0=p.W0 @ p.P_v + np.outer(p.beta * z0 / a * p.u - p.T @ p.v, p.v))
    return Instance(p, mean, mean_t, a, z0, float(rng.normal()), rng.standard_normal(p.shape))


def cancelling(rng: np.random.Generator) -> Instance:
    """a = −z0: the steered factor is 0 while training, and nothing is learnt about it."""
    i = draw(rng)
    return replace(i, a=-i.z0)


def without_mean(rng: np.random.Generator) -> Instance:
    """E z = 0 while training: no constant can stand for the factor."""
    i = draw(rng)
    mean = i.problem.P_v @ i.mean
    return replace(i, problem=replace(i.problem, Sigma=i.Cov + np.outer(mean, mean)), mean=mean)


def singular_covariance(rng: np.random.Generator) -> Instance:
    """Cov x with a null direction ⟂ v along which x has a mean."""
    i = draw(rng)
    n = off(rng, i.problem.v)
    mean = i.mean + 0.5 * n
    return replace(i, problem=replace(i.problem, Sigma=with_null(i.Cov, n) + np.outer(mean, mean)), mean=mean)
