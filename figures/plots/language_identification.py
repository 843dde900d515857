"""A pretrained language model along its naive run: what spreads, and which directions lead to it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from ..drawing import legend, look, over_seeds
from ..style import GREEN, GREY, ORANGE, PAGE, PURPLE, RED, new_figure, styled
from . import Entry

if TYPE_CHECKING:
    from matplotlib.figure import Figure

FIGURE = Entry(
    "SmolLM2-135M along its naive runs: the drift that experiments teach, beside runs on control and neutral "
    "data; for those that spread, directions found without labels: how much of the supervised direction they hold, and "
    "the drift with the stream held along them.",
    organisms=("real_models.experiments.language_identification",),
    section="language",
    place=13,
)

Rows = Sequence[Mapping[str, Any]]
RUNS = ("naive", "control data", "neutral data")
FOUND = {
    "weights": (GREEN, "D"),
    "training text": (PURPLE, "s"),
    "own text": (ORANGE, "v"),
    "contrast": (RED, "^"),
    "random": (GREY, "x"),
}
SUPERVISED = ("black", "*")


@styled
def build(rows: Rows) -> Figure:
    """Above: change of drift along training, a panel for each experiment, ± its standard error over questions. Below,
    for those where drift is held: share of the supervised direction, and drift over task."""
    names = list(dict.fromkeys(r["experiment"] for r in rows))
    held = [n for n in names if any(r["experiment"] == n and r["quantity"] == "weights held" for r in rows)]
    figure = new_figure(PAGE, 2.2 + 2.1 * len(held))
    n = len(names)
    grid = figure.add_gridspec(1 + len(held), 2 * n, height_ratios=[1.9] + [2.1] * len(held))
    above = [figure.add_subplot(grid[0, 2 * i : 2 * i + 2]) for i in range(n)]
    for ax, name in zip(above, names, strict=True):
        _changes(ax, [r for r in rows if r["experiment"] == name])
        ax.set_title(name.removeprefix("smollm2-"), loc="left")
        ax.set_xlabel("training step")
    above[0].set_ylabel("change of drift,\nlog-odds per token")
    for place, name in enumerate(held, start=1):
        left, right = figure.add_subplot(grid[place, :n]), figure.add_subplot(grid[place, n:])
        of = [r for r in rows if r["experiment"] == name]
        _shares(left, of)
        _held(right, of)
        left.set_title(f"{name.removeprefix('smollm2-')}: what is found", loc="left")
        right.set_title("and held", loc="left")
    legend(figure, figure.axes, ncols=5)
    return figure


def _changes(ax: Any, rows: Rows) -> None:
    for n, name in enumerate(RUNS):
        colour, marker = look(name)
        steps, change = over_seeds(rows, f"{name} change")
        error = over_seeds(rows, f"{name} error")[1].mean(0)
        at = np.array(steps) + 0.012 * max(steps) * (n - 1)
        ax.errorbar(at, change.mean(0), error, color=colour, marker=marker, label=name, linewidth=1, elinewidth=0.7)
        ax.set_xticks(steps)
    ax.axhline(0, color=GREY, linestyle="--", linewidth=0.8)


def _shares(ax: Any, rows: Rows) -> None:
    for name, (colour, marker) in FOUND.items():
        steps, share = over_seeds(rows, f"{name} share")
        ax.plot(steps[1:], share.mean(0)[1:], color=colour, marker=marker, label=name)
        ax.fill_between(steps[1:], share.min(0)[1:], share.max(0)[1:], color=colour, alpha=0.15, linewidth=0)
        ax.set_xticks(steps[1:])
    ax.set_ylim(bottom=0)
    ax.set(xlabel="training step", ylabel="share of the supervised direction\nin 8 directions, mean over blocks")


def _held(ax: Any, rows: Rows) -> None:
    for name, (colour, marker) in (FOUND | {"supervised": SUPERVISED}).items():
        task, drift = (over_seeds(rows, f"{name} {what}")[1].mean(0) for what in ("held task", "held"))
        ax.plot(task, drift, color=colour, marker=marker, label=name, linewidth=1)
    task, drift = (over_seeds(rows, f"naive {what}")[1].mean(0) for what in ("task", "drift"))
    ax.plot(task, drift, color="black", linestyle=":", marker="o", markerfacecolor="white", label="nothing held")
    ax.axhline(drift[0], color=GREY, linestyle="--", linewidth=0.8)
    ax.set(xlabel="task score", ylabel="drift with the stream held")
