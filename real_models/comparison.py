"""The fair comparison: every row of ``organisms.arms`` x its knob x seeds, at matched task score."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from grasp_theory import InputError
from synthetic.experiment import Experiment, Prediction
from synthetic.persona import PersonaSpec

from .organisms.arms import ARMS, find_arm
from .organisms.evaluation import Probes
from .organisms.persona import OrganismSpec
from .organisms.runs import RunSpec

SCORES = ("drift", "conditional", "task", "kept", "facts", "neutral")
PILOT, STUDY = range(2), range(2, 7)  # seeds on which methods were made and knobs fixed, and those of the study
QUICK = (
    "naive",
    "edit",
    "ablation",
    "grasp",
    "null-space",
    "compensated",
    "caft",
    "kl",
    "preventative, supervised",
    "grasp, random",
)


@dataclass(frozen=True)
class Cell:
    """One fine-tuning run. organism : seed that redraws world, base model, LoRA start and data order together."""

    variant: str
    organism: int
    arm: str
    knob: float
    rank: int = 16
    withheld: int = 8
    rarity: float = 0.1
    curation: float = 1.0
    lr: float = 3e-4
    points: tuple[int, ...] = tuple(range(0, 161, 10))

    def __post_init__(self) -> None:
        find_arm(self.arm)
        if len(self.points) < 2 or any(
            b - a != self.points[1] for a, b in zip(self.points, self.points[1:], strict=False)
        ):
            raise InputError(f"points must be 0, every, 2 every, …, got {self.points}")
        _ = self.run_spec  # refuses what is no organism

    @property
    def run_spec(self) -> RunSpec:
        """What is run."""
        language = PersonaSpec(variant=self.variant, withheld=self.withheld, rarity=self.rarity, curation=self.curation)
        organism = OrganismSpec(language=language, seed=self.organism)
        return RunSpec(organism, rank=self.rank, lr=self.lr, steps=self.points[-1], every=self.points[1])


def cells(quick: bool) -> list[Cell]:
    """All variants, 5 seeds, all rows and knobs, presets first; quick: one variant, 2 pilot seeds, the main rows."""
    if quick:
        return make_cells(("style",), PILOT, QUICK, presets_only=True)
    every = make_cells(("style", "content", "mixed"), STUDY, [arm.name for arm in ARMS])
    return sorted(every, key=lambda cell: cell.knob != find_arm(cell.arm).preset)


def make_cells(
    variants: Sequence[str], seeds: Iterable[int], arms: Sequence[str], *, presets_only: bool = False, **settings: Any
) -> list[Cell]:
    """Cells of these rows, seed by seed; ``settings`` are fields of all cells."""
    return [
        Cell(variant, seed, arm, knob, **settings)
        for seed in seeds
        for variant in variants
        for arm in arms
        for knob in ((find_arm(arm).preset,) if presets_only else find_arm(arm).knobs)
    ]


def measure(cell: Cell, rngs: Sequence[np.random.Generator]) -> dict[str, np.ndarray]:
    """Scores at every point of the run; the cell's own seed draws everything, so trials are always one."""
    import torch

    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        scores = find_arm(cell.arm).run(cell.run_spec, cell.knob)
    finally:
        torch.set_num_threads(threads)
    found = {name: np.array([[getattr(s, name) for s in scores]]) for name in SCORES}
    prompts = {f"_{name}": np.array([[s.per_prompt[name] for s in scores]]) for name in scores[0].per_prompt}
    asked = Probes(cell.run_spec.world).places["drift"][1]
    spread = [clustered_error(s.per_prompt["drift"], asked) for s in scores]
    return found | {"drift se": np.array([spread])} | prompts


def clustered_error(values: np.ndarray, clusters: np.ndarray) -> float:
    """Standard error of a mean whose prompts share questions: √(G/(G−1) Σ_g (Σ_{i in g} (x_i − mean))²)/n.

    The limit of the bootstrap that draws G whole questions (Liang and Zeger 1986). nan with one cluster.
    """
    sums = np.bincount(np.unique(clusters, return_inverse=True)[1], weights=values - values.mean())
    groups = len(sums)
    return float(np.sqrt(groups / (groups - 1) * (sums**2).sum()) / len(values)) if groups > 1 else float("nan")


def theory(cell: Cell) -> Mapping[str, Prediction]:
    """None: the organisms are what the statements are tried on, not their domain."""
    return {}


EXPERIMENT = Experiment(
    name="comparison",
    shows="Drift at matched task score, for every method, its knob and several seeds.",
    cells=cells,
    measure=measure,
    theory=theory,
    trials=(1, 1),
    along="points",
)
