"""LoRA factors trained on the population loss of one layer: the route that the closed forms are checked against.

One problem or many at once: leading axes of the arrays are trials, which do not influence each other. Below, the
learning curves of gradient flow on the factors, loss ½‖(M − B A) Sigma^½‖_F²: closed forms and an integrator.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
from jaxtyping import Float
from numpy import ndarray
from scipy.integrate import solve_ivp

from .. import linalg
from ..errors import InputError
from .problem import LinearProblem, Stacked

Optimizer = Literal["sgd", "momentum", "adam", "adamw", "sign"]
Stage = Literal["parameter", "gradient", "update"]
ADAM, MOMENTUM, EPS = (0.9, 0.999), 0.9, 1e-8


@dataclass(frozen=True, eq=False)
class Run:
    """Result of ``train``.

    Attributes:
        trajectory: dW at the start and after each recorded step, the last one included.
        steps: those taken by the trial that stopped last.
    """

    B: Float[ndarray, "... m r"]
    A: Float[ndarray, "... r d"]
    trajectory: Float[ndarray, "n ... m d"]
    steps: int

    @property
    def dW(self) -> Float[ndarray, "... m d"]:
        """scaling * B A at the end."""
        return self.trajectory[-1]


@np.errstate(over="ignore", invalid="ignore")  # a run that diverges is reported, once
def train(
    problem: LinearProblem | Stacked,
    A0: Float[ndarray, "... r d"],
    *,
    lr: float | Float[ndarray, "..."],
    steps: int,
    optimizer: Optimizer = "sgd",
    scaling: float = 1.0,
    B0: Float[ndarray, "... m r"] | None = None,
    write: Float[ndarray, "... m k"] | None = None,
    read: Float[ndarray, "... d k"] | None = None,
    stage: Stage = "parameter",
    attach: bool = True,
    decay: float = 0.0,
    eps: float = EPS,
    tolerance: float = 0.0,
    every: int = 1,
    callback: Callable[[int, ndarray, ndarray], None] | None = None,
) -> Run:
    """Minimise ‖H^½ (M − scaling B A) Sigma^½‖_F² over the factors from (B0, A0), B0 = 0 by default.

    Leading axes of the problem, A0, B0, write, read and lr are trials; they broadcast. Every trial runs as it would
    alone: one that has reached its tolerance stands still while the others go on.

    Args:
        optimizer: momentum is heavy ball (0.9); adam and adamw as in torch, with betas 0.9, 0.999; sign is signed
            descent.
        write, read: orthonormal columns Q, V; B <- (I − QQᵀ) B, A <- A (I − VVᵀ).
        stage: what is projected. parameter: the factors, at attach time (unless not ``attach``) and after each step.
            gradient: the gradients only, before the optimiser sees them. update: the optimiser's increments only.
        decay: decoupled weight decay of the factors (adamw).
        tolerance: stop once the gradient, less what is projected out, is this small relative to the first; 0 runs all
            steps.
        every: record dW every so many steps; 0 keeps only the first and the last.
        callback: called with (step, B, A) at the start and after each step. Nothing is random.

    Raises InputError for unknown names, factors that do not fit the layer, and training that diverges.
    """
    if optimizer not in get_args(Optimizer) or stage not in get_args(Stage):
        raise InputError(f"unknown optimizer {optimizer!r} or stage {stage!r}")
    if not (np.isfinite(lr).all() and np.all(np.asarray(lr) > 0) and steps >= 1):
        raise InputError(f"lr must be positive and steps at least 1, got {lr} and {steps}")
    B: ndarray
    A: ndarray
    dW: ndarray
    first: ndarray
    B, A = _factors(problem, A0, B0, others=(write, read), trials=np.shape(lr))
    keep_B, keep_A = _complement(write), _complement(read)
    if stage == "parameter" and attach:
        B, A = _left(keep_B, B), _right(A, keep_A)
    gradient, state = _gradient(problem, scaling), (OptimizerState(optimizer, eps), OptimizerState(optimizer, eps))
    rate = np.asarray(lr, dtype=float)[..., None, None]
    dW = scaling * B @ A
    trajectory, first, step = [dW], np.zeros(B.shape[:-2]), 0
    if callback:
        callback(0, B, A)
    while step < steps:
        G = gradient(dW)
        gB, gA = G @ A.swapaxes(-1, -2), B.swapaxes(-1, -2) @ G
        free = _left(keep_B, gB), _right(gA, keep_A)
        size = np.hypot(*(_length(g) for g in free))
        if stage == "gradient":
            gB, gA = free
        first = np.where(first == 0, size, first)
        if not np.isfinite(size).all():
            raise InputError(f"training diverged at step {step}: lower lr = {lr}")
        moving = (size > tolerance * first)[..., None, None]
        if not moving.any():
            break
        step += 1
        dB, dA = (-rate * s.direction(g) for s, g in zip(state, (gB, gA), strict=True))
        if optimizer == "adamw":
            dB, dA = dB - rate * decay * B, dA - rate * decay * A
        if stage == "update":
            dB, dA = _left(keep_B, dB), _right(dA, keep_A)
        moved = B + dB, A + dA
        if stage == "parameter":
            moved = _left(keep_B, moved[0]), _right(moved[1], keep_A)
        B, A = moved if moving.all() else (np.where(moving, x, y) for x, y in zip(moved, (B, A), strict=True))
        dW = scaling * B @ A
        if every and step % every == 0:
            trajectory.append(dW)
        if callback:
            callback(step, B, A)
    if step and not (every and step % every == 0):
        trajectory.append(dW)
    return Run(B, A, np.array(trajectory), step)


def stable_step(
    problem: LinearProblem | Stacked, A0: Float[ndarray, "... r d"], *, scaling: float = 1.0
) -> float | Float[ndarray, "..."]:
    """A step of plain descent below the inverse curvature along the path, one per trial.

    BᵀB − AAᵀ is (nearly) conserved, so ‖A‖² + ‖B‖² ends near √(‖A0‖⁴ + 4 ‖M‖²/scaling²).
    """
    seen = getattr(problem, "seen", None)
    Sigma = problem.Sigma if seen is None else seen @ problem.Sigma @ seen.swapaxes(-1, -2)
    H, S, A, M = (linalg.spectral_norm(x) for x in (problem.H, Sigma, A0, problem.M))
    step = 0.5 / (2 * scaling**2 * H * S * np.hypot(A**2, 2 * M / scaling))
    return step if np.ndim(step) else float(step)


class OptimizerState:
    """What one parameter's optimiser remembers, entry by entry: stacked parameters are optimised independently."""

    def __init__(self, optimizer: Optimizer, eps: float = EPS) -> None:
        self.optimizer, self.eps = optimizer, eps
        self.first: ndarray | float = 0.0
        self.second: ndarray | float = 0.0
        self.t = 0

    def direction(self, g: ndarray) -> ndarray:
        """The step is −lr times this."""
        if self.optimizer == "sgd":
            return g
        if self.optimizer == "sign":
            return np.sign(g)
        if self.optimizer == "momentum":
            self.first = MOMENTUM * self.first + g
            return self.first
        self.t += 1
        b1, b2 = ADAM
        self.first, self.second = b1 * self.first + (1 - b1) * g, b2 * self.second + (1 - b2) * g**2
        return self.first / (1 - b1**self.t) / (np.sqrt(self.second / (1 - b2**self.t)) + self.eps)


