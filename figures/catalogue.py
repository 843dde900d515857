"""The figures by name: where their numbers are, who draws them, what they show."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

from synthetic.results import write_atomically

from .rows import FOLDER, read_rows
from .style import render

if TYPE_CHECKING:
    from matplotlib.figure import Figure


@dataclass(frozen=True)
class Entry:
    """A figure: its module in this package (with ``build(rows) -> Figure``), its CSV file, its caption."""

    module: str
    csv: str
    caption: str

    @property
    def build(self) -> Callable[[Sequence[dict[str, Any]]], Figure]:
        """The drawing function, imported when asked for."""
        return import_module(f"{__package__}.{self.module}").build


FIGURES = {
    "verdict-rates": Entry("verdict_rates", "verdict_rates.csv", "Hits and false alarms of the verdict of identify."),
}


def draw(name: str, folder: Path, *, data: Path = FOLDER) -> list[Path]:
    """Write FIGURE.pdf and FIGURE.png of the CSV in ``data`` into ``folder``; the paths written."""
    entry = FIGURES[name]
    figure = entry.build(read_rows(data / entry.csv))
    paths = []
    for kind in ("pdf", "png"):
        picture = render(figure, kind)
        paths.append(write_atomically(folder / f"{name}.{kind}", picture))
    return paths
