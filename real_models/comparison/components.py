"""What the naive runs of a comparison give away: each component against the trait's direction, and without it."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from synthetic.experiment import Experiment

from ..organisms.alignment import alignment, effects
from ..organisms.common import one_thread
from ..organisms.runs import naive_run
from . import experiment as comparison
from .experiment import Cell, TextCell

COMPONENTS = 4


def cells(quick: bool) -> list[Cell]:
    """The naive runs of the comparison."""
    return [cell for cell in comparison.cells(quick) if cell.method == "naive"]


def measure(cell: Cell | TextCell, rngs: Sequence[np.random.Generator]) -> dict[str, np.ndarray]:
    """Alignment and deletions at the matched point, where directions are taken.

    "weights 0 block 3" (and "activations …") : |cos| of component 0 with the mean-difference vector of block 3;
    "random", "random 99%" : of a random direction, mean and quantile. "drift", "task", "base drift" : of the run;
    "drift without write, pooled 0" (and so on for each side and component) : with that component deleted from dW.
    """
    spec = cell.run_spec
    count = min(COMPONENTS, spec.rank)
    with one_thread():
        naive = naive_run(spec)
        found = alignment(naive, count=count)
        scores = naive.scores[naive.at]
        values = {"random": found["random"], "random 99%": found["random_99"]}
        values |= {"drift": scores.drift, "task": scores.task, "base drift": naive.scores[0].drift}
        for name in ("weights", "activations"):
            for i, cosines in enumerate(found[name]):
                values |= {f"{name} {i} block {block}": cosine for block, cosine in enumerate(cosines)}
        values |= effects(naive, count)
    return {name: np.array([value]) for name, value in values.items()}


EXPERIMENT = Experiment(name="components", cells=cells, measure=measure, trials=(1, 1), along="points")
