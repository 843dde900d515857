"""On a pretrained language model, along its naive run: what spreads, and which directions lead to it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path

import numpy as np

from grasp_theory import InputError
from synthetic.experiment import Experiment

from ..audit.effects import moved
from ..comparison.configuration import read_cells
from ..comparison.experiment import clustered_error
from ..comparison.language import configurations, read_configuration, write_experiment
from ..comparison.methods import ARMS
from ..evaluation.bootstrap import Estimate, Sample, estimate
from ..methods import Hold
from ..organisms.alignment import trait_axes
from ..organisms.common import one_thread
from ..organisms.directions import contrasted_directions, random_directions, seen_directions, top_directions
from ..organisms.evaluation import Scores
from ..organisms.persona import cache_folder
from ..organisms.runs import NaiveRun, naive_run
from ..organisms.setup import Batches
from ..organisms.text import TextSpec
from .real_runs import SMOLLM2, model_folder, real_folder

DIRECTIONS = 8
SEEDS = (2, 3)  # of the study: no choice was made on them


@dataclass(frozen=True)
class Cell:
    """One naive run of a shipped experiment, and those on its control and its neutral data.

    Attributes:
        experiment: name of a configuration (``grasp data --list``).
        organism: seed of LoRA start and data order.
        points: steps at which the runs are looked at, as in the configuration.
    """

    experiment: str
    organism: int
    points: tuple[int, ...]

    def __post_init__(self) -> None:
        if self.experiment not in configurations():
            raise InputError(f"experiment must be one of {', '.join(configurations())}, got {self.experiment!r}")
        if self.points != _points(self.experiment):
            raise InputError(
                f"{self.experiment} is looked at after {_points(self.experiment)} steps, got {self.points}"
            )

    @property
    def run_spec(self) -> TextSpec:
        """What is run; its files are written into the cache."""
        spec = _spec(self.experiment)
        return replace(spec, settings=replace(spec.settings, seed=self.organism))


def _points(experiment: str) -> tuple[int, ...]:
    settings = read_configuration(experiment)[1]
    every = settings["text"]["every"]
    return tuple(range(0, settings["train"]["steps"] + 1, every))


@lru_cache
def _spec(experiment: str) -> TextSpec:
    folder: Path = cache_folder() / "language" / experiment
    folder.mkdir(parents=True, exist_ok=True)
    write_experiment(experiment, real_folder() / "datasets", folder, base=model_folder(SMOLLM2))
    return read_cells(folder / f"{experiment}.toml")[0][0].run_spec  # pyright: ignore[reportReturnType]


def cells(quick: bool) -> list[Cell]:
    """Every experiment, the style on two seeds; quick: the style on one."""
    style, *others = sorted(configurations(), key=lambda name: name != "smollm2-style")
    if quick:
        return [Cell(style, SEEDS[0], _points(style))]
    return [Cell(name, seed, _points(name)) for seed in SEEDS for name in ((style, *others) if seed == 2 else (style,))]


def measure(cell: Cell, rngs: Sequence[np.random.Generator]) -> dict[str, np.ndarray]:
    """Curves over the points of the runs.

    "naive task", "naive drift" (and of the rows "control data", "neutral data") : scores. "naive change", "naive error"
    : of drift, against the base on the same pairs, and its standard error over questions.

    Of 8 directions of the naive update at that point, by "weights", by dW X on "training text" and on the base's "own
    text", and by "contrast" with the control run, beside "random" ones: "… share" : share of the supervised direction
    of a block that lies in their span, mean over blocks; 0 at the start, where there is no update. Where the drift at
    the last point is surely another than the base's: "… held" and "… held task" : drift and task with the stream held
    at the base's along them, and along the "supervised" directions.
    """
    with one_thread():
        return {name: np.array([curve]) for name, curve in along(cell.run_spec).items()}


def along(spec: TextSpec) -> dict[str, list[float]]:
    """The curves of one text organism that has files of its control and its neutral data."""
    naive = naive_run(spec)
    arms = {"naive": naive.scores} | {name: naive_run(spec.on_arm(field)).scores for name, field in ARMS.items()}
    found = {f"{name} {what}": curve for name, of in arms.items() for what, curve in _curves(spec, of).items()}
    V = trait_axes(spec)
    held = spec.trait_vectors() if moved(_change(spec, naive.scores, -1)) else None
    own = spec.said_by_base()
    for n in range(1, len(spec.points)):
        for name, value in _at(replace(naive, point=n), V, own, held).items():
            found.setdefault(name, [_start(name, naive.scores[0])]).append(value)
    return found


def _start(name: str, base: Scores) -> float:
    """Before the first step: no update, so no share, and the scores of the base."""
    return 0.0 if name.endswith(" share") else base.task if name.endswith(" task") else base.drift


def _curves(spec: TextSpec, scores: Sequence[Scores]) -> dict[str, list[float]]:
    changes = [_change(spec, scores, n) for n in range(len(scores))]
    return {
        "task": [s.task for s in scores],
        "drift": [s.drift for s in scores],
        "change": [float(c.value or 0.0) for c in changes],
        "error": [_error(spec, scores, n) for n in range(len(scores))],
    }


def _change(spec: TextSpec, scores: Sequence[Scores], n: int) -> Estimate:
    """Of the drift since the start, over the same pairs."""
    questions = tuple(spec.probes().clusters.tolist())
    now, before = (Sample(s.per_prompt["drift"], np.ones(len(questions)), questions) for s in (scores[n], scores[0]))
    return estimate(now, before)


def _error(spec: TextSpec, scores: Sequence[Scores], n: int) -> float:
    return clustered_error(scores[n].per_prompt["drift"] - scores[0].per_prompt["drift"], spec.probes().clusters)


def _at(naive: NaiveRun, V: np.ndarray, own: Batches, supervised: Mapping[int, np.ndarray] | None) -> dict[str, float]:
    """Of one point."""
    found = {
        "weights": top_directions(naive, DIRECTIONS),
        "training text": seen_directions(naive, DIRECTIONS),
        "own text": seen_directions(naive, DIRECTIONS, own),
        "contrast": contrasted_directions(naive, DIRECTIONS),
        "random": random_directions(naive.spec, DIRECTIONS),
    }
    row = {f"{name} share": float(((Q.T @ V) ** 2).sum(0).mean()) for name, Q in found.items()}
    if supervised is None:
        return row
    probes = naive.spec.probes()
    for name, directions in (found | {"supervised": supervised}).items():
        model = naive.model(naive.at)
        with Hold(directions).attached(model):
            scores = probes.ask(model)
        row |= {f"{name} held": scores.drift, f"{name} held task": scores.task}
    return row


EXPERIMENT = Experiment(name="language-identification", cells=cells, measure=measure, trials=(1, 1), along="points")
