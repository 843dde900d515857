"""The instances of spectral-order: modes, three starts of the flow on the factors, and a time."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from ...linear.training import flow
from ..shared.draws import log_uniform, orthonormal, unit


@dataclass(frozen=True, eq=False)
class Instance:
    """Modes, three starts of the flow, and the time it is looked at.

    balanced : (B, A) of (i), from strengths a0. inside, anywhere : A0 of (ii), (iii). lora_B : every entry of B0 there.
    small, soon : A0 and time of (v).
    """

    U: Float[ndarray, "m k"]
    s: Float[ndarray, " k"]
    V: Float[ndarray, "d k"]
    a0: Float[ndarray, " k"]
    balanced: tuple[ndarray, ndarray]
    inside: Float[ndarray, "r d"]
    anywhere: Float[ndarray, "q d"]
    lora_B: float
    alpha: float
    Sigma: Float[ndarray, "d d"]
    t: float
    small: Float[ndarray, "r d"]
    soon: float
    probe: Float[ndarray, "m d"]

    @property
    def M(self) -> Float[ndarray, "m d"]:
        """U diag(s) Vᵀ."""
        return self.U * self.s @ self.V.T

    def from_lora(self, A0: ndarray, t: float | None = None) -> Float[ndarray, "m d"]:
        """dW at time t from LoRA's start."""
        return flow(self.M, self.Sigma, np.full((len(self.U), len(A0)), self.lora_B), A0, t or self.t)

    @cached_property
    def at_inside(self) -> Float[ndarray, "m d"]:
        """dW from LoRA's start with the modes inside row(A0)."""
        return self.from_lora(self.inside)


def draw(rng: np.random.Generator) -> Instance:
    """Strengths 10 to 50% apart, small and large A0, rank below and above that of M; or one mode far ahead."""
    if rng.random() < 0.15:
        strengths = np.array([1.0, rng.uniform(0.05, 0.15)])
        i = make(rng, 3, 3, strengths, 2, 1, rng.uniform(0.7, 1.0))
        return replace(i, t=rng.uniform(2.5, 3))
    m, d = (int(n) for n in rng.integers(2, 6, 2))
    k = int(rng.integers(1, min(m, d) + 1))
    s = log_uniform(rng, 0.7, 2) * np.append(1.0, np.cumprod(rng.uniform(0.5, 0.9, k - 1)))
    return make(rng, m, d, s, int(rng.integers(k, d + 1)), int(rng.integers(1, d + 1)), log_uniform(rng, 0.3, 1.5))


def make(rng: np.random.Generator, m: int, d: int, s: ndarray, r: int, q: int, alpha: float) -> Instance:
    k = len(s)
    right = orthonormal(rng, d, r)
    U, V, G = orthonormal(rng, m, k), right[:, :k], orthonormal(rng, r, r)
    a0 = s * rng.uniform(0.02, 0.3, k)
    B, A = U * np.sqrt(a0) @ G[:, :k].T, G[:, :k] * np.sqrt(a0) @ V.T
    anywhere, t = alpha * orthonormal(rng, d, q).T, log_uniform(rng, 0.2, 3) / s[0]
    small = 0.03 * anywhere * np.linspace(0.5, 1, q)[:, None]
    kind = rng.random()
    if kind < 0.5:  # all of it along the strongest mode
        small = np.outer(unit(rng, q), log_uniform(rng, 0.03, 0.3) * V[:, 0])
    elif kind < 0.7:  # alike along all modes
        small = log_uniform(rng, 0.03, 0.3) * V.T
    soon, probe = log_uniform(rng, 0.02, 3) / s[0], rng.standard_normal((m, d))
    rest = (alpha * G @ right.T, anywhere, 0.0, alpha, np.eye(d), t, small, soon, probe)
    return Instance(U, s, V, a0, (B, A), *rest)
