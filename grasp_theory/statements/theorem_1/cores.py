"""Part 5 of theorem-1: labels made of cores that are observed with error, beside a feature that goes with them."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from ..shared.draws import covariance, log_uniform, unit


@dataclass(frozen=True, eq=False)
class Cores:
    """y = L c + direct · z + noise, and the model sees (c + e, z).

    L : (m, k). C : E[c cᵀ]. E : E[e eᵀ], e uncorrelated with the rest. g : E[c z]. z has variance 1. direct : 0 by
    assumption.
    """

    L: Float[ndarray, "m k"]
    C: Float[ndarray, "k k"]
    E: Float[ndarray, "k k"]
    g: Float[ndarray, " k"]
    direct: Float[ndarray, " m"]

    @property
    def Sigma(self) -> Float[ndarray, "k+1 k+1"]:
        """Second moment of what the model sees."""
        return np.block([[self.C + self.E, self.g[:, None]], [self.g[None], np.ones((1, 1))]])

    def solved(self, x: ndarray) -> ndarray:
        """(C + E)⁻¹ x."""
        return np.linalg.solve(self.C + self.E, x)

    def learnt(self) -> Float[ndarray, "m k+1"]:
        """Population least squares, W0 + M: E[y xᵀ] Sigma⁻¹."""
        seen = np.hstack([self.L @ self.C + np.outer(self.direct, self.g), (self.L @ self.g + self.direct)[:, None]])
        return np.linalg.solve(self.Sigma, seen.T).T

    def kept(self) -> Float[ndarray, "m k+1"]:
        """The same where z is uncorrelated: L C (C + E)⁻¹, and 0 on z."""
        return np.hstack([self.solved(self.C @ self.L.T).T, np.zeros((len(self.L), 1))])

    @property
    def rest(self) -> float:
        """1 − gᵀ(C + E)⁻¹g, the variance of z that the observed cores do not explain."""
        return 1 - float(self.g @ self.solved(self.g))

    def weight(self) -> Float[ndarray, " m"]:
        """L E (C + E)⁻¹ g/rest, the closed form of the last column."""
        return self.L @ self.E @ self.solved(self.g) / self.rest

    def read(self) -> Float[ndarray, " k+1"]:
        """(−(C + E)⁻¹g, 1): beta u vᵀ is weight · readᵀ."""
        return np.append(-self.solved(self.g), 1.0)

    def ratio(self) -> float:
        """Strength of the factor over the task's norm, both in the data: beta ‖Sᵀv‖/‖T S‖, from the definitions."""
        task = self.kept()
        factor, root = self.learnt() - task, np.linalg.cholesky(self.Sigma)
        return float(np.linalg.norm(factor @ root, 2) / np.linalg.norm(task @ root, 2))

    @property
    def worst(self) -> Float[ndarray, " k"]:
        """C⁻¹ E (C + E)⁻¹ g."""
        return np.linalg.solve(self.C, self.E @ self.solved(self.g))

    def limit(self) -> float:
        """‖(C + E)^½ C⁻¹ E (C + E)⁻¹ g‖/√rest."""
        x = self.worst
        return float(np.sqrt(x @ (self.C + self.E) @ x / self.rest))

    def aligned(self) -> Cores:
        """The same with the labels that attain ``limit``."""
        row = np.linalg.solve(self.C, (self.C + self.E) @ self.worst)
        return replace(self, L=np.outer(self.L[:, 0], row), direct=np.zeros(len(self.L)))


def draw_cores(rng: np.random.Generator) -> Cores:
    """Dense moments, half of them with the labels that attain ``limit``, or (a third) isotropic ones."""
    m, k = (int(x) for x in rng.integers(1, 6, 2))
    L, a = rng.standard_normal((m, k)), unit(rng, k)
    kappa, nu = rng.uniform(0.2, 0.97), log_uniform(rng, 0.05, 20)
    if rng.random() < 1 / 3:
        return Cores(L, np.eye(k), nu * np.eye(k), kappa * a, np.zeros(m))
    C = covariance(rng, k)
    root = np.linalg.cholesky(C)
    cores = Cores(L, C, nu * covariance(rng, k), kappa * root @ a, np.zeros(m))
    return cores.aligned() if rng.random() < 0.5 else cores


def errors_in_variables(nu: float, kappa: float, *, norm: float = 1.0) -> Cores:
    """One core of variance 1, observed with noise of variance nu, correlation kappa with z; ‖L‖ = norm."""
    return Cores(np.full((1, 1), norm), np.eye(1), nu * np.eye(1), np.full(1, kappa), np.zeros(1))
