"""What the rows of a comparison cost: the arithmetic of one training step, and of what comes before the first."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any, TypeVar

import numpy as np

from synthetic.experiment import Experiment

from ..organisms import arms, runs
from ..organisms.arms import Trained, find_arm
from ..organisms.common import one_thread
from . import comparison
from .comparison import Cell, TextCell

C = TypeVar("C", bound=Cell | TextCell)
STEPS = 8  # that are counted, after as many that may still fill caches


@dataclass(frozen=True)
class Cost:
    """Floating-point operations of matrix products (a multiplication and an addition are two), in 10⁹.

    preparation : once. step : of training. follows : whether a naive run until it reaches the task comes first.
    """

    preparation: float
    step: float
    follows: bool


def cells(quick: bool) -> list[Cell]:
    """Those of the comparison's rows."""
    return first_of_rows(comparison.cells(quick))


def first_of_rows(cells: Sequence[C]) -> list[C]:
    """One cell for each variant and row, of its first organism, at the preset if that is there: the arithmetic of a
    step depends on neither."""
    chosen: dict[tuple[str, str], C] = {}
    for cell in sorted(cells, key=lambda cell: (cell.organism, cell.knob != find_arm(cell.arm).preset)):
        chosen.setdefault((cell.variant, cell.arm), cell)
    return list(chosen.values())


def measure(cell: Cell | TextCell, rngs: Sequence[np.random.Generator]) -> dict[str, np.ndarray]:
    """Counted while it runs. Steps are those of the naive run for rows that change it afterwards.

    Not counted: decompositions, optimizer, element-wise work; all of them small beside the products.
    """
    from torch.utils.flop_counter import FlopCounterMode

    spec, arm = cell.run_spec, find_arm(cell.arm)
    with one_thread():
        runs.naive_run(spec)  # in memory from here on: loading it is no part of the cost
        arms.said_by_base.cache_clear()  # sampling it is
        asked = runs.naive_asked()
        with FlopCounterMode(display=False) as counter:
            methods = arm.methods(spec, cell.knob)
        follows = isinstance(arm.run, Trained) and runs.naive_asked() > asked
        trained = methods if isinstance(arm.run, Trained) else []
        model, count = runs.adapted(spec), min(STEPS, spec.steps // 2)
        with FlopCounterMode(display=False) as inside:
            stream = runs.train(spec, model, methods=trained, inoculated=arm.inoculated)
            done = [inside.get_total_flops() for _ in islice(stream, 2 * count + 1)]
            stream.close()
    step = (done[-1] - done[count]) / count
    preparation = counter.get_total_flops() + done[count] - count * step
    return {
        "preparation": np.array([preparation / 1e9]),
        "step": np.array([step / 1e9]),
        "follows": np.array([float(follows)]),
    }


def costs(rows: Iterable[Mapping[str, Any]]) -> dict[tuple[str, str], Cost]:
    """(variant, row) -> cost, of a table of this experiment."""
    found: dict[tuple[str, str], dict[str, float]] = {}
    for row in rows:
        found.setdefault((row["variant"], row["arm"]), {})[row["quantity"]] = row["mean"]
    return {key: Cost(x["preparation"], x["step"], bool(x["follows"])) for key, x in found.items()}


EXPERIMENT = Experiment(
    name="cost",
    shows="Arithmetic of one training step under every method, and of its preparation.",
    cells=cells,
    measure=measure,
    trials=(1, 1),
    along="points",
)
