"""The fair comparison: every method of ``comparison.methods`` x its knob x seeds, at matched task score."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np

from grasp_theory import InputError
from synthetic.experiment import Experiment
from synthetic.generators.persona import PersonaSpec

from ..organisms.common import one_thread
from ..organisms.persona import OrganismSpec
from ..organisms.persona_run import RunSpec
from ..organisms.setup import check_points
from ..organisms.text import TextSpec
from .methods import ARMS, COMPARED, check_knob, find_compared, run

SCORES = ("drift", "conditional", "task", "kept", "facts", "neutral")
STUDY = range(2, 7)  # seeds; 0 and 1 are those on which methods were made and knobs fixed
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
    """One fine-tuning run.

    Attributes:
        organism: seed that redraws world, base model, LoRA start and data order together.
    """

    variant: str
    organism: int
    method: str
    knob: float
    rank: int = 16
    withheld: int = 8
    rarity: float = 0.1
    curation: float = 1.0
    lr: float = 3e-4
    points: tuple[int, ...] = tuple(range(0, 161, 10))

    def __post_init__(self) -> None:
        check_points(self.points)
        check_knob(self.method, self.knob, rank=self.rank, width=self.run_spec.width)

    @property
    def run_spec(self) -> RunSpec:
        """What is run."""
        language = PersonaSpec(variant=self.variant, withheld=self.withheld, rarity=self.rarity, curation=self.curation)
        organism = OrganismSpec(language=language, seed=self.organism)
        return RunSpec(organism, rank=self.rank, lr=self.lr, steps=self.points[-1], every=self.points[1])


@dataclass(frozen=True)
class TextCell:
    """One fine-tuning run of a text organism."""

    run_spec: TextSpec
    method: str
    knob: float
    variant: str = "text"

    def __post_init__(self) -> None:
        check_knob(self.method, self.knob, rank=self.run_spec.rank)

    @property
    def organism(self) -> int:
        """The seed."""
        return self.run_spec.seed

    @property
    def points(self) -> tuple[int, ...]:
        """The steps at which it is evaluated."""
        return self.run_spec.points

    def columns(self) -> dict[str, Any]:
        """In the table: what is run, settings of the training beside those of the organism."""
        run = asdict(self.run_spec)
        head = {"variant": self.variant, "organism": self.organism, "method": self.method, "knob": self.knob}
        return head | run.pop("settings") | run


def cells(quick: bool) -> list[Cell]:
    """All variants, 5 seeds, all methods and knobs, presets first.

    Args:
        quick: one variant, 3 of the seeds, the main methods at their presets.
    """
    if quick:
        return make_cells(("style",), STUDY[:3], QUICK, presets_only=True)
    every = make_cells(("style", "content", "mixed"), STUDY, list(COMPARED))
    return sorted(every, key=lambda cell: cell.knob != find_compared(cell.method).preset)


def make_cells(
    variants: Sequence[str],
    seeds: Iterable[int],
    methods: Sequence[str],
    *,
    presets_only: bool = False,
    **settings: Any,
) -> list[Cell]:
    """Cells of these methods, seed by seed; ``settings`` are fields of all cells."""
    return [
        Cell(variant, seed, method, knob, **settings)
        for seed in seeds
        for variant in variants
        for method in methods
        for knob in ((find_compared(method).preset,) if presets_only else find_compared(method).knobs)
    ]


def make_text_cells(
    spec: TextSpec, seeds: Iterable[int], methods: Sequence[str], *, presets_only: bool = False
) -> tuple[list[TextCell], list[str]]:
    """The same of a text organism, and naive runs on its other training rows; and why knobs that do not fit its rank
    or width are left out."""
    rows, why = [], []
    arms = [name for name, field in ARMS.items() if getattr(spec, field)]
    for method in dict.fromkeys([*methods, *arms]):
        for knob in (find_compared(method).preset,) if presets_only else find_compared(method).knobs:
            try:
                check_knob(method, knob, rank=spec.rank, width=spec.width)
                rows.append({"method": method, "knob": knob})
            except InputError as error:
                why.append(str(error))
    seeded = (replace(spec, settings=replace(spec.settings, seed=seed)) for seed in seeds)
    return [TextCell(run, **row) for run in seeded for row in rows], why


def missing(spec: TextSpec, methods: Iterable[str]) -> dict[str, str]:
    """Method -> what it needs that this organism has not."""
    needs = {}
    for name in methods:
        method = find_compared(name)
        if method.information == "neutral text" and not method.mixes and not spec.neutral:
            needs[name] = "neutral, a file of text"
        elif method.needs_control and not spec.control:
            needs[name] = "control, a file of training rows"
        elif method.mixes and not spec.neutral_data:
            needs[name] = "neutral_data, a file of training rows"
        elif method.inoculated and not spec.context:
            needs[name] = "context, a text that elicits the trait"
        elif name in ARMS and not getattr(spec, ARMS[name]):
            needs[name] = f"{ARMS[name]}, a file of training rows"
    return needs


def measure(cell: Cell | TextCell, rngs: Sequence[np.random.Generator]) -> dict[str, np.ndarray]:
    """Scores at every point of the run; the cell's own seed draws everything, so trials are always one."""
    spec = cell.run_spec
    with one_thread():
        scores = run(find_compared(cell.method), spec, cell.knob)
    measured = [name for name in (*SCORES, "per_token") if getattr(scores[0], name) is not None]
    found = {name: np.array([[getattr(s, name) for s in scores]]) for name in measured}
    prompts = {f"_{name}": np.array([[s.per_prompt[name] for s in scores]]) for name in scores[0].per_prompt}
    asked = spec.probes().clusters
    spread = [clustered_error(s.per_prompt["drift"], asked) for s in scores]
    return found | {"drift se": np.array([spread])} | prompts


def clustered_error(values: np.ndarray, clusters: np.ndarray) -> float:
    """Standard error of a mean whose prompts share questions: √(G/(G−1) Σ_g (Σ_{i in g} (x_i − mean))²)/n.

    The limit of the bootstrap that draws G whole questions (Liang and Zeger 1986). nan with one cluster.
    """
    sums = np.bincount(np.unique(clusters, return_inverse=True)[1], weights=values - values.mean())
    groups = len(sums)
    return float(np.sqrt(groups / (groups - 1) * (sums**2).sum()) / len(values)) if groups > 1 else float("nan")


EXPERIMENT = Experiment(name="comparison", cells=cells, measure=measure, trials=(1, 1), along="points")
