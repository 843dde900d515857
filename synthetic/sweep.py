"""Sweeps: every cell of an experiment measured once, in one file, whatever interrupts it."""

from __future__ import annotations

import hashlib
import json
import warnings
from collections import Counter
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

from .code_version import code_version
from .experiment import Experiment, generators, identity, seed, table
from .results import json_text, manifest, write_atomically, write_json

FORMAT = 1
Progress = Callable[[Iterable[Any], int], Iterator[Any]]


@dataclass(frozen=True)
class Sweep:
    """What a sweep did. rows : the table. reused / cells : how many cells were there already; seconds : of this run."""

    experiment: Experiment[Any]
    rows: list[dict[str, Any]]
    cells: int
    reused: int
    seconds: float


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

    cells : instead of the experiment's own. dask : address of a Dask scheduler; local processes otherwise. progress :
    wraps the stream of cells.
    Raises InputError for settings that make no experiment, a folder that cannot be written, an unreachable cluster.
    """
    started = perf_counter()
    experiment = load(module)
    count = trials if trials is not None else experiment.trials[quick]
    if count < 1:
        raise InputError(f"trials must be at least 1, got {count}")
    cells = experiment.chosen(quick, changes) if cells is None else list(cells)
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"cannot create the folder {folder}: {error.strerror or error}") from error
    code = code_version(module)
    store = _Store(folder, experiment, count, code)
    found = {n: store.read(cell) for n, cell in enumerate(cells)}
    store.warn()
    missing = [n for n, values in found.items() if values is None]
    timings = []
    stream = _measured(module, [cells[n] for n in missing], count, n_jobs, dask) if missing else iter(())
    for n, (values, seconds) in zip(missing, progress(stream, len(missing)) if progress else stream, strict=True):
        store.write(cells[n], values)
        found[n] = values
        timings.append(seconds)
    pairs = ((cell, cast("dict[str, ndarray]", found[n])) for n, cell in enumerate(cells))
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


def _measured(
    module: str, cells: list[Any], trials: int, n_jobs: int, dask: str | None
) -> Iterator[tuple[dict[str, ndarray], float]]:
    from joblib import Parallel, delayed, parallel_config

    if n_jobs == 1 and dask is None:
        yield from (measure_cell(module, cell, trials) for cell in cells)
        return
    # Importing heavy packages in a worker looks like a memory leak to joblib, which then replaces it and says so.
    warnings.filterwarnings("ignore", message="A worker stopped while some jobs were given")
    tasks = (delayed(measure_cell)(module, cell, trials) for cell in cells)
    if dask is None:
        with parallel_config("loky", n_jobs=min(n_jobs, len(cells)), inner_max_num_threads=1):
            yield from cast("Iterator[Any]", Parallel(return_as="generator")(tasks))
        return
    client = _connect(dask)
    try:
        with parallel_config("dask"):
            yield from cast("Iterator[Any]", Parallel(return_as="generator")(tasks))
    finally:
        client.close()


def _connect(address: str) -> Any:
    try:
        from dask.distributed import Client
    except ImportError as error:
        raise InputError("--dask needs dask: install the extra with `pip install 'grasp-toolkit[cluster]'`") from error
    try:
        return Client(address, timeout=10)
    except (OSError, ValueError) as error:
        raise InputError(f"no Dask scheduler answers at {address}: {error}") from error


class _Store:
    """The files of one experiment at one number of trials and one version of the code."""

    def __init__(self, folder: Path, experiment: Experiment[Any], trials: int, code: str) -> None:
        self.folder, self.experiment, self.trials, self.code = folder, experiment, trials, code
        self.refused: Counter[str] = Counter()

    def path(self, cell: Any) -> Path:
        return self.folder / f"{identity(self.experiment.name, cell)}-{self.trials}.json"

    def head(self, cell: Any) -> dict[str, Any]:
        """What the file says about itself, as JSON gives it back."""
        content = {"format": FORMAT, "experiment": self.experiment.name, "cell": asdict(cell), "code": self.code}
        return json.loads(json.dumps(content | {"trials": self.trials, "seed": seed(self.experiment.name, cell)}))

    def write(self, cell: Any, values: dict[str, ndarray]) -> None:
        content = self.head(cell) | {"values": {quantity: array.tolist() for quantity, array in values.items()}}
        text = json_text(content | {"sha256": _digest(content)}, indent=None)
        write_atomically(self.path(cell), text.encode(), durable=False)

    def read(self, cell: Any) -> dict[str, ndarray] | None:
        """The values, if the file is whole and of this code; else it is set aside."""
        path, head = self.path(cell), self.head(cell)
        try:
            content = json.loads(path.read_bytes())
            digest = content.pop("sha256")
            values = {quantity: np.array(v, dtype=np.float64) for quantity, v in content.pop("values").items()}
            if digest != _digest(content | {"values": {quantity: v.tolist() for quantity, v in values.items()}}):
                reason = "checksum does not match"
            elif content != head:
                reason = "measured by other code" if content | {"code": self.code} == head else "of another cell"
            else:
                return values
        except FileNotFoundError:
            return None
        except (OSError, ValueError, KeyError, TypeError, AttributeError):
            reason = "not a whole result file"
        self.refused[reason] += 1
        try:
            path.replace(path.with_suffix(".aside"))
        except OSError as error:
            raise InputError(f"cannot set {path} aside: {error.strerror or error}; remove it") from error
        return None

    def warn(self) -> None:
        """One warning for all files that were set aside."""
        if self.refused:
            reasons = ", ".join(f"{n} {reason}" for reason, n in self.refused.items())
            total = self.refused.total()
            warnings.warn(
                f"{total} result files in {self.folder} are set aside (*.aside) and measured again: {reasons}",
                stacklevel=3,
            )


def _digest(content: dict[str, Any]) -> str:
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()
