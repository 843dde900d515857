"""How often a direction planted inside real trained adapters is found, over its strength."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from ..rates import rate
from ..style import BLUE, GREEN, GREY, ORANGE, PAGE, RED, new_figure, styled
from . import Entry

if TYPE_CHECKING:
    from matplotlib.figure import Figure

FIGURE = Entry(
    "Directions planted inside real trained adapters: how often finding, components and verdict show them.",
    organisms=("real_models.experiments.planted_rates",),
    section="identification",
    place=2,
)

SHOWN = {
    "finding": ("the finding names it", BLUE, "o"),
    "component 0": ("component 0", GREEN, "s"),
    "any of 8": ("one of 8 components", ORANGE, "^"),
    "fires": ("the finding fires", GREY, "x"),
    "verdict": ("the verdict fires", RED, "D"),
}


@styled
def build(rows: Sequence[Mapping[str, Any]]) -> Figure:
    """Rates over strength with 95% intervals; left of public adapters, right of own fine-tunes. 0 is the control."""
    figure = new_figure(PAGE, 3.2)
    axes = figure.subplots(1, 2, sharey=True)
    parts = {
        "public adapters": [r for r in rows if r["steps"] == 0],
        "fine-tunes of small models": [r for r in rows if r["steps"]],
    }
    for ax, (name, part) in zip(axes, parts.items(), strict=True):
        strengths = sorted({r["strengths"] for r in part})
        for quantity, (label, colour, marker) in SHOWN.items():
            found = [rate([r for r in part if r["strengths"] == s], quantity) for s in strengths]
            value, ends = np.array([f.value for f in found]), np.array([f.interval for f in found]).T
            ax.fill_between(strengths, *ends, color=colour, alpha=0.15, linewidth=0)
            ax.plot(strengths, value, marker=marker, color=colour, label=label)
        adapters = len({(r["adapter"], r["modules"], r["rank"], r["steps"]) for r in part})
        trials = rate([r for r in part if r["strengths"] == 0], "verdict").trials if part else 0
        ax.set_title(f"{adapters} {name}, n = {trials}", loc="left")
        ax.set_xlabel("planted strength / module's largest singular value")
    axes[0].set_ylabel("share of the plants")
    figure.legend(*axes[0].get_legend_handles_labels(), loc="outside lower center", ncols=5, columnspacing=1.0)
    return figure
