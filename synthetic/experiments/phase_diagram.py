"""When the top singular vectors see a planted factor: strength against aspect ratio, and noise that breaks the law."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from grasp_theory import InputError, linalg

from ..experiment import Experiment, Prediction
from ..fields import require_known, require_not_negative
from ..generators.task_updates import unit

ENTRIES = ("gaussian", "signs", "heavy")
HEAVY = 2.2  # degrees of freedom of Student's t: a variance, no fourth moment


@dataclass(frozen=True)
class Cell:
    """M = T + beta u vᵀ, T (m x d) of independent entries of variance 1, beta = strength (m d)^¼.

    Attributes:
        panel: map (the plane) or slice (one line of it, with several laws of the entries).
    """

    panel: str
    m: int
    d: int
    strength: float
    entries: str = "gaussian"

    def __post_init__(self) -> None:
        if min(self.m, self.d) < 2:
            raise InputError(f"m and d must be at least 2, got {self.m} and {self.d}")
        require_not_negative(self, "strength")
        if self.panel not in ("map", "slice"):
            raise InputError(f"panel must be map or slice, got {self.panel!r}")
        require_known(self, entries=ENTRIES)

    @property
    def beta(self) -> float:
        """Strength of the factor."""
        return self.strength * (self.m * self.d) ** 0.25


def cells(quick: bool) -> list[Cell]:
    """40 x 40 in the plane (quick: every fourth), and a slice at m = d under three laws of the entries."""
    step = 4 if quick else 1
    widths = np.unique(np.geomspace(32, 512, 40).round().astype(int))[::step]
    strengths = np.linspace(0.25, 3.0, 40).round(4)[::step]
    plane = [Cell("map", int(m), 128, float(x)) for m in widths for x in strengths]
    return plane + [Cell("slice", 128, 128, float(x), law) for law in ENTRIES for x in strengths[::2]]


def measure(cell: Cell, rngs: Sequence[np.random.Generator]) -> dict[str, Float[ndarray, " trials"]]:
    """⟨û,u⟩² and ⟨v̂,v⟩² of each trial."""
    overlaps = np.array([_overlaps(cell, rng) for rng in rngs])
    return {"left": overlaps[:, 0], "right": overlaps[:, 1]}


def _overlaps(cell: Cell, rng: np.random.Generator) -> tuple[float, float]:
    u, v = unit(rng, cell.m), unit(rng, cell.d)
    M = _entries(rng, cell)
    M += np.multiply.outer(cell.beta * u, v)
    a, b = top_pair(M)
    return float(a @ u) ** 2, float(b @ v) ** 2


def top_pair(M: Float[ndarray, "m d"]) -> tuple[Float[ndarray, " m"], Float[ndarray, " d"]]:
    """Top singular vectors, from the top eigenvector of the Gram matrix of the smaller side.

    Its error is eps ŝ₁²/(ŝ₁² − ŝ₂²): 1e-12 for the gaps of random matrices, at a fraction of the cost of an SVD.
    """
    if M.shape[0] > M.shape[1]:
        v, u = top_pair(M.T)
        return u, v
    u = linalg.top_eigenvector(M @ M.T)
    v = u @ M
    return u, v / np.linalg.norm(v)


def _entries(rng: np.random.Generator, cell: Cell) -> Float[ndarray, "m d"]:
    shape = cell.m, cell.d
    if cell.entries == "signs":
        return rng.integers(0, 2, shape) * 2.0 - 1
    if cell.entries == "heavy":
        return rng.standard_t(HEAVY, shape) / np.sqrt(HEAVY / (HEAVY - 2))
    return rng.standard_normal(shape)


def theory(cell: Cell) -> dict[str, Prediction]:
    """Statement ``phase-transition``; nothing is predicted without a fourth moment."""
    from grasp_theory.identification.spectra import finite_size, spike

    if cell.entries == "heavy":
        return {}
    limit = spike(cell.beta, cell.m, cell.d)
    finite = finite_size(min(cell.m, cell.d), cell.strength)
    return {"left": Prediction(limit.left, "=", finite), "right": Prediction(limit.right, "=", finite)}


EXPERIMENT = Experiment(name="phase-diagram", cells=cells, measure=measure, theory=theory, trials=(20, 10))
