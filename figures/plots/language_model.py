"""A pretrained language model: drift of every method where its task is reached, and along training."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from ..style import BLUE, GREEN, GREY, ORANGE, PAGE, PURPLE, SKY, new_figure, styled
from . import Entry
from .comparison import COLOURS

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from real_models.comparison.table import Result

FIGURE = Entry(
    "SmolLM2-135M fine-tuned on answers in capital letters: how far capitals spread to other topics under every "
    "method, where it first reaches the task score.",
    place=12,
)

CURVES = {"naive": ("black", "o"), "scale": (ORANGE, "v"), "edit, both sides": (PURPLE, "s"), "hold": (GREEN, "D")}
CURVES |= {"hold, random": (GREY, "x"), "control data": (BLUE, "^"), "neutral data": (SKY, "P")}


@styled
def build(rows: Sequence[dict[str, Any]]) -> Figure:
    """Left: drift at the matched task score: mean, every seed, their 95% t interval. Right: drift over
    task along training, means over seeds."""
    from matplotlib.lines import Line2D

    from real_models.comparison.matching import matched
    from real_models.comparison.table import base_drift, summarise

    (variant,) = dict.fromkeys(r["variant"] for r in rows)
    found = sorted(summarise(rows), key=lambda line: (line.method != "naive", line.control, line.drift))
    base = float(np.mean(list(base_drift(rows).values())))
    figure = new_figure(PAGE, 3.6)
    left, right = figure.subplots(1, 2, width_ratios=[1.25, 1])
    drifts = {line.method: [m.scores["drift"] for m in matched(rows) if m.method == line.method] for line in found}
    _dots(left, found, drifts, base)
    seeds = max(line.seeds for line in found)
    left.set_title(f"{variant}, {seeds} seed{'s' if seeds > 1 else ''}", loc="left")
    for method, (colour, marker) in CURVES.items():
        of = [r for r in rows if r["method"] == method]
        if of:
            _curve(right, of, method, colour, marker)
    right.axhline(base, color=GREY, linestyle="--", linewidth=0.8)
    right.set(xlabel="task score", ylabel="drift, log-odds per token")
    right.set_title("along training", loc="left")
    right.legend(loc="best", fontsize=6)
    used = {line.information for line in found if not line.control}
    kinds = [
        Line2D([], [], color=colour, marker="o", label=f"uses {name}")
        for name, colour in COLOURS.items()
        if name in used
    ]
    kinds.append(Line2D([], [], color=GREY, marker="x", label="control"))
    kinds.append(Line2D([], [], color=GREY, linestyle="--", label="base model"))
    figure.legend(handles=kinds, loc="outside lower center", ncols=3)
    return figure


def _dots(ax: Any, found: Sequence[Result], seeds: Mapping[str, Sequence[float]], base: float) -> None:
    y = np.arange(len(found))[::-1]
    for place, line in zip(y, found, strict=True):
        colour = GREY if line.control else COLOURS[line.information]
        ax.plot(seeds[line.method], [place] * line.seeds, "|", color=colour, markersize=5)
        if line.seeds > 2 and line.low is not None and line.high is not None:
            ax.plot([line.low + base, line.high + base], [place, place], color=colour)
        marker = "x" if line.control else "o"
        ax.plot([line.drift], [place], marker, color=colour, markerfacecolor=colour if line.whole else "white")
    ax.axvline(base, color=GREY, linestyle="--", linewidth=0.8)
    names = [line.method if line.whole else f"{line.method} (task in {line.reached}/{line.seeds})" for line in found]
    ax.set_yticks(y, names)
    ax.set_xlabel("drift at the same task score, log-odds per token")


def _curve(ax: Any, rows: Sequence[dict[str, Any]], label: str, colour: str, marker: str) -> None:
    points = sorted({r["points"] for r in rows})
    task, drift = (
        [float(np.mean([r["mean"] for r in rows if r["points"] == p and r["quantity"] == name])) for p in points]
        for name in ("task", "drift")
    )
    ax.plot(task, drift, color=colour, marker=marker, label=label, markersize=3, linewidth=1)
