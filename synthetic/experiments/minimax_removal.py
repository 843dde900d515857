"""How much of the top component to remove: the worst explanation of what is seen, by a search, for every amount."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from grasp_theory import InputError

from ..experiment import Experiment, Prediction
from ..fields import require_known, require_positive

Panel = Literal["beta known", "beta unknown", "second value seen"]
STRENGTHS = 11  # of the factor, tried where it is not known; as many again around the worst
GRID, ROUNDS, SHRINK = 25, 12, 0.45  # angles of u and of v on a square grid, around the best so far


@dataclass(frozen=True)
class Cell:
    """The top value s of M = T + beta u vᵀ is seen and ‖T‖ <= tau is known; amount û v̂ᵀ is removed of it.

    Attributes:
        beta: the factor's strength; 0 where it is not known.
        s2: the second value, where it is seen; elsewhere it is the one that hides most, |s − beta|.
        second: what is removed of it; below 0 it is raised.
    """

    panel: str
    amount: float
    tau: float
    beta: float = 0.0
    s: float = 1.0
    s2: float = 0.0
    second: float = 0.0

    def __post_init__(self) -> None:
        require_known(self, panel=get_args(Panel))
        require_positive(self, "tau", "s")
        if not self.tau < self.s:
            raise InputError(f"tau must be below s, got {self.tau} and {self.s}")
        if (self.beta == 0) != (self.panel == "beta unknown") or (self.s2 != 0) != (self.panel == "second value seen"):
            raise InputError(f"panel {self.panel} takes another beta or s2 than {self.beta} and {self.s2}")
        if self.beta and not abs(self.s - self.beta) <= self.tau:
            raise InputError(f"beta must be within tau of s, got {self.beta}, {self.tau} and {self.s}")


def cells(quick: bool) -> list[Cell]:
    """Amounts from 0.6 s to more than all of it: three strengths, three norms, three edits of a second value."""
    skip = 4 if quick else 1
    amounts = [float(x) for x in np.linspace(0.6, 1.15, 12).round(4)[::skip]]
    found = [Cell("beta known", n, 0.4, b) for b in (0.8, 1.0, 1.2) for n in amounts]
    found += [Cell("beta unknown", n, tau) for tau in (0.2, 0.4, 0.6) for n in amounts]
    seen = [float(x) for x in np.linspace(0.75, 1.2, 10).round(4)[::skip]]
    return found + [Cell("second value seen", n, 0.3, 1.0, 1.15, 0.1, x) for x in (0.0, -0.048, 0.1) for n in seen]


def measure(cell: Cell, rngs: Sequence[np.random.Generator]) -> dict[str, Float[ndarray, " trials"]]:
    """worst: the largest ‖N − beta u vᵀ‖_F² over the explanations of M, N what was removed. The same in every trial."""
    strengths = np.array([cell.beta])
    if cell.panel == "beta unknown":
        strengths = np.linspace(cell.s - cell.tau, cell.s + cell.tau, STRENGTHS)
        worst = strengths[int(np.argmax([_worst(cell, float(b)) for b in strengths]))]
        strengths = (worst + cell.tau * np.linspace(-2, 2, STRENGTHS) / (STRENGTHS - 1)).clip(*strengths[[0, -1]])
    found = max(_worst(cell, float(b)) for b in strengths)
    return {"worst": np.full(len(rngs), found)}


def _worst(cell: Cell, beta: float) -> float:
    """With either sign of the second value."""
    return max(_worst_of(cell, beta, sign) for sign in (1.0, -1.0))


def _worst_of(cell: Cell, beta: float, sign: float) -> float:
    """Over u, v at angles a, b from û, v̂, with diag(s, ±s₂) − beta u vᵀ of norm at most tau; −1 where there is none.

    A square grid of angles, then ever smaller ones around the best feasible one.
    """
    second = sign * (cell.s2 or abs(cell.s - beta))
    centre, width, best = np.zeros(2), np.pi / 2, -1.0
    for _ in range(ROUNDS):
        a, b = np.meshgrid(*(c + width * np.linspace(-1, 1, GRID) for c in centre), indexing="ij")
        factor = beta * np.stack(
            [np.cos(a) * np.cos(b), np.cos(a) * np.sin(b), np.sin(a) * np.cos(b), np.sin(a) * np.sin(b)]
        )
        rest = np.array([cell.s, 0.0, 0.0, second])[:, None, None] - factor
        # of [[p, q], [r, t]]: σ₁² = (e + √(e² − 4 det²))/2, e the sum of squares
        energy, det = np.sum(rest**2, axis=0), rest[0] * rest[3] - rest[1] * rest[2]
        norm = np.sqrt((energy + np.sqrt(np.maximum(energy**2 - 4 * det**2, 0.0))) / 2)
        removed = np.array([cell.amount, 0.0, 0.0, sign * cell.second])[:, None, None]
        error = np.where(norm <= cell.tau * (1 + 1e-9), np.sum((removed - factor) ** 2, axis=0), -1.0)
        at = np.unravel_index(int(np.argmax(error)), error.shape)
        if error[at] > best:
            best, centre = float(error[at]), np.array([a[at], b[at]])
        width *= SHRINK
    return best


def theory(cell: Cell) -> dict[str, Prediction]:
    """``minimax-removal``: n² + beta² − 2 n (s² − tau²)/(2s − beta); for unknown beta the largest within tau of s.

    With a second value that is seen it is a bound, for removals of the top component alone.
    """

    def cost(beta: Float[ndarray, " k"]) -> Float[ndarray, " k"]:
        n, s = cell.amount, cell.s
        return n * n + beta * beta - 2 * n * (s * s - cell.tau**2) / (2 * s - beta)

    if cell.panel == "beta unknown":
        value = float(cost(np.linspace(cell.s - cell.tau, cell.s + cell.tau, 20_001)).max())
        return {"worst": Prediction(value, "=", 2e-3)}
    value = float(cost(np.array([cell.beta]))[0])
    if cell.panel == "beta known":
        return {"worst": Prediction(value, "=", 1e-3)}
    return {} if cell.second else {"worst": Prediction(value, "<=", 1e-3)}


EXPERIMENT = Experiment(
    name="minimax-removal",
    cells=cells,
    measure=measure,
    theory=theory,
    trials=(2, 2),  # the same number: one trial would be taken for a measurement without an error
)
