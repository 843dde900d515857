"""What several plots draw alike: the look of a method, points with their band, laws as lines, a legend, plain ticks."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from .style import BLUE, BROWN, GREEN, GREY, INDIGO, OLIVE, ORANGE, PINE, PURPLE, RED, SAND, SKY, TEAL, WINE

if TYPE_CHECKING:
    from real_models.comparison.table import Result

COLOURS = (BLUE, ORANGE, GREEN, RED, PURPLE, SKY, "black")  # of things that have no colour of their own
MARKERS = "os^Dv<>"

# Colour and marker of every removal method and of what is fine-tuned without one, in all figures.
METHODS = {
    "naive": ("black", "o"),
    "random": (GREY, "x"),
    "grasp": (BLUE, "s"),
    "write GRASP": (BLUE, "s"),
    "read GRASP": (SKY, "v"),
    "both GRASP": (INDIGO, "D"),
    "stream": (TEAL, "^"),
    "hold": (TEAL, "D"),
    "edit": (PURPLE, "s"),
    "post-hoc write": (PURPLE, "s"),
    "post-hoc read": (PINE, "^"),
    "deletion": (WINE, "h"),
    "compensated": (ORANGE, "^"),
    "compensated, supervised": (RED, "s"),
    "compensated+grasp": (WINE, "D"),
    "null-space": (GREEN, "P"),
    "CAFT": (OLIVE, "v"),
    "CAFT + ablation": (OLIVE, "x"),
    "ablation": (RED, "h"),
    "preventative": (BROWN, "*"),
    "steering": (BROWN, "<"),
    "kl": (INDIGO, "p"),
    "scale": (BROWN, "v"),
    "control data": (INDIGO, "^"),
    "neutral data": (SAND, "P"),
}
OTHER = (PINE, "o")
_LOWER = {name.lower(): found for name, found in METHODS.items()}

Rows = Sequence[Mapping[str, Any]]


def look(method: str) -> tuple[str, str]:
    """(colour, marker) of a method: those of its name, or of what stands in it before a comma, a plus or a blank.

    What is given random directions is a control and looks like one.
    """
    if method.endswith("random"):
        return METHODS["random"]
    name = method.lower()
    tries = (name, re.split(r"[,+]", name)[0], name.split()[0])
    return next((_LOWER[t] for t in tries if t in _LOWER), OTHER)


def rank_rows(ax: Any, found: Sequence[Result], names: Sequence[str]) -> dict[str, int]:
    """Name -> height of its row: naive on top, then what uses the same information under its name, controls last.

    Writes the names at the axis.
    """
    from real_models.comparison.table import GROUPS

    group = {x.method: "" if x.method == "naive" else x.group for x in found}
    order = [(g, name) for g in ("", *GROUPS) for name in names if group[name] == g]
    labels: list[str] = []
    for n, (g, name) in enumerate(order):
        if g and g != order[n - 1][0]:
            labels.append("controls:" if g == "controls" else f"use {g}:")
        labels.append(name)
    ax.set_yticks(range(len(labels))[::-1], labels)
    for tick, label in zip(ax.get_yticklabels(), labels, strict=True):
        tick.set_fontweight("normal" if label in group else "bold")
    ax.set_ylim(-0.7, len(labels) - 0.3)
    return {label: len(labels) - 1 - n for n, label in enumerate(labels) if label in group}


def select(rows: Sequence[dict[str, Any]], along: str, **chosen: Any) -> list[dict[str, Any]]:
    """The rows with these values, in the order of the field ``along``."""
    return sorted((r for r in rows if chosen.items() <= r.items()), key=lambda r: r[along])


def over_seeds(rows: Rows, *quantities: str) -> tuple[list[int], np.ndarray]:
    """Steps, and (seeds, steps) of the largest of these quantities."""
    of = [r for r in rows if r["quantity"] in quantities]
    steps, seeds = (sorted({r[key] for r in of}) for key in ("points", "organism"))
    table = np.full((len(seeds), len(steps)), np.nan)
    for r in of:
        place = seeds.index(r["organism"]), steps.index(r["points"])
        table[place] = np.fmax(table[place], r["mean"])
    return steps, table


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
