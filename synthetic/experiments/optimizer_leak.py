"""What reaches protected directions when the gradient, the increment or the parameter is projected, by optimiser."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, Literal, cast, get_args

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from grasp_theory import InputError
from grasp_theory.linear.problem import LinearProblem
from grasp_theory.linear.training import Stage, train

from ..experiment import Experiment, Prediction
from ..fields import require_known
from ..generators.task_updates import haar

Optimizer = Literal["sgd", "momentum", "adam", "adamw"]
Projected = Literal["nothing", "gradient", "update", "parameter"]
Side = Literal["write", "read", "both"]
LR = {"sgd": 0.05, "momentum": 0.005, "adam": 0.005, "adamw": 0.005}
DECAY = 0.01  # torch's default for AdamW
BETA, ALPHA = 2.0, 1 / np.sqrt(3)  # strength of the factor; length of A0's rows in PEFT's start


@dataclass(frozen=True)
class Cell:
    """Training of one layer towards M = T + beta u vᵀ, u and v inside the protected spans Q (m x kept), V (d x kept).

    Attributes:
        method: what trains.
        projected: what is kept off the spans; "nothing" is the control.
        side: which of Q, V.
        rank: of LoRA.
        steps: where along training the leak is measured.
    """

    method: str
    optimizer: str
    projected: str
    side: str
    rank: int
    lr: float
    m: int = 48
    d: int = 32
    kept: int = 2
    steps: tuple[int, ...] = (1, 2, 4, 8, 16, 32, 64, 128, 256, 512)

    METHODS: ClassVar[tuple[str, ...]] = ("LoRA",)

    def __post_init__(self) -> None:
        kinds = {"optimizer": get_args(Optimizer), "projected": get_args(Projected), "side": get_args(Side)}
        require_known(self, method=self.METHODS, **kinds)
        if not 1 <= self.kept < min(self.m, self.d):
            raise InputError(f"kept must be from 1 to below m = {self.m} and d = {self.d}, got {self.kept}")
        if not 1 <= self.rank <= self.d:
            raise InputError(f"rank must be from 1 to d = {self.d}, got {self.rank}")
        if not (np.isfinite(self.lr) and self.lr > 0):
            raise InputError(f"lr must be positive and finite, got {self.lr}")
        if not self.steps or self.steps[0] < 1 or any(b <= a for a, b in zip(self.steps, self.steps[1:], strict=False)):
            raise InputError(f"steps must increase from at least 1, got {self.steps}")


@dataclass(frozen=True, eq=False)
class Planted:
    """W0 whose top singular vectors are Q and V, and the target M = T + beta u vᵀ of the update."""

    problem: LinearProblem
    Q: Float[ndarray, "m k"]
    V: Float[ndarray, "d k"]

    def leak(self, dW: Float[ndarray, "*n m d"], side: str) -> Float[ndarray, "*n"]:
        """‖QᵀdW‖/‖QᵀM‖ or ‖dW V‖/‖M V‖: 1 for what unrestricted training converges to."""
        span, axis = (self.Q.T, 0) if side == "write" else (self.V, 1)
        seen, full = (span @ x if axis == 0 else x @ span for x in (dW, self.problem.M))
        return np.linalg.norm(seen, axis=(-2, -1)) / np.linalg.norm(full)


def cells(quick: bool) -> list[Cell]:
    """Four optimisers x the control and three projections on each side; rank 6, and rank d where nothing is prevented.

    Quick: the same, 64 steps.
    """
    steps = (1, 2, 4, 8, 16, 32, 64) if quick else Cell.steps
    ways = [("nothing", "both"), *((p, s) for s in ("write", "read") for p in ("gradient", "update", "parameter"))]
    grid = [Cell("LoRA", o, p, s, 6, LR[o], steps=steps) for o in get_args(Optimizer) for p, s in ways]
    return grid + [Cell("LoRA", "sgd", p, s, 32, LR["sgd"], steps=steps) for p, s in ways if s != "write"]


def draw(cell: Cell, rng: np.random.Generator) -> Planted:
    """T of independent entries with largest singular value about 1; dense uniform singular vectors of W0."""
    left, right = haar((cell.m, cell.m), rng=rng), haar((cell.d, cell.d), rng=rng)
    n = min(cell.m, cell.d)
    values = np.concatenate([np.linspace(4, 3, cell.kept), np.linspace(1, 0.2, n - cell.kept)])
    Q, V = left[:, : cell.kept], right[:, : cell.kept]
    u, v = (span @ haar((cell.kept, 1), rng=rng)[:, 0] for span in (Q, V))
    T = rng.standard_normal((cell.m, cell.d)) / (np.sqrt(cell.m) + np.sqrt(cell.d))
    return Planted(LinearProblem((left[:, :n] * values) @ right[:, :n].T, T, BETA, u, v, np.eye(cell.d)), Q, V)


def measure(cell: Cell, rngs: Sequence[np.random.Generator]) -> dict[str, ndarray]:
    """Leak on the projected side (both for the control) at ``steps``; the first step's, squared, per lr² alpha² k r."""
    sides = ("write", "read") if cell.side == "both" else (cell.side,)
    found = [_leaks(cell, rng, sides) for rng in rngs]
    return {quantity: np.array([leaks[quantity] for leaks in found]) for quantity in found[0]}


