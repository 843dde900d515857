"""What several plots draw alike: points with their band, the theory's line, one legend for all axes, plain ticks."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from .style import BLUE, GREEN, ORANGE, PURPLE, RED, SKY

COLOURS = (BLUE, ORANGE, GREEN, RED, PURPLE, SKY, "black")  # of things that have no colour of their own
MARKERS = "os^Dv<>"

Rows = Sequence[Mapping[str, Any]]


def points(
    ax: Any, along: str, rows: Rows, label: str | None, colour: str, marker: str, *, band: float = 0.15, **look: Any
) -> None:
    """The means over the field ``along``, and between "low" and "high" a band of opacity ``band``."""
    x, low, mean, high = ([r[name] for r in rows] for name in (along, "low", "mean", "high"))
    ax.fill_between(x, low, high, color=colour, alpha=band, linewidth=0)
    ax.plot(x, mean, marker, color=colour, label=label, **look)


def law(ax: Any, along: str, rows: Rows, *, style: str = "-", **look: Any) -> None:
    """The theory's line over the field ``along``, through the rows that have a theory."""
    known = [(r[along], r["theory"]) for r in rows if r["theory"] is not None]
    ax.plot([x for x, _ in known], [y for _, y in known], style, **look)


def legend(figure: Any, axes: Iterable[Any], **look: Any) -> None:
    """One legend below the figure: every label that stands in any of the axes, once."""
    found: dict[str, Any] = {}
    for ax in axes:
        for handle, label in zip(*ax.get_legend_handles_labels(), strict=True):
            found.setdefault(label, handle)
    figure.legend(list(found.values()), list(found), loc="outside lower center", **look)


def plain_ticks(axis: Any, *, at: tuple[int, ...] = (1, 3)) -> None:
    """Ticks of a logarithmic axis at these multiples of powers of ten, written as plain numbers."""
    from matplotlib.ticker import LogLocator, NullFormatter

    axis.set_major_locator(LogLocator(subs=at, numticks=12))
    axis.set_major_formatter(lambda value, _: f"{value:g}")
    axis.set_minor_formatter(NullFormatter())
