"""The picture of the README: drift of the main methods where each first reaches the task."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from real_models.adapters.text import many

from ..drawing import look, rank_rows
from ..style import GREY, PAGE, new_figure, styled

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from real_models.comparison.table import Result

ROWS = (
    "naive",
    "edit",
    "grasp, activations",
    "compensated, activations",
    "compensated+grasp",
    "null-space",
    "null-space+grasp",
    "caft",
    "preventative, identified",
    "kl, own text",
    "kl, own text+null-space",
    "kl",
    "preventative, supervised",
    "inoculation",
    "grasp, random",
    "null-space, random",
)


@styled
def build(rows: Sequence[dict[str, Any]]) -> Figure:
    """One panel a variant: mean drift over seeds and its 95% interval; hollow where some seeds miss the task."""
    from matplotlib.lines import Line2D

    from real_models.comparison.table import base_drift, summarise

    found = [result for result in summarise(rows) if result.preset]
    variants = list(dict.fromkeys(result.variant for result in found))
    there = {result.method for result in found}
    names = [name for name in ROWS if name in there]
    figure = new_figure(PAGE, 3.7)
    axes = np.atleast_1d(figure.subplots(1, len(variants), sharey=True))
    y = rank_rows(axes[0], [result for result in found if result.method in names], names)
    for ax, variant in zip(axes, variants, strict=True):
        of = {result.method: result for result in found if result.variant == variant}
        base = float(np.mean([value for (v, _), value in base_drift(rows).items() if v == variant]))
        ax.axvline(base, color=GREY, linestyle="--", linewidth=0.8)
        ax.axvline(of["naive"].drift, color=GREY, linestyle=":", linewidth=0.8)
        for name in names:
            if name in of:
                _dot(ax, of[name], y[name], base)
        ax.set_title(f"{variant}, {many(of['naive'].seeds, 'seed')}", loc="left")
        ax.set(xlim=(0, 1.03), xlabel="drift at equal task score")
    classes = [
        Line2D([], [], color=GREY, linestyle="--", label="base model"),
        Line2D([], [], color=GREY, linestyle=":", label="naive"),
        Line2D(
            [], [], color="black", marker="o", markerfacecolor="none", linestyle="", label="task missed in some seeds"
        ),
    ]
    figure.legend(handles=classes, loc="outside lower center", ncols=4)
    return figure


def _dot(ax: Any, result: Result, y: float, base: float) -> None:
    colour, marker = look(result.method)
    if result.low is not None and result.high is not None:
        ax.plot([max(result.low + base, 0), min(result.high + base, 1)], [y, y], color=colour)
    face = colour if result.whole else "none"
    ax.plot([result.drift], [y], marker, color=colour, markerfacecolor=face)
