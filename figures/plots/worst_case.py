"""Angle between the top singular vector and the factor, and its overlap over complexity: worst and typical tasks."""

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
    "Worst-case tasks attain the minimax angle and lose the factor beyond tau = beta/2; random tasks hide it far "
    "less, complex ones least.",
    experiments=("synthetic.experiments.worst_case",),
    section="identification",
    place=3,
)

TASKS = {
    ("adversary", False): ("worst task", RED, "o"),
    ("adversary", True): ("worst task of rank one", PURPLE, "^"),
    ("flat", False): ("random flat task", BLUE, "s"),
    ("iid", False): ("random iid task", ORANGE, "D"),
    ("shares u", False): ("flat task that writes u too", GREEN, "x"),
}


@styled
def build(rows: Sequence[dict[str, Any]]) -> Figure:
    """Left: sine over tau/beta; lines are the laws. Middle, right: squared overlap over rank at two budgets."""
    figure = new_figure(PAGE, 2.9)
    axes = figure.subplots(1, 3, width_ratios=[1.15, 1, 1])
    _angle(axes[0], [r for r in rows if r["panel"] == "angle"])
    complexity = [r for r in rows if r["panel"] == "complexity" and r["quantity"] == "overlap"]
    budgets = sorted({r["size"] for r in complexity})
    for ax, size in zip(axes[1:], budgets, strict=True):
        _complexity(ax, [r for r in complexity if r["size"] == size], size)
    axes[1].set_ylabel("squared overlap ⟨û,u⟩²")
    legend(figure, axes, ncols=4, columnspacing=1.5)
    return figure


def _angle(ax: Any, rows: Sequence[dict[str, Any]]) -> None:
    x = np.linspace(0, 1, 400)
    ax.axvspan(0.5, 1, color=GREY, alpha=0.1, linewidth=0)
    ax.axvline(0.5, color=GREY, linestyle="--", linewidth=0.8)
    ax.text(0.52, 0.06, "nothing can be\npromised", color=GREY, fontsize=7)
    ax.plot(
        x, np.where(x < 0.5, np.sin(0.5 * np.arcsin(np.minimum(2 * x, 1))), 1), color="black", linewidth=1, label="law"
    )
    ax.plot(x, x, color="black", linestyle=":", linewidth=1, label="tau/beta: law of rank one")
    for (task, one), (label, colour, marker) in TASKS.items():
        cell = [r for r in rows if r["task"] == task and (r["rank"] == 1) == one]
        sine = [r for r in cell if r["quantity"] == "sine"]
        points(ax, "size", sine, label, colour, marker, band=0.2, markersize=3)
        known = [(r["size"], r["theory"]) for r in cell if r["quantity"] == "overlap" and r["theory"] is not None]
        if task != "adversary":
            ax.plot([size for size, _ in known], [np.sqrt(1 - y) for _, y in known], color=colour, linewidth=0.9)
    ax.set(xlim=(0, 1), ylim=(-0.02, 1.05), xlabel="norm of the task / strength of the factor")
    ax.set_ylabel("sine of the angle û, u")
    ax.set_title(f"angle, {rows[0]['trials']} trials", loc="left")


def _complexity(ax: Any, rows: Sequence[dict[str, Any]], size: float) -> None:
    for (task, one), (label, colour, marker) in TASKS.items():
        cell = sorted((r for r in rows if r["task"] == task and not one), key=lambda r: r["rank"])
        if cell:
            points(ax, "rank", cell, label, colour, marker, band=0.2, markersize=3)
            law(ax, "rank", cell, color="black", linewidth=1)
    ax.set_xscale("log", base=2)
    ax.set_xticks([1, 4, 16, 64], ["1", "4", "16", "64"])
    ax.set(ylim=(-0.03, 1.05), xlabel="rank of the task")
    ax.set_title(f"‖T‖_F = {size:g} beta, {rows[0]['trials']} trials", loc="left")
