"""The instances of theorem-1: a layer, samples with noise, a deployment, a training run, the labels' source."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from ..shared.draws import covariance, flip, log_uniform, orthonormal, sharp, unit, with_spectrum
from .cores import Cores, draw_cores
from .descent import Run, draw_run

TRIALS = 300  # fresh draws of the noise behind a probability


@dataclass(frozen=True, eq=False)
class Instance:
    """n samples of y = (W0 + T + beta u vᵀ) x + noise · mix · N(0, I), an empirical optimum, the rest of the theorem.

    X, N : inputs and unit noise, one sample a column. mix : what the outputs' noises share, I by assumption.
    rank : of the optimum dW. null : what dW is on inputs off the samples' span. off : what dW misses the optimum by.
    t : e^(−t²/2) is the chance left. k : a stable rank. S_t : a root of Sigma_t.
    frame : two orthonormal directions of the output for the converse; answers : what is said in its two worlds.
    a : beta √n ‖Ŝᵀv‖/s of a factor that is to be hidden. run, cores : see there. seed : of what is drawn anew.
    """

    T: Float[ndarray, "m d"]
    u: Float[ndarray, " m"]
    v: Float[ndarray, " d"]
    beta: float
    X: Float[ndarray, "d n"]
    N: Float[ndarray, "m n"]
    noise: float
    mix: Float[ndarray, "m m"]
    rank: int
    null: Float[ndarray, "m d"]
    off: Float[ndarray, "m d"]
    t: float
    k: float
    S_t: Float[ndarray, "d d"]
    frame: Float[ndarray, "m 2"]
    answers: tuple[Float[ndarray, " m"], Float[ndarray, " m"]]
    a: float
    run: Run
    cores: Cores
    seed: int

    @cached_property
    def _svd(self) -> tuple[Float[ndarray, "d q"], Float[ndarray, " q"], Float[ndarray, "q n"]]:
        P, l, Qh = np.linalg.svd(self.X / np.sqrt(self.X.shape[1]), full_matrices=False)
        q = int(np.sum(l > 1e-9 * l[0]))
        return P[:, :q], l[:q], Qh[:q]

    @cached_property
    def S(self) -> Float[ndarray, "d q"]:
        """Ŝ: of full column rank q, Ŝ Ŝᵀ = X Xᵀ/n; its columns are orthogonal."""
        return self._svd[0] * self._svd[1]

    @cached_property
    def S_inverse(self) -> Float[ndarray, "q d"]:
        """Ŝ⁺."""
        return (self._svd[0] / self._svd[1]).T

    @cached_property
    def G(self) -> Float[ndarray, "m q"]:
        """The noise that a fit sees, of entries N(0, s²/n) given X."""
        return self.noise * self.mix @ self.N @ self._svd[2].T / np.sqrt(self.X.shape[1])

    @property
    def sizes(self) -> tuple[int, int]:
        """(m, q)."""
        return self.G.shape[0], self.G.shape[1]

    @cached_property
    def w(self) -> Float[ndarray, " q"]:
        """Ŝᵀv/‖Ŝᵀv‖."""
        return self.S.T @ self.v / np.linalg.norm(self.S.T @ self.v)

    @cached_property
    def b(self) -> float:
        """beta ‖Ŝᵀv‖, the strength in the samples."""
        return self.beta * float(np.linalg.norm(self.S.T @ self.v))

    @cached_property
    def task(self) -> float:
        """‖T Ŝ‖₂."""
        return float(np.linalg.norm(self.T @ self.S, 2))

    @cached_property
    def hidden_by(self) -> float:
        """‖T Ŝ‖ + ‖G‖, task and noise as they are."""
        return self.task + float(np.linalg.norm(self.G, 2))

    @property
    def allowed(self) -> float:
        """s (√m + √q + t)/√n."""
        m, q = self.G.shape
        return self.noise * (np.sqrt(m) + np.sqrt(q) + self.t) / float(np.sqrt(self.X.shape[1]))

    @property
    def right_side(self) -> float:
        """2 (‖T Ŝ‖ + s (√m + √q + t)/√n)/(beta ‖Ŝᵀv‖)."""
        return 2 * (self.task + self.allowed) / self.b

    @cached_property
    def angle(self) -> float:
        """sin(½ arcsin 2 rho), rho = (‖T Ŝ‖ + ‖G‖)/(beta ‖Ŝᵀv‖); 1 if the noise is larger than allowed."""
        return sharp(self.hidden_by / self.b) if self.hidden_by <= self.task + self.allowed * (1 + 1e-12) else 1.0

    @cached_property
    def Y(self) -> Float[ndarray, "m n"]:
        """The labels less W0 X."""
        return (self.T + self.beta * np.outer(self.u, self.v)) @ self.X + self.noise * self.mix @ self.N

    @cached_property
    def target(self) -> Float[ndarray, "m q"]:
        """Ŷ = T Ŝ + G + beta u (Ŝᵀv)ᵀ, what the loss compares dW Ŝ with."""
        return self.T @ self.S + self.G + self.b * np.outer(self.u, self.w)

    @cached_property
    def best(self) -> Float[ndarray, "m q"]:
        """[Ŷ]_r."""
        U, s, Vh = np.linalg.svd(self.target, full_matrices=False)
        return U[:, : self.rank] * s[: self.rank] @ Vh[: self.rank]

    @cached_property
    def dW(self) -> Float[ndarray, "m d"]:
        """An empirical optimum of this rank, plus ``off``."""
        return self.best @ self.S_inverse + self.null @ (np.eye(len(self.v)) - self.S @ self.S_inverse) + self.off

    @cached_property
    def top(self) -> tuple[Float[ndarray, " m"], Float[ndarray, " q"]]:
        """(û, q̂), the top pair of dW Ŝ."""
        U, _, Vh = np.linalg.svd(self.dW @ self.S)
        return U[:, 0], Vh[0]

    @cached_property
    def paths(self) -> dict[str, tuple[list[ndarray], list[ndarray]]]:
        """(B, A) along the run under descent and under Adam."""
        return {optimizer: self.run.path(self.target, self.S, optimizer) for optimizer in ("sgd", "adam")}

    @cached_property
    def redrawn(self) -> tuple[Float[ndarray, " trials"], Float[ndarray, " trials"]]:
        """(‖G‖, sin ∠(û,u)) under fresh noise; û does not depend on the rank."""
        m, q = self.G.shape
        rng = np.random.default_rng(self.seed)
        G = self.noise * self.mix @ rng.standard_normal((TRIALS, m, q)) / np.sqrt(self.X.shape[1])
        U = np.linalg.svd(self.target - self.G + G, full_matrices=False)[0]
        norms = np.linalg.svd(G, compute_uv=False)[:, 0]
        return norms, np.sqrt(np.clip(1 - (U[:, :, 0] @ self.u) ** 2, 0, None))


def draw(rng: np.random.Generator) -> Instance:
    """The right side from 0.1 to 1.1: generic tasks with noise, or (45%) the worst ones; n on both sides of d."""
    wide = rng.random() < 0.12
    m, d, n = (int(x) for x in (rng.integers(16, 25, 3) if wide else rng.integers(2, 9, 3)))
    n = n if rng.random() < 0.4 else 3 * n
    X = inputs(rng, d, n)
    if not wide and rng.random() < 0.45:
        noisy = rng.choice([0.0, rng.uniform(0.1, 0.9)])
        return worst(rng, m, X, rho=rng.uniform(0.05, 0.54), tilt=rng.normal(scale=0.05), noisy=noisy)
    T = with_spectrum(rng, m, d, rng.random(min(m, d)) + 0.02) * log_uniform(rng, 0.3, 3)
    v, P = unit(rng, d), np.linalg.svd(X, full_matrices=False)[0]
    v = P @ (P.T @ v) + rng.uniform(0, 1) * (v - P @ (P.T @ v))
    return plant(rng, T, unit(rng, m), v / np.linalg.norm(v), X, right_side=rng.uniform(0.1, 1.1))


def inputs(rng: np.random.Generator, d: int, n: int) -> Float[ndarray, "d n"]:
    """Gaussian samples of a dense covariance; at least two."""
    return covariance(rng, d, condition=4.0) @ rng.standard_normal((d, max(n, 2)))


def plant(
    rng: np.random.Generator,
    T: ndarray,
    u: ndarray,
    v: ndarray,
    X: ndarray,
    *,
    right_side: float = 0.6,
    beta: float = 0.0,
    noise: float | None = None,
) -> Instance:
    """The rest drawn; beta from the right side unless given, noise from 0.1 to 3 of the task unless given."""
    (m, d), n = T.shape, X.shape[1]
    P, l, _ = np.linalg.svd(X / np.sqrt(n), full_matrices=False)
    q, t, S = len(l), float(rng.uniform(0.2, 2.2)), P * l
    task, per = np.linalg.norm(T @ S, 2), (np.sqrt(m) + np.sqrt(q) + t) / np.sqrt(n)
    noise = float(log_uniform(rng, 0.1, 3) * task / per) if noise is None else noise
    strength = np.linalg.norm(S.T @ v)
    beta = beta or float(2 * (task + noise * per) / (right_side * strength))
    seen = S @ np.linalg.pinv(S)
    frame = orthonormal(rng, m, 2) if m > 1 else np.ones((1, 2))
    # the singular vectors' answer, one near it, or one of the two worlds'
    turn = 0.5 * np.arcsin(min(2 * task / (beta * strength), 1.0)) if rng.random() < 0.3 else 0.0
    answer = frame @ [np.cos(turn), np.sin(turn)] + rng.choice([0, 0, 0.1, 1]) * rng.standard_normal(m)
    answer = answer / np.linalg.norm(answer)
    return Instance(
        T=T,
        u=u,
        v=v,
        beta=beta,
        X=X,
        N=rng.standard_normal((m, n)),
        noise=noise,
        mix=np.eye(m),
        rank=int(rng.integers(1, min(m, q) + 2)),
        null=rng.standard_normal((m, d)),
        off=np.zeros((m, d)),
        t=t,
        k=float(rng.uniform(2, min(m, q))) if min(m, q) > 2 else 2.0,
        S_t=seen @ covariance(rng, d),
        frame=frame,
        answers=(answer, answer),
        a=float((m * q) ** 0.25 * np.sqrt(rng.uniform(0.1, 1.15))),
        run=draw_run(rng, float(beta * strength), S, T @ S - np.outer(u, u @ T @ S)),
        cores=draw_cores(rng),
        seed=int(rng.integers(2**31)),
    )


def worst(
    rng: np.random.Generator, m: int, X: ndarray, *, rho: float, tilt: float = 0.0, noisy: float = 0.0
) -> Instance:
    """T Ŝ + G = tau [[−s, c], [c, s]] in a plane through u and Ŝᵀv, s = 2 rho turned by ``tilt``.

    noisy : G's share of it; the largest noise that is allowed, in the worst direction.
    """
    n = X.shape[1]
    P, l, Qh = np.linalg.svd(X / np.sqrt(n), full_matrices=False)
    both, u, w = flip(rng, m, len(l), 1.0, min(2 * rho, 1.0), tilt=tilt)
    both = both * (rho / min(2 * rho, 1.0))  # its norm is rho
    v = P @ (w / l)
    beta = float(np.linalg.norm(v))  # so that beta ‖Ŝᵀv‖ = 1
    i = plant(rng, (1 - noisy) * both / l @ P.T, u, v / beta, X, beta=beta, noise=0.0)
    if not noisy:
        return i
    noise = noisy * rho / ((np.sqrt(m) + np.sqrt(len(l)) + i.t) / np.sqrt(n))
    return replace(i, noise=noise, N=noisy / noise * np.sqrt(n) * both @ Qh)


def extremal(rng: np.random.Generator) -> Instance:
    """rho = 0.3 in R⁵ x R⁴ with six samples, and what makes the other tight claims attained."""
    i = worst(rng, 5, inputs(rng, 4, 6), rho=0.3)
    singular = i.frame[:, 0]  # what the SVD answers in both worlds
    return replace(i, answers=(singular, singular), cores=i.cores.aligned())
