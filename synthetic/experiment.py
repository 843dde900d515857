"""What an experiment is: cells, how a cell is measured, what the theory says about it, and the table they make."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, fields, replace
from typing import Any, Generic, Literal, TypeVar

import numpy as np
from numpy import ndarray

from grasp_theory import InputError
from grasp_theory.errors import unknown_name

C = TypeVar("C")  # the cell of an experiment: whatever validating frozen dataclass its own file defines
Relation = Literal["=", "<=", ">=", "~"]
Measured = Mapping[str, ndarray]


@dataclass(frozen=True)
class Prediction:
    """measured mean (relation) value, up to ``finite``.

    Attributes:
        value: a number, or one for each point along the cell's curve.
        relation: "~" is drawn but not held: an approximation whose error is not known.
        finite: what the mean may differ by at this size although the law is true; 0 for exact laws.
    """

    value: float | ndarray
    relation: Relation = "="
    finite: float | ndarray = 0.0


@dataclass(frozen=True)
class Experiment(Generic[C]):
    """One sweep.

    Attributes:
        name: by which sweeps, figures and results know it.
        cells: quick -> the cells; every field of a cell is a number, a string, a bool, None or a tuple of those, or its
            method ``columns`` gives such fields for the table.
        measure: (cell, one generator for each trial) -> quantity -> (trials,) values, or (trials, points) along a
            curve. It must not call the closed forms of ``theory``: deleting them changes no measured number. What
            begins with _ stays in the cell's file and does not go into the table.
        trials: (full, quick).
        theory: cell -> quantity -> prediction; quantities without one are measured only, all of them by default.
        along: the field of the cell that lists the points of its curves.
    """

    name: str
    cells: Callable[[bool], Sequence[C]]
    measure: Callable[[C, Sequence[np.random.Generator]], Measured]
    trials: tuple[int, int]
    theory: Callable[[C], Mapping[str, Prediction]] = lambda cell: {}
    along: str | None = None

    def chosen(self, quick: bool, changes: Mapping[str, str] | None = None) -> list[C]:
        """The cells, fields replaced by ``changes`` (as typed by a user), each once. InputError says what is wrong."""
        cells = list(self.cells(quick))
        names = [f.name for f in fields(cells[0])]  # pyright: ignore[reportArgumentType]
        for name, text in (changes or {}).items():
            if name not in names:
                raise unknown_name(f"setting of {self.name}", [name], names)
            cells = [replace(cell, **{name: _typed(name, text, getattr(cell, name))}) for cell in cells]  # pyright: ignore
        return list({identity(self.name, cell): cell for cell in cells}.values())


def identity(name: str, cell: Any) -> str:
    """16 hexadecimal digits that depend on the experiment and the cell's fields alone."""
    text = json.dumps([name, asdict(cell)], sort_keys=True, allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def seed(name: str, cell: Any) -> int:
    """The cell's seed; trial t draws from ``default_rng([seed, t])``, whatever the number of trials or workers."""
    return int(identity(name, cell)[:12], 16)


def generators(name: str, cell: Any, trials: int) -> list[np.random.Generator]:
    """The generator of each trial."""
    return [np.random.default_rng([seed(name, cell), trial]) for trial in range(trials)]


def table(experiment: Experiment[C], cell: C, values: Measured) -> list[dict[str, Any]]:
    """One row for each quantity and point: the cell, mean, standard error, band (10 to 90% of trials), theory."""
    columns = cell.columns() if hasattr(cell, "columns") else asdict(cell)  # pyright: ignore
    setting = {name: value for name, value in columns.items() if name != experiment.along}
    points = list(getattr(cell, experiment.along)) if experiment.along else []
    predicted, drawn_from = experiment.theory(cell), seed(experiment.name, cell)
    unknown = set(predicted) - set(values)
    if unknown:
        raise ValueError(f"{experiment.name}: theory for quantities that are not measured: {sorted(unknown)}")
    rows = []
    for quantity, array in values.items():
        if quantity.startswith("_"):
            continue
        law = predicted.get(quantity)
        on_curve = array.ndim == 2
        for n, column in enumerate(array.T if on_curve else [array]):
            theory = None if law is None else _at(law.value, n)
            place = {experiment.along: points[n] if on_curve else None} if experiment.along else {}
            rows.append(
                setting
                | place
                | {"quantity": quantity}
                | _statistics(column)
                | {"seed": drawn_from, "theory": theory}
                | {"relation": law.relation if law and theory is not None else None}
                | {"finite": _at(law.finite, n) if law and theory is not None else None}
            )
    return rows


def _statistics(column: ndarray) -> dict[str, Any]:
    if not np.isfinite(column).all():
        raise ValueError("a measured value is not finite")
    n = len(column)
    low, high = np.quantile(column, [0.1, 0.9])
    error = float(column.std(ddof=1) / math.sqrt(n)) if n > 1 else 0.0
    numbers = {"mean": float(column.mean()), "se": error, "low": float(low), "high": float(high)}
    return {name: float(f"{value:.10g}") for name, value in numbers.items()} | {"trials": n}


def _at(value: float | ndarray, n: int) -> float | None:
    number = float(value if np.ndim(value) == 0 else np.asarray(value)[n])
    return float(f"{number:.10g}") if math.isfinite(number) else None


def _typed(name: str, text: str, old: Any) -> Any:
    """The text as a value of the kind that the setting has now."""
    try:
        if isinstance(old, bool):
            return {"true": True, "false": False}[text.lower()]
        if isinstance(old, tuple):
            return tuple(_typed(name, part, old[0] if old else 0.0) for part in text.split(","))
        if isinstance(old, int):
            return int(text)
        return float(text) if isinstance(old, float) else text
    except (KeyError, ValueError):
        kind = {bool: "true or false", tuple: "numbers with commas", int: "an integer"}.get(type(old), "a number")
        raise InputError(f"{name} must be {kind}, got {text!r}") from None
