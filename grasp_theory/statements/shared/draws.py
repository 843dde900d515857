"""Dense random directions, planted updates and covariances for the instance generators. Never axis-aligned."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from numpy import ndarray


@dataclass(frozen=True, eq=False)
class Planted:
    """A task and one factor beside it."""

    T: Float[ndarray, "m d"]
    u: Float[ndarray, " m"]
    v: Float[ndarray, " d"]
    beta: float

    @property
    def M(self) -> Float[ndarray, "m d"]:
        """T + beta u vᵀ."""
        return self.T + self.beta * np.outer(self.u, self.v)


def unit(rng: np.random.Generator, n: int) -> Float[ndarray, " n"]:
    """A uniform unit vector."""
    x = rng.standard_normal(n)
    return x / np.linalg.norm(x)


def orthonormal(rng: np.random.Generator, n: int, k: int) -> Float[ndarray, "n k"]:
    """k orthonormal columns, Haar distributed."""
    Q, R = np.linalg.qr(rng.standard_normal((n, k)))
    return Q * np.sign(np.diag(R))


def with_spectrum(rng: np.random.Generator, m: int, d: int, values: Float[ndarray, " k"]) -> Float[ndarray, "m d"]:
    """A matrix with these singular values and Haar singular vectors."""
    k = len(values)
    return orthonormal(rng, m, k) * values @ orthonormal(rng, d, k).T


def covariance(rng: np.random.Generator, d: int, *, condition: float = 10.0) -> Float[ndarray, "d d"]:
    """A covariance with log-uniform eigenvalues in [1/√condition, √condition] and a dense random eigenbasis."""
    Q = orthonormal(rng, d, d)
    values = np.exp(rng.uniform(-0.5, 0.5, d) * np.log(condition))
    return Q * values @ Q.T


def log_uniform(rng: np.random.Generator, low: float, high: float) -> float:
    """exp(uniform(log low, log high))."""
    return float(np.exp(rng.uniform(np.log(low), np.log(high))))


def sine(a: Float[ndarray, " n"], b: Float[ndarray, " n"]) -> float:
    """Sine of the angle between two lines, accurate for small angles: ‖b̂ − â⟨â,b̂⟩‖."""
    a, b = a / np.linalg.norm(a), b / np.linalg.norm(b)
    return float(np.linalg.norm(b - a * (a @ b)))


def sharp(rho: float) -> float:
    """sin(½ arcsin 2 rho)."""
    return float(np.sin(0.5 * np.arcsin(min(2 * rho, 1.0))))


def mirror(s: float) -> Float[ndarray, "2 2"]:
    """[[−s, c], [c, s]], c = √(1 − s²)."""
    c = np.sqrt(max(1 - s * s, 0.0))
    return np.array([[-s, c], [c, s]])


def flip(
    rng: np.random.Generator,
    m: int,
    d: int,
    beta: float,
    rho: float,
    *,
    s: float | None = None,
    tilt: float = 0.0,
    pad: bool = False,
) -> tuple[ndarray, ndarray, ndarray]:
    """(T, u, v) with T = tau ``mirror(s)`` in random planes through u and v, s (rho by default) turned by ``tilt``."""
    n = 3 if pad else 2
    left, right = orthonormal(rng, m, n), orthonormal(rng, d, n)
    core = np.eye(n)
    core[:2, :2] = mirror(np.sin(np.arcsin(rho if s is None else s) + tilt))
    return rho * beta * left @ core @ right.T, left[:, 0], right[:, 0]
