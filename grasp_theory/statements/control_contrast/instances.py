"""The two runs of control-contrast: what they learn, what their difference holds, and instances of them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from ..shared.draws import covariance, log_uniform, mirror, orthonormal, sharp, sine, unit

ESTIMATORS = ("the difference", "the first run", "the first run off the control", "the control")
TRIALS = 400


@dataclass(frozen=True, eq=False)
class Samples:
    """Inputs of the two runs, the noise of their labels, and whether both runs see the same samples."""

    X1: Float[ndarray, "d n1"]
    X0: Float[ndarray, "d n0"]
    s: float
    seed: int
    same: bool = False


@dataclass(frozen=True, eq=False)
class Instance:
    """Two runs; beta0 : the factor's strength in the control. Sigma0 : moment of the control's inputs."""

    T: Float[ndarray, "m d"]
    C1: Float[ndarray, "m d"]
    C0: Float[ndarray, "m d"]
    u: Float[ndarray, " m"]
    v: Float[ndarray, " d"]
    beta: float
    Sigma: Float[ndarray, "d d"]
    Sigma0: Float[ndarray, "d d"]
    t1: float
    t0: float
    samples: Samples
    estimator: str
    frames: tuple[Float[ndarray, "m 2"], Float[ndarray, "d 2"]]
    beta0: float = 0.0

    @cached_property
    def gains(self) -> tuple[Float[ndarray, "d d"], Float[ndarray, "d d"]]:
        """(I − E₁, I − E₀)."""
        return learned(self.Sigma, self.t1), learned(self.Sigma0, self.t0)

    @cached_property
    def difference(self) -> Float[ndarray, "m d"]:
        """dW₁ − dW₀."""
        factor = np.outer(self.u, self.v)
        one, nought = self.gains
        return (self.T + self.C1 + self.beta * factor) @ one - (self.T + self.C0 + self.beta0 * factor) @ nought

    @cached_property
    def Delta(self) -> Float[ndarray, "m d"]:
        """What the difference holds beside the factor."""
        one, nought = self.gains
        return self.T @ (one - nought) + self.C1 @ one - self.C0 @ nought

    @cached_property
    def delta(self) -> float:
        """‖Delta‖₂."""
        return float(np.linalg.norm(self.Delta, 2))

    @property
    def right(self) -> Float[ndarray, " d"]:
        """beta' v'."""
        return self.beta * self.gains[0] @ self.v

    @property
    def rho(self) -> float:
        """delta/beta'."""
        return self.delta / float(np.linalg.norm(self.right))

    @cached_property
    def top(self) -> tuple[Float[ndarray, " m"], float, Float[ndarray, " d"]]:
        """(û, ŝ, v̂) of the difference."""
        U, S, Vh = np.linalg.svd(self.difference)
        return U[:, 0], float(S[0]), Vh[0]

    @cached_property
    def estimates(self) -> Float[ndarray, "trials m d"]:
        """dW₁ − dW₀ of least squares with labels T x + noise in both runs."""
        p = self.samples
        rng = np.random.default_rng(p.seed)
        Y1 = self.T @ p.X1 + p.s * rng.standard_normal((TRIALS, len(self.T), p.X1.shape[1]))
        Y0 = Y1 if p.same else self.T @ p.X0 + p.s * rng.standard_normal((TRIALS, len(self.T), p.X0.shape[1]))
        return Y1 @ np.linalg.pinv(p.X1) - Y0 @ np.linalg.pinv(p.X1 if p.same else p.X0)

    @property
    def K(self) -> Float[ndarray, "d d"]:
        """(X₁X₁ᵀ)⁻¹ + (X₀X₀ᵀ)⁻¹."""
        return np.linalg.inv(self.samples.X1 @ self.samples.X1.T) + np.linalg.inv(self.samples.X0 @ self.samples.X0.T)

    def missed(self) -> float:
        """The larger sine of the two worlds that show the same pair of updates, which are those with this control."""
        half, control = float(np.linalg.norm(self.right)) / 2, self.T + self.C0
        theta, (L, R) = np.arcsin(sharp(self.rho)), self.frames
        worlds = [(L @ [np.cos(theta), a], R @ [np.cos(theta), a]) for a in (np.sin(theta), -np.sin(theta))]
        shown = half * sum(np.outer(u, v) for u, v in worlds)
        return max(sine(answer(self.estimator, control + shown, control, u), u) for u, _ in worlds)


