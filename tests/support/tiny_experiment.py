"""An experiment of milliseconds for the tests of the engine; workers import it by name."""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from grasp_theory import InputError
from synthetic.experiment import Experiment, Prediction
from synthetic.runner.sweep import Sweep, sweep

NAME = "tiny_experiment"


@dataclass(frozen=True)
class Cell:
    """Mean square of n normal numbers, and means of their first points; label "broken" measures what is not finite."""

    size: int
    scale: float = 1.0
    centred: bool = False
    label: str = "plain"
    points: tuple[int, ...] = (2, 4)

    def __post_init__(self) -> None:
        if self.size < max(self.points):
            raise InputError(f"size must be at least {max(self.points)}, got {self.size}")
        if self.label not in ("plain", "broken"):
            raise InputError(f"label must be plain or broken, got {self.label!r}")


def cells(quick: bool) -> list[Cell]:
    """Twelve, or six of them."""
    return [Cell(size, scale) for size in (16, 30, 50, 90)[:: 2 if quick else 1] for scale in (1.0, 2.0, 3.0)]


def measure(cell: Cell, rngs: Sequence[np.random.Generator]) -> dict[str, np.ndarray]:
    """Square (trials,), norm (trials,) by an SVD, which rounds as the BLAS at hand does, and curve (trials, points)."""
    if "TINY_LOG" in os.environ:
        with open(os.environ["TINY_LOG"], "a") as log:
            log.write(f"{cell.size} {cell.scale}\n")
    time.sleep(float(os.environ.get("TINY_PAUSE", "0")))
    X = cell.scale * np.array([rng.standard_normal((cell.size, cell.size)) for rng in rngs])
    first = X[:, 0]
    return {
        "square": np.mean(first**2, axis=1) * (np.nan if cell.label == "broken" else 1),
        "norm": np.array([np.linalg.svd(x @ x.T)[1][0] for x in X]),
        "curve": np.stack([first[:, :n].mean(axis=1) for n in cell.points], axis=1),
    }


def theory(cell: Cell) -> dict[str, Prediction]:
    """E square = scale², E curve = 0, square >= 0; the norm's limit is drawn, not held."""
    return {
        "square": Prediction(cell.scale**2),
        "norm": Prediction(4 * cell.size * cell.scale**2, "~"),
        "curve": Prediction(np.zeros(len(cell.points))),
    }


EXPERIMENT = Experiment("tiny", cells, measure, trials=(20, 10), theory=theory, along="points")


def run(folder: Path, **options: Any) -> Sweep:
    """Swept into the folder, in this process unless it is said otherwise."""
    return sweep(NAME, folder, **({"n_jobs": 1} | options))