def _factors(
    problem: LinearProblem | Stacked, A0: ndarray, B0: ndarray | None, *, others: tuple, trials: tuple[int, ...]
) -> tuple[ndarray, ndarray]:
    """The start, with the leading axes of everything that it will meet."""
    m, d = problem.shape
    A = np.array(A0, dtype=float)
    B = np.zeros((m, A.shape[-2] if A.ndim > 1 else 0)) if B0 is None else np.array(B0, dtype=float)
    if min(A.ndim, B.ndim) < 2 or A.shape[-1] != d or B.shape[-2:] != (m, A.shape[-2]) or A.shape[-2] == 0:
        raise InputError(f"factors of shape {B.shape} and {A.shape} do not fit a layer of shape {(m, d)}")
    arrays = [A, B, problem.M, problem.Sigma, problem.H, getattr(problem, "seen", None), *others]
    try:
        axes = np.broadcast_shapes(trials, *(x.shape[:-2] for x in arrays if x is not None))
    except ValueError as error:
        raise InputError(f"leading axes (trials) that do not broadcast to each other: {error}") from error
    return np.array(np.broadcast_to(B, axes + B.shape[-2:])), np.array(np.broadcast_to(A, axes + A.shape[-2:]))


def _gradient(problem: LinearProblem | Stacked, scaling: float) -> Callable[[ndarray], ndarray]:
    """dW -> −2 scaling H (M − dW seen) Sigma seenᵀ, without products by the identity (they are exact: same bits)."""
    seen = getattr(problem, "seen", None)
    left = -2 * scaling * problem.H
    outer = None if _is_identity(problem.H) else left
    right = problem.Sigma if seen is None else problem.Sigma @ seen.swapaxes(-1, -2)
    inner = None if _is_identity(right) else right

    def gradient(dW: ndarray) -> ndarray:
        E = problem.M - (dW if seen is None else dW @ seen)
        return _right(-2 * scaling * E if outer is None else outer @ E, inner)

    return gradient


