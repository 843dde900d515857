"""The figures by name: which experiments their numbers come from, who draws them, what they show."""

from __future__ import annotations

import csv
from collections.abc import Callable, Sequence
from importlib import import_module
from pathlib import Path
from pkgutil import iter_modules
from typing import TYPE_CHECKING, Any

from grasp_theory import InputError
from grasp_theory.errors import unknown_name
from synthetic.runner.results import write_atomically

from . import plots
from .plots import Entry
from .rows import FOLDER, read_rows
from .style import render

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def _discovered() -> dict[str, Entry]:
    """Figure -> what its file in ``plots`` says of it."""
    found = {}
    for file in iter_modules(plots.__path__):
        entry = getattr(import_module(f"{plots.__name__}.{file.name}"), "FIGURE", None)
        if entry is not None:
            found[file.name.replace("_", "-")] = entry
    return dict(sorted(found.items(), key=lambda item: item[1].place))


FIGURES = _discovered()


def csv_name(name: str) -> str:
    """The file with the numbers of a figure."""
    return f"{name.replace('-', '_')}.csv"


def module(name: str) -> str:
    """The module that draws a figure."""
    return f"{plots.__name__}.{name.replace('-', '_')}"


def builder(name: str) -> Callable[[Sequence[dict[str, Any]]], Figure]:
    """Its drawing function, ``build(rows)``."""
    return import_module(module(name)).build


def chosen(names: Sequence[str] | None = None) -> list[str]:
    """The names, or all; InputError names the unknown ones and those there are."""
    unknown = sorted(set(names or ()) - set(FIGURES))
    if unknown:
        raise unknown_name("figure", unknown, FIGURES)
    return list(names or FIGURES)


def experiments(names: Sequence[str] | None = None) -> list[str]:
    """The same for the figures that are swept by experiments; all are those of the linear lab.

    Raises InputError for a name that is none of them.
    """
    swept = [name for name, entry in FIGURES.items() if entry.experiments or entry.organisms]
    unknown = sorted(set(names or ()) - set(swept))
    if unknown:
        raise unknown_name("experiment", unknown, swept)
    return list(names or (name for name in swept if FIGURES[name].experiments))


def drawn(name: str, source: Path) -> Figure:
    """The figure of a CSV file; InputError if that does not hold its table."""
    try:
        rows = read_rows(source)
        if not rows:
            raise ValueError("no row")
        return builder(name)(rows)
    except (LookupError, TypeError, ValueError, AttributeError, ArithmeticError, StopIteration, csv.Error) as error:
        raise InputError(f"{source} does not hold the table of {name} ({type(error).__name__}: {error})") from error


def draw(name: str, folder: Path, *, data: Path | None = None) -> list[Path]:
    """Write FIGURE.pdf, FIGURE.png and the CSV they show into ``folder``; the paths written.

    Args:
        data: where the CSV is; the committed ones by default.

    InputError if it is not there, or not of this figure.
    """
    source = (data or FOLDER) / csv_name(name)
    try:
        content = source.read_bytes()
    except OSError as error:
        raise InputError(f"cannot read {source}: {error.strerror}; `grasp sweep {name}` measures it") from error
    figure = drawn(name, source)
    stem = name.replace("-", "_")
    paths = [write_atomically(folder / f"{stem}.{kind}", render(figure, kind)) for kind in ("pdf", "png")]
    target = folder / source.name
    return [*paths, target if target.resolve() == source.resolve() else write_atomically(target, content)]
