"""Overlap of the top singular vectors with a planted factor: over strength and aspect ratio, and along a line."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from ..drawing import law, legend, points
from ..style import BLUE, GREY, ORANGE, PAGE, RED, new_figure, styled
from . import Entry

if TYPE_CHECKING:
    from matplotlib.figure import Figure

FIGURE = Entry(
    "Squared overlap of the top singular vectors with a planted factor, against its strength and the aspect ratio.",
    experiments=("synthetic.experiments.phase_diagram",),
    section="identification",
    place=2,
)

LEVELS = (0.01, 0.25, 0.5, 0.75)
LAWS = {
    "gaussian": ("Gaussian entries", BLUE, "o"),
    "signs": ("signs", ORANGE, "s"),
    "heavy": ("no 4th moment", RED, "x"),
}


@styled
def build(rows: Sequence[dict[str, Any]]) -> Figure:
    """Left and middle: measured maps with the theory's contours. Right: a slice, with the noise that breaks the law."""
    figure = new_figure(PAGE, 2.7)
    axes = figure.subplots(1, 3, width_ratios=[1, 1, 1.1])
    for ax, side, name in zip(axes, ("left", "right"), ("⟨û,u⟩²", "⟨v̂,v⟩²"), strict=False):
        grid = [r for r in rows if r["panel"] == "map" and r["quantity"] == side]
        x, y = (np.unique([r[key] for r in grid]) for key in ("strength", "m"))
        d = grid[0]["d"]
        measured, known = (np.full((len(y), len(x)), np.nan) for _ in range(2))
        place = np.searchsorted(y, [r["m"] for r in grid]), np.searchsorted(x, [r["strength"] for r in grid])
        measured[place], known[place] = [r["mean"] for r in grid], [r["theory"] for r in grid]
        mesh = ax.pcolormesh(x, y / d, measured, cmap="viridis", vmin=0, vmax=1, shading="nearest", rasterized=True)
        lines = ax.contour(x, y / d, known, LEVELS, colors="white", linewidths=0.8)
        ax.clabel(lines, fmt=lambda level: f"{level:g}" if level > 0.02 else "0", fontsize=6)
        ax.set_yscale("log", base=2)
        ax.set_yticks([0.25, 0.5, 1, 2, 4], ["¼", "½", "1", "2", "4"])
        ax.set_xlabel("strength / critical strength")
        ax.set_title(f"{name}; lines: theory", loc="left")
        if side == "left":
            ax.set_ylabel("aspect ratio d_out / d_in")
        else:
            figure.colorbar(mesh, ax=ax, label="squared overlap", pad=0.02)
    _slice(axes[2], [r for r in rows if r["panel"] == "slice" and r["quantity"] == "left"])
    legend(figure, [axes[2]], ncols=4)
    return figure


def _slice(ax: Any, rows: Sequence[dict[str, Any]]) -> None:
    for entries, (label, colour, marker) in LAWS.items():
        points(ax, "strength", [r for r in rows if r["entries"] == entries], label, colour, marker, markersize=3)
    line = [r for r in rows if r["entries"] == "gaussian"]
    law(ax, "strength", line, color="black", label="limit")
    ax.axvline(1, color=GREY, linestyle="--", linewidth=0.8)
    ax.set(xlabel="strength / critical strength", ylabel="⟨û,u⟩²", ylim=(-0.03, 1.1))
    ax.set_title(f"d_out = d_in = {line[0]['d']}, {line[0]['trials']} trials", loc="left")