def _is_identity(X: ndarray) -> bool:
    return X.shape[-1] == X.shape[-2] and bool((np.eye(X.shape[-1]) == X).all())


def _left(P: ndarray | None, X: ndarray) -> ndarray:
    return X if P is None else P @ X


def _right(X: ndarray, P: ndarray | None) -> ndarray:
    return X if P is None else X @ P


def _length(X: ndarray) -> ndarray:
    """Frobenius norm of each matrix."""
    return np.sqrt(np.sum(X * X, axis=(-2, -1)))


def _complement(Q: ndarray | None) -> ndarray | None:
    return None if Q is None else np.eye(Q.shape[-2]) - Q @ Q.swapaxes(-1, -2)


def saxe_curve(s: Float[ndarray, " k"], a0: Float[ndarray, " k"], t: float) -> Float[ndarray, " k"]:
    """Strength at time t of modes of final strength s that start balanced and aligned, from a0; Sigma = I.

    Law: a' = 2a (s − a).
    """
    return s / (1 + (s / a0 - 1) * np.exp(-2 * s * t))


def lora_curve(s: Float[ndarray, " k"], alpha: float, t: float) -> Float[ndarray, " k"]:
    """The same from LoRA's start B = 0, A0 A0ᵀ = alpha² I, for modes inside row(A0).

    Law: a' = √(alpha⁴ + 4a²) (s − a).
    """
    kappa, squared = np.sqrt(alpha**4 / 4 + s**2), alpha**2
    S, C = np.sinh(kappa * t), np.cosh(kappa * t)
    top = squared * s / kappa * S * (C + squared * S / (2 * kappa))
    return top / (1 + squared * S * (C / kappa + squared * S / (2 * kappa**2)))


def riccati_flow(M: Float[ndarray, "m d"], A0: Float[ndarray, "q d"], t: float) -> Float[ndarray, "m d"]:
    """dW at time t from B = 0 and an A0 with A0 A0ᵀ = alpha² I; Sigma = I.

    Law: P = [B; Aᵀ][B; Aᵀ]ᵀ solves P' = K P + P K − P² with K = [[−alpha²/2 I, M], [Mᵀ, alpha²/2 I]]; dW is its upper
    right block. Any other A0 gives nonsense. Loses digits as e^(2 kappa t), kappa the largest eigenvalue of K, grows
    (seen from t ≈ 15 at strengths of order 1).
    """
    m, d = M.shape
    shift = 0.5 * float(A0[0] @ A0[0])
    values, E = linalg.eigh(np.block([[-shift * np.eye(m), M], [M.T, shift * np.eye(d)]]))
    seen = E.T @ np.vstack([np.zeros((m, len(A0))), A0.T])
    # ∫₀ᵗ e^{2Ks} ds; sinh(x)/x is smooth at K's zero eigenvalues, which a left null space has at alpha = 0
    x = values * t
    integral = t * np.exp(x) * np.where(x == 0, 1.0, np.sinh(x) / np.where(x == 0, 1.0, x))
    inner = np.eye(len(A0)) + seen.T * integral @ seen
    grown = E * np.exp(values * t) @ seen
    return (grown @ linalg.solve(inner, grown.T))[:m, m:]


def flow(
    M: Float[ndarray, "m d"], Sigma: Float[ndarray, "d d"], B: Float[ndarray, "m r"], A: Float[ndarray, "r d"], t: float
) -> Float[ndarray, "m d"]:
    """B A at time t from any start, by an eighth-order integrator (relative 1e-10 a step)."""
    n = B.size

    def slope(_: float, x: ndarray) -> ndarray:
        B_, A_ = x[:n].reshape(B.shape), x[n:].reshape(A.shape)
        E = (M - B_ @ A_) @ Sigma
        return np.concatenate([(E @ A_.T).ravel(), (B_.T @ E).ravel()])

    start = np.concatenate([B.ravel(), A.ravel()])
    x = solve_ivp(slope, (0, t), start, method="DOP853", rtol=1e-10, atol=1e-12).y[:, -1]
    return x[:n].reshape(B.shape) @ x[n:].reshape(A.shape)
