"""LoRA factors trained on the population loss of one layer: the route that the closed forms are checked against."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from ..errors import InputError
from .problem import LinearProblem

Optimizer = Literal["sgd", "momentum", "adam", "adamw", "sign"]
Stage = Literal["parameter", "gradient", "update"]
ADAM, MOMENTUM, EPS = (0.9, 0.999), 0.9, 1e-8


@dataclass(frozen=True, eq=False)
class Run:
    """Result of ``train``. trajectory : dW at the start and after each recorded step, the last one included."""

    B: Float[ndarray, "m r"]
    A: Float[ndarray, "r d"]
    trajectory: Float[ndarray, "n m d"]
    steps: int

    @property
    def dW(self) -> Float[ndarray, "m d"]:
        """scaling * B A at the end."""
        return self.trajectory[-1]


def train(
    problem: LinearProblem,
    A0: Float[ndarray, "r d"],
    *,
    lr: float,
    steps: int,
    optimizer: Optimizer = "sgd",
    scaling: float = 1.0,
    B0: Float[ndarray, "m r"] | None = None,
    write: Float[ndarray, "m k"] | None = None,
    read: Float[ndarray, "d k"] | None = None,
    stage: Stage = "parameter",
    attach: bool = True,
    decay: float = 0.0,
    eps: float = EPS,
    tolerance: float = 0.0,
    every: int = 1,
    callback: Callable[[int, ndarray, ndarray], None] | None = None,
) -> Run:
    """Minimise ‖H^½ (M − scaling B A) Sigma^½‖_F² over the factors from (B0, A0), B0 = 0 by default.

    Parameters
    ----------
    optimizer : momentum is heavy ball (0.9); adam and adamw as in torch, with betas 0.9, 0.999; sign is signed descent.
    write, read : orthonormal columns Q, V; B <- (I − QQᵀ) B, A <- A (I − VVᵀ).
    stage : what is projected. parameter: the factors, at attach time (unless not ``attach``) and after each step.
        gradient: the gradients only, before the optimiser sees them. update: the optimiser's increments only.
    decay : decoupled weight decay of the factors (adamw).
    tolerance : stop once the gradient is this small relative to the first; 0 runs all steps.
    every : record dW every so many steps; 0 keeps only the first and the last.
    callback : called with (step, B, A) at the start and after each step. Nothing is random.
    """
    if optimizer not in get_args(Optimizer) or stage not in get_args(Stage):
        raise InputError(f"unknown optimizer {optimizer!r} or stage {stage!r}")
    if not (np.isfinite(lr) and lr > 0 and steps >= 1):
        raise InputError(f"lr must be positive and steps at least 1, got {lr} and {steps}")
    m, d = problem.shape
    A = np.array(A0, dtype=float)
    B = np.zeros((m, len(A))) if B0 is None else np.array(B0, dtype=float)
    if A.ndim != 2 or A.shape[1] != d or B.shape != (m, len(A)) or len(A) == 0:
        raise InputError(f"factors of shape {B.shape} and {A.shape} do not fit a layer of shape {(m, d)}")
    keep_B, keep_A = _complement(write, m), _complement(read, d)
    if stage == "parameter" and attach:
        B, A = keep_B @ B, A @ keep_A
    M, H, Sigma = problem.M, problem.H, problem.Sigma
    state = _State(optimizer, eps), _State(optimizer, eps)
    dW = scaling * B @ A
    trajectory, first, step = [dW], 0.0, 0
    if callback:
        callback(0, B, A)
    while step < steps:
        G = -2 * scaling * H @ (M - dW) @ Sigma
        gB, gA = G @ A.T, B.T @ G
        if stage == "gradient":
            gB, gA = keep_B @ gB, gA @ keep_A
        size = float(np.hypot(np.linalg.norm(gB), np.linalg.norm(gA)))
        first = first or size
        if not np.isfinite(size):
            raise InputError(f"training diverged at step {step}: lower lr = {lr}")
        if size <= tolerance * first:
            break
        step += 1
        dB, dA = (-lr * s.direction(g) for s, g in zip(state, (gB, gA), strict=True))
        if optimizer == "adamw":
            dB, dA = dB - lr * decay * B, dA - lr * decay * A
        if stage == "update":
            dB, dA = keep_B @ dB, dA @ keep_A
        B, A = B + dB, A + dA
        if stage == "parameter":
            B, A = keep_B @ B, A @ keep_A
        dW = scaling * B @ A
        if every and step % every == 0:
            trajectory.append(dW)
        if callback:
            callback(step, B, A)
    if step and not (every and step % every == 0):
        trajectory.append(dW)
    return Run(B, A, np.array(trajectory), step)


def stable_step(problem: LinearProblem, A0: Float[ndarray, "r d"], *, scaling: float = 1.0) -> float:
    """A step of plain descent below the inverse curvature along the path.

    BᵀB − AAᵀ is (nearly) conserved, so ‖A‖² + ‖B‖² ends near √(‖A0‖⁴ + 4 ‖M‖²/scaling²).
    """
    norms = [np.linalg.norm(x, 2) for x in (problem.H, problem.Sigma, A0, problem.M)]
    return float(0.5 / (2 * scaling**2 * norms[0] * norms[1] * np.hypot(norms[2] ** 2, 2 * norms[3] / scaling)))


class _State:
    """What one factor's optimiser remembers."""

    def __init__(self, optimizer: Optimizer, eps: float) -> None:
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


def _complement(Q: ndarray | None, n: int) -> ndarray:
    return np.eye(n) if Q is None else np.eye(n) - Q @ Q.T
