"""What subtracting a second fine-tune that shares the task buys: descent and least squares against the law."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from grasp_theory import InputError, linalg

from ..experiment import Experiment, Prediction
from ..fields import require_known, require_not_negative
from ..generators.task_updates import haar

Panel = Literal["length", "strength", "samples"]
Control = Literal["shared task", "other inputs", "none", "with the factor", "half of the samples shared"]
Case = Literal["drawn", "worst"]
M, D = 12, 10
TIME = 2.0  # of the run with the factor, in units of one over the mean eigenvalue of Sigma
STEPS = 200  # of the midpoint rule for a run
NOISE = 0.5  # s of the labels


@dataclass(frozen=True)
class Cell:
    """A run with the factor, 12 x 10, and its control.

    Attributes:
        panel: length, what is left of the task alone, of norm 1; strength, how far û of the difference is off u;
            samples, what two least-squares fits leave.
        control: shared task; or other inputs than the run's, no control, one that has the factor as well, one that
            shares half of its samples: outside the statement, or without what it buys.
        kappa: its length over that of the run.
        case: drawn inputs (length) or task (strength), or the worst, which leave most.
        task: ‖T‖ over beta.
        n: samples of each run.
    """

    panel: str
    control: str = "shared task"
    kappa: float = 0.5
    case: str = "drawn"
    task: float = 0.0
    n: int = 0

    def __post_init__(self) -> None:
        require_known(self, panel=get_args(Panel), control=get_args(Control), case=get_args(Case))
        require_not_negative(self, "kappa", "task")
        if self.kappa > 1 or (self.panel == "samples") != (self.n > D + 1):
            raise InputError(f"kappa must be at most 1 and n above {D + 1} for samples, got {self.kappa} and {self.n}")

    @property
    def left(self) -> float:
        """What isotropic inputs leave of the task after this control, over what they leave of the factor."""
        kept = 1.0 if self.control == "none" else np.exp(-self.kappa * TIME) - np.exp(-TIME)
        return float(kept if self.control == "none" else kept / -np.expm1(-TIME))


def cells(quick: bool) -> list[Cell]:
    """Lengths from no control to one of the same length; tasks from a tenth of the factor up; 15 to 200 samples."""
    lengths, skip = (0.02, 0.1, 0.2, 0.35, 0.5, 0.65, 0.8, 0.9, 1.0), 3 if quick else 1
    found = [Cell("length", kappa=k, case=case) for case in get_args(Case) for k in lengths[::skip]]
    found += [Cell("length", "other inputs", k) for k in lengths[::skip]]
    for control in ("none", "shared task", "with the factor"):
        kappa = 1.0 if control == "with the factor" else 0.5
        for x in (0.1, 0.2, 0.3, 0.4, 0.48, 0.7, 1.0, 1.4, 1.8)[::skip]:
            one = Cell("strength", control, kappa, task=x)
            found.append(one)
            if control != "with the factor" and x * one.left < 0.5:
                found.append(Cell("strength", control, kappa, case="worst", task=x))
    sizes = (15, 20, 30, 50, 80, 120, 200)[::skip]
    return found + [Cell("samples", c, n=n) for c in ("shared task", "half of the samples shared") for n in sizes]


def measure(cell: Cell, rngs: Sequence[np.random.Generator]) -> dict[str, Float[ndarray, " trials"]]:
    """left: ‖what is left of the task‖₂; sine: sin ∠(û,u); energy: ‖Delta‖_F²/(s² m)."""
    of = {"length": ("left", _left), "strength": ("sine", _sine), "samples": ("energy", _energy)}
    name, value = of[cell.panel]
    return {name: np.array([value(cell, rng) for rng in rngs])}


def _run(target: Float[ndarray, "m d"], Sigma: Float[ndarray, "d d"], time: float) -> Float[ndarray, "m d"]:
    """Gradient flow from 0 on quadratic loss, by the midpoint rule."""
    dW, h = np.zeros_like(target), time / STEPS
    for _ in range(STEPS):
        half = dW + h / 2 * (target - dW) @ Sigma
        dW = dW + h * (target - half) @ Sigma
    return dW


def _left(cell: Cell, rng: np.random.Generator) -> float:
    T = rng.standard_normal((M, D))
    T = T / linalg.spectral_norm(T)
    Sigma, Sigma0 = _inputs(rng), _inputs(rng)
    if cell.case == "worst":  # all inputs are learned at the pace at which this control leaves most
        Sigma = np.eye(D) * (-np.log(cell.kappa) / (1 - cell.kappa) if cell.kappa < 1 else 1.0) / TIME
    control = _run(T, Sigma0 if cell.control == "other inputs" else Sigma, cell.kappa * TIME)
    return float(linalg.spectral_norm(_run(T, Sigma, TIME) - control))


def _inputs(rng: np.random.Generator) -> Float[ndarray, "d d"]:
    """A covariance of condition 30 at most in a dense basis, of mean eigenvalue 1."""
    values = np.exp(rng.uniform(0, np.log(30), D))
    Q = haar((D, D), rng=rng)
    return Q * (values / values.mean()) @ Q.T


def _sine(cell: Cell, rng: np.random.Generator) -> float:
    left, right, eye = haar((M, 2), rng=rng), haar((D, 2), rng=rng), np.eye(D)
    factor = np.outer(left[:, 0], right[:, 0])
    T = rng.standard_normal((M, D))
    T = T / linalg.spectral_norm(T)
    if cell.case == "worst":  # turns û furthest at what the control leaves of it
        s = 2 * cell.task * cell.left
        T = left @ np.array([[-s, np.sqrt(1 - s * s)], [np.sqrt(1 - s * s), s]]) @ right.T
    seen = _run(cell.task * T + factor, eye, TIME)
    if cell.control != "none":
        # the two share T; what the control with the factor has of its own is another tenth of a task
        own = 0.1 * rng.standard_normal((M, D)) / (M**0.5 + D**0.5) + factor
        seen = seen - _run(cell.task * T + (own if cell.control == "with the factor" else 0), eye, cell.kappa * TIME)
    u = linalg.svd(seen, full_matrices=False)[0][:, 0]
    return float(np.linalg.norm(u - left[:, 0] * (left[:, 0] @ u)))


def _energy(cell: Cell, rng: np.random.Generator) -> float:
    T = rng.standard_normal((M, D))
    X, noise = rng.standard_normal((2, D, cell.n)), NOISE * rng.standard_normal((2, M, cell.n))
    if cell.control == "half of the samples shared":
        half = cell.n // 2
        X[1, :, :half], noise[1, :, :half] = X[0, :, :half], noise[0, :, :half]
    one, other = (linalg.lstsq(x.T, (T @ x + e).T, rcond=1e-12).T for x, e in zip(X, noise, strict=True))
    return float(np.sum((one - other) ** 2)) / (NOISE**2 * M)


def theory(cell: Cell) -> dict[str, Prediction]:
    """``control-contrast``, drawn beside what is outside it as well: g(kappa), sin(½ arcsin 2 delta/beta') and, over
    Gaussian inputs, E tr K = 2 d/(n − d − 1).
    """
    inside = cell.control in ("shared task", "none")
    if cell.panel == "length":
        k = cell.kappa
        bound = (1 - k) * k ** (k / (1 - k)) if k < 1 else 0.0
        return {"left": Prediction(bound, "~" if not inside else "=" if cell.case == "worst" else "<=", 1e-3)}
    if cell.panel == "samples":
        return {"energy": Prediction(2 * D / (cell.n - D - 1), "=" if inside else "~")}
    rho = cell.task * cell.left
    if not inside or rho >= 0.5:
        return {}
    return {"sine": Prediction(float(np.sin(0.5 * np.arcsin(2 * rho))), "=" if cell.case == "worst" else "<=", 1e-3)}


EXPERIMENT = Experiment(name="control-contrast", cells=cells, measure=measure, theory=theory, trials=(40, 8))
