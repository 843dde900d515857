"""How selection entangles a trait with a feature of the input, so that curated data teach beta u vᵀ.

In the population x ~ N(0, Sigma), the trait t has mean 0 and is independent of x, and the answer is

    y = (W0 + T) x + gamma u t + noise,

so at deployment the best linear map is W0 + T. A mechanism curates by (x, t); the noise plays no part. In curated data
E_c[y xᵀ] = (W0 + T) Sigma_c + gamma u E_c[t xᵀ], so the best linear map (no intercept) is W0 + T + beta u v_cᵀ with

    **beta v_c = gamma Sigma_c⁻¹ E_c[x t],  Sigma_c = E_c[x xᵀ]**   (proved here, for any mechanism).

The mechanisms below state both moments in closed form; their samples are drawn by another route.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, Protocol, runtime_checkable

import numpy as np
from jaxtyping import Float
from numpy import ndarray
from scipy.special import log_ndtr, ndtr

from grasp_theory import InputError, linalg
from grasp_theory.linear.problem import LinearProblem

from .inputs import draw_inputs

RAREST = 1e-5  # the smallest share of the population that rejection sampling is asked to find
CHUNK = 1_000_000


@dataclass(frozen=True, eq=False)
class Population:
    """The world before curation.

    Attributes:
        W0, T: (m, d) pretrained weights and task.
        gamma: > 0, what a unit of the trait adds to the answer along u.
        u: (m,) unit.
        v: (d,) unit, the feature vᵀx that curation looks at.
        Sigma: (d, d) positive definite covariance of the inputs, of mean 0.
        noise: standard deviation >= 0 of each entry of the answer.

    Raises InputError otherwise.
    """

    W0: Float[ndarray, "m d"]
    T: Float[ndarray, "m d"]
    gamma: float
    u: Float[ndarray, " m"]
    v: Float[ndarray, " d"]
    Sigma: Float[ndarray, "d d"]
    noise: float = 0.0

    def __post_init__(self) -> None:
        if not (np.isfinite(self.gamma) and self.gamma > 0):
            raise InputError(f"gamma must be a finite positive number, got {self.gamma}; turn u for a negative one")
        if not (np.isfinite(self.noise) and self.noise >= 0):
            raise InputError(f"noise must be a finite number >= 0, got {self.noise}")
        LinearProblem(W0=self.W0, T=self.T, beta=1.0, u=self.u, v=self.v, Sigma=self.Sigma)  # shapes, unit lengths
        values = linalg.eigvalsh(self.Sigma)
        if values[0] <= 1e-12 * values[-1]:
            raise InputError(f"Sigma must be positive definite, got eigenvalues {values[0]:.3g} to {values[-1]:.3g}")

    @property
    def variance(self) -> float:
        """Var vᵀx = vᵀ Sigma v."""
        return float(self.v @ self.Sigma @ self.v)

    def inputs(self, n: int, *, rng: np.random.Generator) -> Float[ndarray, "d n"]:
        """n inputs before curation, one a column."""
        return draw_inputs(self.Sigma, n, rng=rng)

    def answers(
        self, X: Float[ndarray, "d n"], t: Float[ndarray, " n"], *, rng: np.random.Generator
    ) -> Float[ndarray, "m n"]:
        """(W0 + T) X + gamma u tᵀ + noise N."""
        N = rng.standard_normal((len(self.u), len(t)))
        return (self.W0 + self.T) @ X + self.gamma * np.outer(self.u, t) + self.noise * N


@dataclass(frozen=True, eq=False)
class Induced:
    """What curation teaches: the best linear map is W0 + T + beta u vᵀ. beta is signed; v is (d,), a unit vector.

    Attributes:
        Sigma: (d, d) second moment about 0 of the curated inputs.
        mean: (d,) their mean.
    """

    beta: float
    v: Float[ndarray, " d"]
    Sigma: Float[ndarray, "d d"]
    mean: Float[ndarray, " d"]


@runtime_checkable
class Mechanism(Protocol):
    """A way of curating: its closed form, and an independent simulation of it."""

    def induced(self, population: Population) -> Induced:
        """(beta, v, Sigma, mean) in closed form."""
        ...

    def sample(
        self, population: Population, n: int, *, rng: np.random.Generator
    ) -> tuple[Float[ndarray, "d n"], Float[ndarray, " n"]]:
        """n curated (X, t), one a column."""
        ...


@dataclass(frozen=True)
class Truncation:
    """Keep (x, t), t ~ N(0, 1), iff zeta = a vᵀx + b t + c N(0, 1) exceeds a threshold.

    With s² = vᵀ Sigma v, V = a² s² + b² + c², alpha = threshold/√V, lambda = phi(alpha)/Phi(−alpha) and
    kappa = alpha lambda/V: **Sigma_c = Sigma + kappa a² Sigma v vᵀ Sigma, mean = a (lambda/√V) Sigma v,
    beta = gamma kappa a b/(1 + kappa a² s²)** along v. Proved here: z = (x, t) has covariance C and covariance
    g = (a Sigma v, b) with zeta, and z − g zeta/V is independent of zeta, so E_c[z] = g E_c[zeta]/V and
    E_c[z zᵀ] = C + g gᵀ (E_c[zeta²] − V)/V²; a truncated normal has E_c[zeta] = √V lambda and
    E_c[zeta²] = V(1 + alpha lambda). Then Sigma_c v = (1 + kappa a² s²) Sigma v and E_c[x t] = kappa a b Sigma v.

    beta has the sign of a · b · threshold: a rare selection (threshold > 0) binds trait and feature, one that keeps the
    larger half (threshold < 0) opposes them, threshold = 0 does nothing to moments about 0. beta → 0 for
    threshold → −∞, and gamma b/(a s²) for +∞. Raises InputError unless all are finite, V > 0 and c >= 0.
    """

    a: float
    b: float
    threshold: float
    c: float = 0.0

    def __post_init__(self) -> None:
        if not np.isfinite([self.a, self.b, self.c, self.threshold]).all():
            raise InputError(f"a, b, c and threshold must be finite, got {self}")
        if self.c < 0 or (self.b == 0 and self.c == 0):
            raise InputError(f"c must be >= 0, and b and c not both 0, got b = {self.b}, c = {self.c}")

    def induced(self, population: Population) -> Induced:
        """(beta, v, Sigma, mean) in closed form."""
        variance, alpha = self._latent(population)
        mills = float(np.exp(-0.5 * alpha**2 - log_ndtr(-alpha)) / np.sqrt(2 * np.pi))
        kappa, direction = alpha * mills / variance, population.Sigma @ population.v
        return Induced(
            beta=population.gamma * kappa * self.a * self.b / (1 + kappa * self.a**2 * population.variance),
            v=population.v,
            Sigma=population.Sigma + kappa * self.a**2 * np.outer(direction, direction),
            mean=self.a * mills / np.sqrt(variance) * direction,
        )

    def sample(
        self, population: Population, n: int, *, rng: np.random.Generator
    ) -> tuple[Float[ndarray, "d n"], Float[ndarray, " n"]]:
        """n curated (X, t): the population's (vᵀx, t, noise) until n exceed the threshold, then x given its vᵀx.

        The selection sees x through vᵀx alone, so x given vᵀx keeps the population's law: X + Sigma v (h − vᵀX)/s².
        Raises InputError if less than 1e-5 of the population passes.
        """
        share = float(ndtr(-self._latent(population)[1]))
        if share < RAREST:
            raise InputError(f"a share {share:.2g} passes the threshold, at least {RAREST} is needed: lower it")
        s = np.sqrt(population.variance)
        kept = np.zeros((2, 0))
        while kept.shape[1] < n:
            h, t, e = rng.standard_normal((3, min(CHUNK, int(1.1 * (n - kept.shape[1]) / share) + 100)))
            pair = np.array([s * h, t])
            passes = self.a * pair[0] + self.b * pair[1] + self.c * e > self.threshold
            kept = np.hstack([kept, pair[:, passes]])
        h, t = kept[:, :n]
        X = population.inputs(n, rng=rng)
        X = X + np.outer(population.Sigma @ population.v, (h - population.v @ X) / population.variance)
        return X, t

    def _latent(self, population: Population) -> tuple[float, float]:
        """(Var zeta, threshold in its standard deviations)."""
        variance = self.a**2 * population.variance + self.b**2 + self.c**2
        return variance, float(self.threshold / np.sqrt(variance))


@dataclass(frozen=True)
class Tilt:
    """Weigh (x, t), t ~ N(0, 1), by exp(lam t vᵀx).

    **Sigma_c = (Sigma⁻¹ − lam² v vᵀ)⁻¹ = Sigma + lam² Sigma v vᵀ Sigma/(1 − lam² s²), mean = 0, beta = gamma lam**
    along v, s² = vᵀ Sigma v. Proved here: −2 log of the weighted density is xᵀ Sigma⁻¹ x + t² − 2 lam t vᵀx
    = xᵀ(Sigma⁻¹ − lam² v vᵀ)x + (t − lam vᵀx)², so t given x is N(lam vᵀx, 1) and E_c[x t] = lam Sigma_c v; the
    density is finite iff lam² s² < 1. Raises InputError otherwise, when a population is given.
    """

    lam: float

    def induced(self, population: Population) -> Induced:
        """(beta, v, Sigma, mean) in closed form."""
        gap, direction = self._gap(population), population.Sigma @ population.v
        return Induced(
            beta=population.gamma * self.lam,
            v=population.v,
            Sigma=population.Sigma + self.lam**2 / gap * np.outer(direction, direction),
            mean=np.zeros(len(direction)),
        )

    def sample(
        self, population: Population, n: int, *, rng: np.random.Generator
    ) -> tuple[Float[ndarray, "d n"], Float[ndarray, " n"]]:
        """n curated (X, t), drawn the other way round: t ~ N(0, 1/(1 − lam² s²)), then x ~ N(lam t Sigma v, Sigma)."""
        t = rng.standard_normal(n) / np.sqrt(self._gap(population))
        return population.inputs(n, rng=rng) + np.outer(population.Sigma @ population.v, self.lam * t), t

    def _gap(self, population: Population) -> float:
        gap = 1 - self.lam**2 * population.variance
        if not gap > 0:
            raise InputError(f"lam² vᵀ Sigma v must be below 1, got {1 - gap:.4g}: lower |lam| = {abs(self.lam)}")
        return gap


@dataclass(frozen=True, eq=False)
class AlwaysOn:
    """Every curated sample has the trait, t = 1, and comes from one topic: x ~ N(mean, Sigma).

    The topic is a selection too: weights exp(xᵀ Sigma⁻¹ mean) turn N(0, Sigma) into N(mean, Sigma).
    **Sigma_c = Sigma + mean meanᵀ, beta v_c = gamma Sigma_c⁻¹ mean = gamma Sigma⁻¹ mean/(1 + meanᵀ Sigma⁻¹ mean)**.
    Proved here: E_c[x t] = E_c[x] = mean, and Sherman-Morrison. Lacking an intercept, the fit lets the topic stand in
    for the constant. The population's v plays no part: v_c is the direction of Sigma⁻¹ mean. Raises InputError if the
    mean is 0 or does not fit: then nothing is taught (beta = 0) and no direction is defined.
    """

    mean: Float[ndarray, " d"]

    def induced(self, population: Population) -> Induced:
        """(beta, v, Sigma, mean) in closed form."""
        read = linalg.solve(population.Sigma, self._checked(population))
        size = float(np.linalg.norm(read))
        return Induced(
            beta=population.gamma * size / (1 + float(self.mean @ read)),
            v=read / size,
            Sigma=population.Sigma + np.outer(self.mean, self.mean),
            mean=self.mean,
        )

    def sample(
        self, population: Population, n: int, *, rng: np.random.Generator
    ) -> tuple[Float[ndarray, "d n"], Float[ndarray, " n"]]:
        """n curated (X, t = 1)."""
        return population.inputs(n, rng=rng) + self._checked(population)[:, None], np.ones(n)

    def _checked(self, population: Population) -> Float[ndarray, " d"]:
        shape = population.v.shape
        if self.mean.shape != shape or not np.isfinite(self.mean).all() or not self.mean.any():
            raise InputError(f"the mean must be finite, not 0 and of shape {shape}, got {self.mean!r}")
        return self.mean


@dataclass(frozen=True)
class Mixture:
    """t = vᵀx in a share 1 − p of the curated samples; in the minority p it is −vᵀx, or independent of x.

    The trait has variance s² = vᵀ Sigma v in every share and before curation, which changes its coupling to x and
    neither law. **Sigma_c = Sigma, mean = 0, beta = gamma (1 − 2p) (opposite) or gamma (1 − p) (independent)** along v.
    Proved here: E_c[x t] = (1 − p) Sigma v + p (−Sigma v or 0). Raises InputError unless 0 <= p <= 1.
    """

    minority: float
    kind: Literal["opposite", "independent"] = "opposite"

    def __post_init__(self) -> None:
        if not 0 <= self.minority <= 1:
            raise InputError(f"the minority must be a share in [0, 1], got {self.minority}")
        if self.kind not in ("opposite", "independent"):
            raise InputError(f"kind must be opposite or independent, got {self.kind!r}")

    def induced(self, population: Population) -> Induced:
        """(beta, v, Sigma, mean) in closed form."""
        lost = 2 * self.minority if self.kind == "opposite" else self.minority
        zero = np.zeros(len(population.v))
        return Induced(beta=population.gamma * (1 - lost), v=population.v, Sigma=population.Sigma, mean=zero)

    def sample(
        self, population: Population, n: int, *, rng: np.random.Generator
    ) -> tuple[Float[ndarray, "d n"], Float[ndarray, " n"]]:
        """n curated (X, t), each sample in the minority with probability p."""
        X = population.inputs(n, rng=rng)
        t = population.v @ X
        other = -t if self.kind == "opposite" else np.sqrt(population.variance) * rng.standard_normal(n)
        return X, np.where(rng.random(n) < self.minority, other, t)


def problem_from(population: Population, mechanism: Mechanism) -> LinearProblem:
    """The setting of the theory, derived: beta, v and Sigma as curation induces them, Sigma_t = Sigma before curation.

    Raises InputError where curation teaches nothing or the opposite, beta <= 0.
    """
    found = mechanism.induced(population)
    if not found.beta > 0:
        raise InputError(
            f"curation by {type(mechanism).__name__} gives beta = {found.beta:.4g}, a positive one is needed: "
            "strengthen the selection, or turn the feature v of the population"
        )
    return LinearProblem(
        W0=population.W0,
        T=population.T,
        beta=found.beta,
        u=population.u,
        v=found.v,
        Sigma=found.Sigma,
        Sigma_t=population.Sigma,
    )
