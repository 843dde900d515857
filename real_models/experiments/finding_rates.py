"""How often each finding fires on real fine-tunes that have only begun: 0, 2, 10, 50 steps on real text."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy import ndarray

from grasp_theory import InputError, identify
from grasp_theory.identification.read_start import ReadStart
from synthetic.experiment import Experiment

from ..adapters import Adapter
from ..audit.findings import findings
from .real_runs import MODELS, MODULES, SMOLLM2, TEXTS, RealRun, fine_tune, mean_inputs

KEYS = (
    "nothing-learnt", "dead-modules", "random", "hardly-begun", "trained", "late-modules", "sides", "depth",
    "outlier-block", "one-module", "rank-idle", "rank-used-up", "stable-rank", "shared-direction", "read-directions",
    "huge", "tiny", "scaling", "rounding",
)  # fmt: skip
COSINE = "cosine with the mean"
FIRED = ("one stands out", "several stand out")
ALIGNED = 0.9  # |cos| that counts as the same direction
SMALL = tuple(name for name in MODELS if name != SMOLLM2)


@dataclass(frozen=True)
class Cell:
    """Fine-tunes of one model with one LoRA (see RealRun); trial t reads text t modulo 4, from a seed of its own.

    Attributes:
        points: steps after which the adapter is audited.
    """

    model: str
    modules: str
    rank: int
    rate: float
    warmup: int = 0
    points: tuple[int, ...] = (0, 2, 10)

    def __post_init__(self) -> None:
        if not self.points or list(self.points) != sorted({max(0, p) for p in self.points}) or not self.points[-1]:
            raise InputError(f"points must be steps in order, the last one above 0, got {self.points}")
        _ = self.run(TEXTS[0])  # refuses what is no run

    def run(self, text: str) -> RealRun:
        """What is trained."""
        return RealRun(self.model, self.modules, self.rank, self.rate, text, self.warmup)


def cells(quick: bool) -> list[Cell]:
    """Two models of 5 blocks, three sets of modules, ranks 1, 4, 16 at two rates, rank 64 at the larger one.

    Rank 16 at the larger rate goes on to 50 steps, with all modules to 200, and is also run with warm-up. Another model
    (SmolLM2, 30 blocks, about a minute a run) takes its name: ``--set model=smollm2``.
    """
    if quick:
        return [Cell(SMALL[0], "q, v", 4, 1e-3)]
    kinds = [(r, rate) for r in (1, 4, 16) for rate in (2e-4, 1e-3)] + [(64, 1e-3)]
    made = [Cell(m, s, r, rate) for m in SMALL for s in MODULES for r, rate in kinds]
    made = [replace(c, points=_longer(c)) if (c.rank, c.rate) == (16, 1e-3) else c for c in made]
    return made + [Cell(m, s, 16, 1e-3, warmup=5) for m in SMALL for s in MODULES]


def _longer(cell: Cell) -> tuple[int, ...]:
    return (*cell.points, 50, 200) if cell.modules == "all" else (*cell.points, 50)


def measure(cell: Cell, rngs: Sequence[np.random.Generator]) -> dict[str, ndarray]:
    """1 where a finding, or the verdict, fires: (trials, steps); a finding that fires nowhere in the cell is left out.

    "reads the mean" : ``read-directions`` fires and its first direction has ``|cos|`` > 0.9 with the mean of what these
    modules read on the text, before training. "cosine with the mean" : that ``|cos|``, 0 where it does not fire.
    """
    values = {key: np.zeros((len(rngs), len(cell.points))) for key in (*KEYS, "verdict", "reads the mean", COSINE)}
    for t, rng in enumerate(rngs):
        run = cell.run(TEXTS[t % len(TEXTS)])

        def look(step: int, adapter: Adapter, t: int = t, run: RealRun = run) -> None:
            n = cell.points.index(step)
            report = identify(adapter.updates)
            for found in findings(adapter, report):
                values[found.key][t, n] = 1
            values["verdict"][t, n] = report.verdict in FIRED
            if values["read-directions"][t, n]:
                cosine = max(mean_cosine(run, read) for read in report.read_start)
                values[COSINE][t, n], values["reads the mean"][t, n] = cosine, cosine > ALIGNED

        fine_tune(run, look, points=cell.points, seed=int(rng.integers(2**31)))
    return {key: array for key, array in values.items() if array.any() or key == "verdict"}


def mean_cosine(run: RealRun, read: ReadStart) -> float:
    """``|cos|`` of the first direction beyond A's start with the mean input of these modules; 0 where there is none."""
    if read.subspace is None:
        return 0.0
    inputs = mean_inputs(run.model, run.text)
    mean = np.mean([inputs[name] for name in read.modules], axis=0)
    return float(abs(read.subspace.basis[:, 0] @ mean) / np.linalg.norm(mean))


EXPERIMENT = Experiment(name="finding-rates", cells=cells, measure=measure, trials=(4, 2), along="points")
