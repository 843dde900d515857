"""Overlaps of dW(t) with the two factors of the shortcut along training, by rank, and after one step."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from ..drawing import law, legend, points
from ..style import BLUE, GREEN, GREY, ORANGE, PAGE, PURPLE, RED, new_figure, styled
from . import Entry

if TYPE_CHECKING:
    from matplotlib.figure import Figure

FIGURE = Entry(
    "Low-rank LoRA shows the write direction first; the read direction stays within A0's rows (r/d) until A turns.",
    experiments=("synthetic.experiments.training_time",),
    section="identification",
    place=6,
)

COLOURS = (PURPLE, ORANGE, GREEN, BLUE)
MARKERS = "osD^"
OPTIMIZERS = {"sgd": "SGD", "adam": "Adam"}
SIDES = {"left": ("⟨û,u⟩² (write side)", BLUE, "o"), "right": ("⟨v̂,v⟩² (read side)", RED, "s")}


@styled
def build(rows: Sequence[dict[str, Any]]) -> Figure:
    """Rows: SGD with its law, Adam measured. Columns: u and v along training; both after one step, against rank."""
    figure = new_figure(PAGE, 4.1)
    axes = figure.subplots(2, 3, sharey=True)
    paths = [r for r in rows if r["panel"] == "path"]
    ranks = sorted({r["rank"] for r in paths})
    for line, (optimizer, name) in zip(axes, OPTIMIZERS.items(), strict=True):
        for ax, (side, (label, _, _)) in zip(line, SIDES.items(), strict=False):
            for rank, colour, marker in zip(ranks, COLOURS, MARKERS, strict=False):
                key = {"optimizer": optimizer, "rank": rank, "quantity": side}
                _path(ax, [r for r in paths if key.items() <= r.items()], colour, marker, f"rank {rank}")
            ax.set_title(f"{name}: {label}", loc="left")
        line[0].set_ylabel("squared overlap")
        _first(line[2], [r for r in rows if r["panel"] == "start" and r["optimizer"] == optimizer])
        line[2].set_title(f"{name}: after one step", loc="left")
    for ax in axes[1, :2]:
        ax.set_xlabel("training time: steps x step size")
    axes[1, 2].set_xlabel("rank of LoRA")
    axes[0, 0].set_ylim(-0.03, 1.0)
    problems = len({r["draw"] for r in paths})
    title = f"lines: law (Adam’s paths: measured); {problems} problems (range) of {rows[0]['trials']} trials"
    legend(figure, axes.flat, ncols=5, title=title, title_fontsize=7, columnspacing=1.2)
    return figure


def _path(ax: Any, rows: Sequence[dict[str, Any]], colour: str, marker: str, label: str) -> None:
    """Mean and range over the problems, each the mean of its trials."""
    times = sorted({r["times"] for r in rows})
    values = np.array([[r["mean"] for r in rows if r["times"] == t] for t in times])
    ax.fill_between(times, values.min(axis=1), values.max(axis=1), color=colour, alpha=0.12, linewidth=0)
    theory = [[r["theory"] for r in rows if r["times"] == t] for t in times]
    if None in np.ravel(theory):
        ax.plot(times, values.mean(axis=1), ":", color=colour, linewidth=0.8)
    else:
        ax.plot(times, np.mean(theory, axis=1), color=colour)
    ax.plot(times, values.mean(axis=1), marker, color=colour, label=label)


def _first(ax: Any, rows: Sequence[dict[str, Any]]) -> None:
    x = sorted({r["rank"] for r in rows})
    for side, (_, colour, marker) in SIDES.items():
        line = sorted((r for r in rows if r["quantity"] == side), key=lambda r: r["rank"])
        points(ax, "rank", line, f"one step: {'u' if side == 'left' else 'v'}", colour, marker)
        if line[0]["relation"] != "<=":
            style = "-" if line[-1]["relation"] == "=" else "--"
            law(ax, "rank", line, style=style, color=colour, linewidth=1)
        control = sorted((r for r in rows if r["quantity"] == f"{side} control"), key=lambda r: r["rank"])
        name = "random direction (control)"
        ax.plot(x, [r["mean"] for r in control], "x", color=GREY, label=name, markersize=3)
    ax.plot(x, np.array(x) / rows[0]["d"], ":", color="black", linewidth=1, label="bound for v: r/d")
    ax.set_xscale("log", base=2)
    ax.set_xticks(x, [str(r) for r in x])