def learned(Sigma: Float[ndarray, "d d"], t: float) -> Float[ndarray, "d d"]:
    """I − e^(−t Sigma)."""
    values, Q = np.linalg.eigh(Sigma)
    return Q * -np.expm1(-t * values) @ Q.T


def answer(name: str, first: ndarray, control: ndarray, truth: ndarray) -> Float[ndarray, " m"]:
    """What an estimator says of the two updates; the oracle says the truth."""
    if name == "oracle":
        return truth
    if name == "the first run off the control":
        lead = np.linalg.svd(control)[0][:, :1]
        first = first - lead @ (lead.T @ first)
    seen = {"the difference": first - control, "the control": control}.get(name, first)
    return np.linalg.svd(seen)[0][:, 0]


def left_over(kappa: float) -> float:
    """g(κ), the largest share of the task that a control of another length leaves."""
    return float((1 - kappa) * kappa ** (kappa / (1 - kappa))) if kappa < 1 else 0.0


def kappa(i: Instance) -> float:
    return min(i.t1, i.t0) / max(i.t1, i.t0)


def norm(matrix: ndarray) -> float:
    return float(np.linalg.norm(matrix, 2))


def saturation(i: Instance, t: float) -> float:
    """1 − e^(−t ‖Sigma‖)."""
    return float(-np.expm1(-t * norm(i.Sigma)))


def share(i: Instance) -> float:
    """What is left of the shared task, ‖T (E₀ − E₁)‖."""
    return norm(i.T @ (i.gains[0] - i.gains[1]))


def budget(i: Instance) -> float:
    own = saturation(i, i.t1) * norm(i.C1) + saturation(i, i.t0) * norm(i.C0)
    return left_over(kappa(i)) * norm(i.T) + own


def size(i: Instance) -> float:
    """The scale of rounding in differences of updates."""
    return norm(i.T) + norm(i.C1) + norm(i.C0) + i.beta


def saturating(kappa: float) -> float:
    """(longer t) * lambda at which that share is left."""
    return float(-np.log(kappa) / (1 - kappa)) if kappa < 1 else 1.0


def draw(rng: np.random.Generator) -> Instance:
    """delta/beta' up to just above ½, near the extremal plane half of the time; near the worst Sigma in a third.

    The control's content is what makes Delta so, with a shared task up to ten times the factor, or the parts are drawn.
    """
    m, d = (int(n) for n in rng.integers(2, 7, 2))
    shape = rng.random()
    if shape < 0.2:  # far more outputs than inputs, or fewer: which of the two the sample's norm grows with
        m, d = (16, 2) if shape < 0.1 else (2, 16)
    beta, t1 = log_uniform(rng, 0.1, 10), log_uniform(rng, 0.3, 5)
    kappa = (1.0, rng.uniform(0.05, 0.95), rng.uniform(0.8, 1))[rng.integers(3)]
    t0 = t1 * kappa if rng.random() < 0.5 else t1 / kappa
    Sigma = covariance(rng, d, condition=30)
    if rng.random() < 0.3:
        Sigma = saturating(kappa) / max(t0, t1) * covariance(rng, d, condition=1.1)
    T = beta * log_uniform(rng, 0.01, 10) * rng.standard_normal((m, d))
    i = _made(rng, T, beta, Sigma, t1, t0)
    if rng.random() < 0.5:
        return replace(i, **parts(rng, i))
    strength, rho = float(np.linalg.norm(i.right)), rng.uniform(0.02, 0.53)
    Delta = rng.standard_normal((m, d))
    Delta = rho * strength * Delta / np.linalg.norm(Delta, 2)
    if rng.random() < 0.6:
        theta = 0.5 * np.arcsin(min(2 * rho, 1.0)) + float(rng.normal(scale=0.03))
        Delta = rho * strength * reflection(rng, i, np.sin(2 * theta))
        if rng.random() < 0.3:  # less of it off u, which turns û less but the norm not at all
            Delta -= rng.uniform(0, 0.4) * (Delta - np.outer(i.u, i.u @ Delta))
    return replace(i, C0=np.linalg.solve(i.gains[1], (i.T @ (i.gains[0] - i.gains[1]) + i.C1 @ i.gains[0] - Delta).T).T)


