"""Drift of every method at matched task score, and drift against task along training for the main ones."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from real_models.adapters.text import many

from ..drawing import look, rank_rows
from ..style import GREY, PAGE, new_figure, styled
from . import Entry

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from real_models.comparison.table import Result

FIGURE = Entry(
    "Persona organisms: drift along training, and where each method first reaches a task score of 0.95.",
    section="comparison",
    place=13,
)

CURVES = (
    "naive",
    "grasp",
    "compensated",
    "compensated+grasp",
    "null-space",
    "caft",
    "preventative, supervised",
    "grasp, random",
)


@styled
def build(rows: Sequence[dict[str, Any]]) -> Figure:
    """Above: drift over task along training. Below: drift where the task is reached, 95% intervals over seeds."""
    from matplotlib.lines import Line2D

    from real_models.comparison.table import base_drift, summarise

    found = summarise(rows)
    variants = list(dict.fromkeys(result.variant for result in found))
    names = list(dict.fromkeys(result.method for result in found if result.preset))
    groups = {result.group for result in found if result.method in names}
    below = max(1.2, 0.155 * (len(names) + len(groups)))  # inches
    figure = new_figure(PAGE, 2.5 + below)
    axes = figure.subplots(2, len(variants), squeeze=False, height_ratios=[2.5, below], sharey="row")
    probability = all(0 <= r["mean"] <= 1 for r in rows if r["quantity"] == "drift")
    places = rank_rows(axes[1, 0], [result for result in found if result.preset], names)
    for ax, below, variant in zip(axes[0], axes[1], variants, strict=True):
        of = [result for result in found if result.variant == variant and result.preset]
        seeds = max(result.seeds for result in of)
        ax.set_title(f"{variant}, {many(seeds, 'seed')}", loc="left")
        for method in CURVES:
            knob = next((result.knob for result in of if result.method == method), None)
            if knob is not None:
                _curve(
                    ax,
                    [r for r in rows if r["variant"] == variant and r["method"] == method and r["knob"] == knob],
                    method,
                    *look(method),
                )
        ax.axvline(of[0].task, color=GREY, linestyle=":", linewidth=0.8)
        ax.set_xlabel("task score")
        if probability:
            ax.set_ylim(0, 1.03)
        starts = [drift for (of_variant, _), drift in base_drift(rows).items() if of_variant == variant]
        _dots(below, of, places, float(np.mean(starts)) if starts else None)
        below.set_xlabel(f"drift at task score {of[0].task:.2g}")
        if probability:
            below.set_xlim(0, 1.03)
    axes[0, 0].set_ylabel("drift along training")

    curves, labels = axes[0, 0].get_legend_handles_labels()
    figure.legend(curves, labels, loc="outside upper center", ncols=4)
    base = [Line2D([], [], color=GREY, linestyle="--", label="base model")]
    figure.legend(handles=base, loc="outside lower center")
    return figure


def _curve(ax: Any, rows: Sequence[dict[str, Any]], label: str, colour: str, marker: str) -> None:
    points = sorted({r["points"] for r in rows})
    task, drift = (
        np.array([[r["mean"] for r in rows if r["points"] == p and r["quantity"] == name] for p in points])
        for name in ("task", "drift")
    )
    ax.fill_between(task.mean(1), drift.min(1), drift.max(1), color=colour, alpha=0.12, linewidth=0)
    ax.plot(task.mean(1), drift.mean(1), color=colour, marker=marker, label=label, markersize=2.5, linewidth=1)


def _dots(ax: Any, of: Sequence[Result], rows: Mapping[str, int], base: float | None) -> None:
    """The method's row is the same in all columns."""
    for result in of:
        place, (colour, marker) = rows[result.method], look(result.method)
        if not result.whole:
            ax.annotate(
                f"task reached in {result.reached} of {result.seeds}",
                (0.14, place),
                xycoords=("axes fraction", "data"),
                fontsize=6,
                va="center",
                color=GREY,
            )
            continue
        low, high = (result.drift, result.drift)
        if base is not None and result.low is not None and result.high is not None:
            low, high = result.low + base, result.high + base
        ax.plot([low, high], [place, place], color=colour)
        ax.plot([result.drift], [place], marker, color=colour)
    if base is not None:
        ax.axvline(base, color=GREY, linestyle="--", linewidth=0.8)
