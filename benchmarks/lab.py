"""The phase diagram of the linear lab: against a plain loop over numpy's SVD, and on a second core."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy import ndarray
from threadpoolctl import threadpool_limits

from synthetic.experiment import generators
from synthetic.experiments import phase_diagram
from synthetic.experiments.phase_diagram import EXPERIMENT, Cell
from synthetic.generators.task_updates import unit
from synthetic.runner.sweep import sweep

from .timing import Claim, at_least, at_most, interleaved

SAME = 1e-8


def claims(folder: Path, repeats: int = 5) -> list[Claim]:
    """One core, the matrices drawn anew by both sides; then a whole sweep on one and two processes."""
    trials = EXPERIMENT.trials[0]
    cells = sample()
    with threadpool_limits(1):
        seconds = np.array(
            [interleaved(repeats, lambda c=c: ours(c, trials), lambda c=c: plain(c, trials)) for c in cells]
        )
        drawing = sum(interleaved(repeats, lambda c=c: [matrix(c, rng) for rng in rngs(c, trials)])[0] for c in cells)
        worst = max(float(np.abs(ours(c, trials) - plain(c, trials)).max()) for c in cells)
    fast, slow = (float(x) for x in seconds.sum(axis=0))
    per_trial = 1e3 / (trials * len(cells))
    one, two = scaling(folder)
    return [
        at_least(
            f"phase diagram, {len(cells)} of 1600 cells: numpy.linalg.svd in a loop / the sweep's cell, draws included",
            slow / fast,
            3.5,
            f"{per_trial * slow:.2f} ms against {per_trial * fast:.2f} ms a matrix, {per_trial * drawing:.2f} of both "
            "its drawing",
        ),
        at_least(
            "phase diagram: the same without the draws, which both sides share",
            (slow - drawing) / (fast - drawing),
            5,
            f"{per_trial * (slow - drawing):.2f} ms against {per_trial * (fast - drawing):.2f} ms a matrix",
        ),
        at_most("phase diagram: difference of the overlaps from those of numpy.linalg.svd", worst, SAME, "largest", ""),
        Claim(
            "sweep of the phase diagram: one process / two", one / two, "reported", True, f"{one:.1f} s, {two:.1f} s"
        ),
    ]


def sample() -> list[Cell]:
    """Two strengths at every fifth of the 40 widths: each stands for the same number of cells of the plane."""
    plane = [c for c in EXPERIMENT.cells(False) if c.panel == "map"]
    widths, strengths = (sorted({getattr(c, name) for c in plane}) for name in ("m", "strength"))
    chosen = {(m, x) for m in widths[2::5] for x in strengths[10::20]}
    return [c for c in plane if (c.m, c.strength) in chosen]


def rngs(cell: Cell, trials: int) -> list[np.random.Generator]:
    """The generators that the sweep gives the cell."""
    return generators(EXPERIMENT.name, cell, trials)


def ours(cell: Cell, trials: int) -> ndarray:
    """(trials, 2): what the sweep measures."""
    found = EXPERIMENT.measure(cell, rngs(cell, trials))
    return np.column_stack([found["left"], found["right"]])


def plain(cell: Cell, trials: int) -> ndarray:
    """The same by one thin SVD a matrix."""
    return np.array([_overlaps(cell, rng) for rng in rngs(cell, trials)])


def matrix(cell: Cell, rng: np.random.Generator) -> tuple[ndarray, ndarray, ndarray]:
    """(M, u, v), drawn as the sweep draws them."""
    u, v = unit(rng, cell.m), unit(rng, cell.d)
    return phase_diagram._entries(rng, cell) + cell.beta * np.outer(u, v), u, v


def _overlaps(cell: Cell, rng: np.random.Generator) -> Sequence[float]:
    M, u, v = matrix(cell, rng)
    U, _, Vh = np.linalg.svd(M, full_matrices=False)
    return float(U[:, 0] @ u) ** 2, float(Vh[0] @ v) ** 2


def scaling(folder: Path) -> tuple[float, float]:
    """Median seconds of a sweep of the quick cells with full trials in one and in two processes, files included."""
    names = iter(range(100))

    def run(n_jobs: int) -> None:
        # a new folder each time: nothing is there to be read. The first round starts the workers, untimed.
        sweep(
            "synthetic.experiments.phase_diagram", folder / f"sweep-{next(names)}", quick=True, trials=60, n_jobs=n_jobs
        )

    one, two = interleaved(3, lambda: run(1), lambda: run(2))
    return one, two
