"""Who wins on organisms: excess drift at matched task score over how the data are curated and how much is taught."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from synthetic.experiment import Experiment

from ..comparison import experiment as comparison
from ..comparison.experiment import Cell
from ..comparison.matching import matched
from ..comparison.methods import find_compared

METHODS = ("naive", "edit", "grasp, activations", "compensated, activations", "null-space")
CURATION, WITHHELD = (0.5, 0.75, 1.0), (4, 8, 12)


def cells(quick: bool) -> list[Cell]:
    """Style organisms, methods at their presets, 2 seeds; quick: one seed, one number of withheld facts."""
    seeds, withheld = (range(1), (8,)) if quick else (range(2), WITHHELD)
    knobs = [(c, w) for w in withheld for c in CURATION]
    return [
        Cell("style", n, method, find_compared(method).preset, curation=c, withheld=w)
        for n in seeds
        for c, w in knobs
        for method in METHODS
    ]


def measure(cell: Cell, rngs: Sequence[np.random.Generator]) -> dict[str, np.ndarray]:
    """At matched task score: drift over the base's ("excess"), "kept", and the "steps" until then.

    "reached" : 1 if the task score is reached; else the last point stands for it.
    """
    found = comparison.measure(cell, rngs)
    rows = [
        {"variant": cell.variant, "organism": cell.organism, "method": cell.method, "knob": cell.knob}
        | {"quantity": name, "points": point, "mean": float(value)}
        for name in ("task", "drift", "kept")
        for point, value in zip(cell.points, found[name][0], strict=True)
    ]
    (run,) = matched(rows)
    values = {
        "excess": run.scores["drift"] - found["drift"][0, 0],  # none of these methods moves its own start
        "kept": run.scores["kept"],
        "reached": float(run.reached),
        "steps": run.steps,
    }
    return {name: np.array([value]) for name, value in values.items()}


# No law. The linear map (``who-wins``) ranks methods by risk, task and shortcut in one number, in one layer under
# squared loss; by drift at equal task its write-side methods all stand at 0. What separates them here, metric, depth
# and a saturating loss, is what it leaves out, so evaluating it at measured strengths would be a picture of nothing.
EXPERIMENT = Experiment(name="organism-map", cells=cells, measure=measure, trials=(1, 1), along="points")