def _leaks(cell: Cell, rng: np.random.Generator, sides: Sequence[str]) -> dict[str, ndarray]:
    planted = draw(cell, rng)
    A0 = ALPHA * haar((cell.d, cell.rank), rng=rng).T
    seen: list[ndarray] = []

    def look(step: int, B: ndarray, A: ndarray) -> None:
        if step in cell.steps:
            seen.append(B @ A)

    stage = cast("Stage", "parameter" if cell.projected == "nothing" else cell.projected)
    train(
        planted.problem,
        A0,
        lr=cell.lr,
        steps=cell.steps[-1],
        optimizer=cast("Optimizer", cell.optimizer),
        decay=DECAY if cell.optimizer == "adamw" else 0.0,
        write=planted.Q if cell.projected != "nothing" and "write" in sides else None,
        read=planted.V if cell.projected != "nothing" and "read" in sides else None,
        stage=stage,
        every=0,
        callback=look,
    )
    along = np.array(seen)
    leaks = {side: planted.leak(along, side) for side in sides}
    if cell.steps[0] == 1 and "write" in sides and cell.optimizer in ("adam", "adamw"):
        size = cell.lr**2 * ALPHA**2 * cell.kept * cell.rank
        leaks["first step"] = np.array(np.sum((planted.Q.T @ along[0]) ** 2) / size)
    return leaks


def theory(cell: Cell) -> dict[str, Prediction]:
    """Statements ``projection-invariance`` and ``optimizer-leak``; and what a sign step undoes of the projection.

    Parameters projected: 0 on both sides. Increments: 0 on the write side (B is their sum), A0's part stays on the
    read side. Gradients: 0 on the write side under SGD and momentum. Rank d, read side, SGD: all of it in the end; what
    is missing then decays like (1 − 2 lr alpha²)^n, since A0 A0ᵀ = alpha² I on V for ever.

    A first step of Adam is lr sign(P G A0ᵀ), P = I − QQᵀ. For Gaussian T, u in span(Q) and orthogonal rows of A0 the
    columns of P G A0ᵀ are independent N(0, P) up to scale, so E sign signᵀ = (2/π) arcsin of P's correlations, and
    ‖QᵀdW_1‖² = lr² alpha² k r (1 − 2/π) on average (off by less than 1/m for uniform Q): the sign gives back 36% of
    what a sign matrix holds along any k directions.
    """
    zero = Prediction(0.0)
    if cell.projected == "nothing":
        return {}
    if cell.projected == "parameter":
        return {side: zero for side in ("write", "read") if cell.side in (side, "both")}
    laws = {}
    if cell.side != "read" and (cell.projected == "update" or cell.optimizer in ("sgd", "momentum")):
        laws["write"] = zero
    elif cell.side != "read" and cell.steps[0] == 1:
        laws["first step"] = Prediction(1 - 2 / np.pi, "=", 1 / cell.m)
        laws["write"] = Prediction(np.where(np.arange(len(cell.steps)) == 0, _first_leak(cell), np.nan), "~")
    missing = (1 - 2 * cell.lr * ALPHA**2) ** cell.steps[-1]
    if cell.side == "read" and cell.optimizer == "sgd" and cell.rank == cell.d and missing < 1e-3:
        end = np.array(cell.steps) == cell.steps[-1]
        laws["read"] = Prediction(np.where(end, 1 - 2 * missing, np.nan), ">=")
    return laws


def _first_leak(cell: Cell) -> float:
    """The same law as a leak: over ‖QᵀM‖, whose mean square is beta² + k d s² with s the deviation of T's entries."""
    whole = BETA**2 + cell.kept * cell.d / (np.sqrt(cell.m) + np.sqrt(cell.d)) ** 2
    return float(cell.lr * ALPHA * np.sqrt(cell.kept * cell.rank * (1 - 2 / np.pi) / whole))


EXPERIMENT = Experiment(
    name="optimizer-leak", cells=cells, measure=measure, theory=theory, trials=(20, 5), along="steps"
)
