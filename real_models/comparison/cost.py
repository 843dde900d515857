"""What the methods of a comparison cost: the arithmetic of one training step, and of what comes before the first."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np

from synthetic.experiment import Experiment

from ..organisms.common import one_thread
from ..organisms.runs import naive_run, updates_at
from . import experiment as comparison
from . import methods as compared
from .experiment import Cell, TextCell
from .methods import find_compared

if TYPE_CHECKING:
    from ..methods import Method
    from ..organisms.setup import Setup

C = TypeVar("C", bound=Cell | TextCell)
STEPS = 8  # that are counted, after as many that may still fill caches


@dataclass(frozen=True)
class Cost:
    """Floating-point operations of matrix products (a multiplication and an addition are two), in 10⁹.

    Attributes:
        preparation: once.
        step: of training.
        follows: whether a run as long as the naive one until it reaches the task comes first: that one, for a method
            that trains, or its control run.
    """

    preparation: float
    step: float
    follows: bool


def cells(quick: bool) -> list[Cell]:
    """One for each method of the comparison."""
    return first_of_methods(comparison.cells(quick))


def first_of_methods(cells: Sequence[C]) -> list[C]:
    """One cell for each variant and method, of its first seed, at the preset if that is there: the arithmetic of a
    step depends on them little, by batches of other lengths and a few directions more."""
    chosen: dict[tuple[str, str], C] = {}
    for cell in sorted(cells, key=lambda cell: (cell.organism, cell.knob != find_compared(cell.method).preset)):
        chosen.setdefault((cell.variant, cell.method), cell)
    return list(chosen.values())


def measure(cell: Cell | TextCell, rngs: Sequence[np.random.Generator]) -> dict[str, np.ndarray]:
    """Counted while it runs, beside the naive run on the same batches; a method that acts on that run has its steps.

    Not counted: decompositions, optimizer, element-wise work; all of them small beside the products.
    """
    from torch.utils.flop_counter import FlopCounterMode

    spec, method = cell.run_spec, find_compared(cell.method)
    trains = method.stage == "training"
    with one_thread():
        naive_run(spec)  # in memory from here on: loading it is no part of the cost
        if method.needs_control:
            updates_at(spec.control_run(), 0)
        compared.said_by_base.cache_clear()  # sampling it is
        with FlopCounterMode(display=False) as counter:
            methods = compared.attached(method, spec, cell.knob)
        plain = _plain(spec)
        other = trains and (methods or method.inoculated)
        here = _count(spec, methods, inoculated=method.inoculated) if other else plain
    extra = here - plain
    step = (plain.mean() + extra[1]) / STEPS
    preparation = counter.get_total_flops() + extra[0] - extra[1]  # at the start, and where caches are filled
    return {
        "preparation": np.array([preparation / 1e9]),
        "step": np.array([step / 1e9]),
        "follows": np.array([float((trains and method.needs_naive) or method.needs_control)]),
    }


@lru_cache(maxsize=4)
def _plain(spec: Setup) -> np.ndarray:
    """Of the naive run: the same beside every method."""
    return _count(spec, (), inoculated=False)


def _count(spec: Setup, methods: Sequence[Method], *, inoculated: bool) -> np.ndarray:
    """Operations until ``STEPS`` steps are done, and of as many after them."""
    from torch.utils.flop_counter import FlopCounterMode

    done: list[float] = []
    with FlopCounterMode(display=False) as counter:
        spec.train(
            spec.adapted(),
            methods=methods,
            inoculated=inoculated,
            look=lambda step: done.append(float(counter.get_total_flops())),
            steps=2 * STEPS,
        )
    return np.array([done[STEPS], done[-1] - done[STEPS]])


def costs(rows: Iterable[Mapping[str, Any]]) -> dict[tuple[str, str], Cost]:
    """(variant, method) -> cost, of a table of this experiment."""
    found: dict[tuple[str, str], dict[str, float]] = {}
    for row in rows:
        found.setdefault((row["variant"], row["method"]), {})[row["quantity"]] = row["mean"]
    return {key: Cost(x["preparation"], x["step"], bool(x["follows"])) for key, x in found.items()}


EXPERIMENT = Experiment(name="cost", cells=cells, measure=measure, trials=(1, 1), along="points")