def parts(rng: np.random.Generator, i: Instance) -> dict[str, Float[ndarray, "m d"]]:
    """T, C₁ and C₀, some of them small: multiples of one matrix with drawn signs, or each its own, or C₁ = C₀.

    Half of the time they read the input of the largest moment alone, along which contents are learned first.
    """
    (m, d), beta = i.T.shape, i.beta
    own = rng.random(3) * np.where(rng.random(3) < 0.5, 1, 0.003) * beta * log_uniform(rng, 0.02, 0.4)
    X = rng.standard_normal((3, m, d))
    if rng.random() < 0.5:
        q = np.linalg.eigh(i.Sigma)[1][:, -1]
        X = (X @ q)[:, :, None] * q
    if rng.random() < 0.6:
        X = rng.choice([-1.0, 1.0], 3)[:, None, None] * X[0]
    if rng.random() < 0.2:
        own, X[2] = beta * np.array([1e-4, 0.1, 0.1]), X[1]
    return dict(zip(("T", "C1", "C0"), own[:, None, None] * X, strict=True))


def _made(rng: np.random.Generator, T: ndarray, beta: float, Sigma: ndarray, t1: float, t0: float) -> Instance:
    (m, d), n = T.shape, (T.shape[1] + 3 + rng.integers(0, 40, 2)).tolist()
    root = np.linalg.cholesky(Sigma)
    if d > 6:  # so many and so even that no input is seen much less than another
        n, root = [8 * d, 8 * d], np.eye(d)
    X1, X0 = (root @ rng.standard_normal((d, k)) for k in n)
    if rng.random() < 0.3:  # one direction is hardly seen: the norm of the error is that direction's
        w = unit(rng, d)
        X1, X0 = (X - 0.95 * np.outer(w, w @ X) for X in (X1, X0))
    samples = Samples(X1, X0, log_uniform(rng, 0.1, 1), int(rng.integers(2**31)))
    frames, name = (orthonormal(rng, m, 2), orthonormal(rng, d, 2)), ESTIMATORS[rng.integers(len(ESTIMATORS))]
    C1 = beta * log_uniform(rng, 0.01, 1) * rng.standard_normal((m, d))
    return Instance(T, C1, 0 * C1, unit(rng, m), unit(rng, d), beta, Sigma, Sigma, t1, t0, samples, name, frames)


def reflection(rng: np.random.Generator, i: Instance, s: float) -> Float[ndarray, "m d"]:
    """``mirror(s)`` in planes through u and v'."""
    left, right = (aside(rng, x) for x in (i.u, i.right))
    return left @ mirror(s) @ right.T


def aside(rng: np.random.Generator, x: Float[ndarray, " n"]) -> Float[ndarray, "n 2"]:
    """An orthonormal pair, x first."""
    Q, R = np.linalg.qr(np.stack([x, rng.standard_normal(len(x))], axis=1))
    return Q * np.sign(np.diag(R))


def extremal(rng: np.random.Generator) -> Instance:
    """T, C₁ and −C₀ multiples of the reflection at rho = 0.3, Sigma isotropic at the worst time for κ = 0.4."""
    t1, kappa, beta = 2.0, 0.4, 1.5
    Sigma = saturating(kappa) / t1 * np.eye(4)
    i = replace(_made(rng, np.zeros((5, 4)), beta, Sigma, t1, kappa * t1), estimator="the difference")
    parts = np.array([0.5, 0.2, 0.3]) * 0.3 * float(np.linalg.norm(i.right))
    R = reflection(rng, i, 0.6)
    one, nought = (1 - np.exp(-t * Sigma[0, 0]) for t in (t1, kappa * t1))
    return replace(i, T=parts[0] / left_over(kappa) * R, C1=parts[1] / one * R, C0=-parts[2] / nought * R)


def beyond_half(rng: np.random.Generator) -> Instance:
    """delta = 0.6 beta': Delta = −0.6 beta' (u v'ᵀ − u'v''ᵀ) leaves another pair on top."""
    i = replace(extremal(rng), t0=2.0)
    C = 0.6 * i.beta * reflection(rng, i, 1.0)
    return replace(i, C1=C, C0=0 * C)
