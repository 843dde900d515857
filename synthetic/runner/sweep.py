"""Sweeps: every cell of an experiment measured once, in one file, whatever interrupts it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from importlib import import_module
from pathlib import Path
from time import perf_counter
from typing import Any, cast

import numpy as np
from numpy import ndarray
from threadpoolctl import threadpool_limits

from grasp_theory import InputError

from ..experiment import Experiment, generators, identity, seed, table
from .code_version import code_version
from .deviation import deviation
from .results import manifest, write_json
from .store import Place, Store
from .workers import in_workers_or_cluster

Progress = Callable[[Iterable[Any], int], Iterator[Any]]


@dataclass(frozen=True)
class Sweep:
    """What a sweep did.

    Attributes:
        rows: the table.
        cells, reused: how many cells there are, and how many were there already.
        seconds: of this run.
    """

    experiment: Experiment[Any]
    rows: list[dict[str, Any]]
    cells: int
    reused: int
    seconds: float

    def record(self) -> dict[str, Any]:
        """Its name, its counts, and how well it agrees with theory."""
        counts = {"cells": self.cells, "reused": self.reused, "rows": len(self.rows)}
        return {"experiment": self.experiment.name, **counts, **asdict(deviation(self.rows))}


def load(module: str) -> Experiment[Any]:
    """The experiment of a module, its ``EXPERIMENT``."""
    return import_module(module).EXPERIMENT


def sweep(
    module: str,
    folder: Path,
    *,
    quick: bool = False,
    trials: int | None = None,
    changes: dict[str, str] | None = None,
    cells: Sequence[Any] | None = None,
    n_jobs: int = 2,
    dask: str | None = None,
    progress: Progress | None = None,
) -> Sweep:
    """Measure the cells that ``folder`` does not hold yet, and make the table.

    A cell's values depend on its fields, the number of trials and the code alone: its seed is made of what it is, and
    it runs on one BLAS thread, so that any number of workers gives the same bits. Each is one file, written whole when
    it is done; a run that was killed goes on where it was. A file that does not parse, fails its checksum or comes from
    other code is set aside (``*.aside``) with a warning and measured again.

    Args:
        cells: instead of the experiment's own.
        dask: address of a Dask scheduler; local processes otherwise.
        progress: wraps the stream of cells.

    Raises InputError for settings that make no experiment, a folder that cannot be written, an unreachable cluster.
    """
    started = perf_counter()
    experiment = load(module)
    count = trials if trials is not None else experiment.trials[quick]
    if count < 1:
        raise InputError(f"trials must be at least 1, got {count}")
    cells = experiment.chosen(quick, changes) if cells is None else list(cells)
    store = Store(folder)
    code = code_version(module)
    places = [_place(experiment, cell, count, code) for cell in cells]
    found = store.read(places, _arrays)
    missing = [n for n, values in enumerate(found) if values is None]
    timings = []
    calls = [(module, cells[n], count) for n in missing]
    stream = in_workers_or_cluster(measure_cell, calls, n_jobs=n_jobs, dask=dask)
    for n, (values, seconds) in zip(missing, progress(stream, len(missing)) if progress else stream, strict=True):
        store.write(*places[n], {quantity: array.tolist() for quantity, array in values.items()})
        found[n] = values
        timings.append(seconds)
    pairs = zip(cells, cast("list[dict[str, ndarray]]", found), strict=True)
    rows = [row for cell, values in pairs for row in table(experiment, cell, values)]
    config = {"experiment": experiment.name, "quick": quick, "trials": count, "changes": changes or {}, "code": code}
    write_json(folder / "manifest.json", manifest(config))
    elapsed = perf_counter() - started
    if missing:  # beside the results, never read
        write_json(folder / "timings.json", {"seconds": elapsed, "cells": [round(s, 4) for s in timings]})
    return Sweep(experiment, rows, len(cells), len(cells) - len(missing), elapsed)


def measure_cell(module: str, cell: Any, trials: int) -> tuple[dict[str, ndarray], float]:
    """(values, seconds) of one cell: all that a worker is sent."""
    started = perf_counter()
    experiment = load(module)
    with threadpool_limits(1):
        measured = experiment.measure(cell, generators(experiment.name, cell, trials))
    values = {quantity: np.asarray(array, dtype=np.float64) for quantity, array in measured.items()}
    for quantity, array in values.items():
        if len(array) != trials or not np.isfinite(array).all():
            raise ValueError(f"{experiment.name}, {quantity}: expected {trials} finite trials, got {array.shape}")
    return values, perf_counter() - started


def _place(experiment: Experiment[Any], cell: Any, trials: int, code: str) -> Place:
    """The file of a cell at one number of trials and one version of the code."""
    name = experiment.name
    head = {"experiment": name, "cell": asdict(cell), "code": code, "trials": trials, "seed": seed(name, cell)}
    return f"{identity(name, cell)}-{trials}.json", head


def _arrays(values: dict[str, Any]) -> dict[str, ndarray]:
    return {quantity: np.array(v, dtype=np.float64) for quantity, v in values.items()}
