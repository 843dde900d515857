"""A low-rank task: what deleting each component costs, what deleting the first costs, and where the factor is."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from ..drawing import legend, plain_ticks
from ..style import BLUE, GREEN, GREY, ORANGE, PAGE, PURPLE, RED, new_figure, styled
from . import Entry

if TYPE_CHECKING:
    from matplotlib.figure import Figure

FIGURE = Entry(
    "With a low-rank task the factor sits at its place by strength; deleting the top component helps only when the "
    "factor is stronger than the task.",
    experiments=("synthetic.experiments.tail",),
    section="identification",
    place=7,
)

Rows = Sequence[dict[str, Any]]
EDITS = {
    "random": ("deleted: random", GREY, "x"),
    "factor": ("deleted: the factor's own", BLUE, "o"),
    "delete": ("deleted: the strongest", RED, "+"),
}


@styled
def build(rows: Rows) -> Figure:
    """Left: three strengths, component by component. Middle: two rules against strength. Right: where the factor is."""
    figure = new_figure(PAGE, 2.9)
    axes = figure.subplots(1, 3, width_ratios=[1, 1.1, 1.1])
    free = [r for r in rows if r["place"] == "free"]
    apart = sorted({r["beta"] for r in rows if r["place"] == "apart"})
    _components(axes[0], [r for r in free if r["beta"] in apart])
    _rules(axes[1], free)
    figure.colorbar(_places(axes[2], free), ax=axes[2], label="⟨û_i,u⟩²", pad=0.02)
    legend(figure, axes[:2], ncols=4)
    return figure


def _components(ax: Any, rows: Rows) -> None:
    looks = zip(sorted({r["beta"] for r in rows}), (BLUE, ORANGE, GREEN), ("o", "s", "^"), strict=False)
    for beta, colour, marker in looks:
        line = [r for r in rows if r["beta"] == beta and r["quantity"] == "delete"]
        x = [r["components"] for r in line]
        ax.plot(x, [r["theory"] / beta**2 for r in line], "-", color=colour, linewidth=0.9)
        ax.plot(
            x, [r["mean"] / beta**2 for r in line], marker, color=colour, markersize=4, label=f"strength {beta:g} tau"
        )
        ax.fill_between(
            x, *([r[side] / beta**2 for r in line] for side in ("low", "high")), color=colour, alpha=0.15, linewidth=0
        )
    ax.axhline(1, color=GREY, linestyle="--", linewidth=0.8)
    ax.set(yscale="log", xlim=(0.6, 5.4))
    plain_ticks(ax.yaxis, at=(1,))
    ax.set_xticks(sorted({r["components"] for r in rows if r["components"] is not None}))
    ax.set(xlabel="component deleted", ylabel="excess risk / naive")
    ax.set_title("Deleted: one component", loc="left")


def _rules(ax: Any, rows: Rows) -> None:
    for quantity, (label, colour, marker) in EDITS.items():
        line = sorted((r for r in rows if r["quantity"] == quantity and r["components"] in (None, 1)), key=_strength)
        x, naive = [r["beta"] for r in line], [r["beta"] ** 2 for r in line]
        known = [r["theory"] / n if r["relation"] == "=" else np.nan for r, n in zip(line, naive, strict=True)]
        ax.plot(x, known, color=colour, linewidth=0.9)
        ax.plot(
            x,
            [r["mean"] / n for r, n in zip(line, naive, strict=True)],
            marker,
            color=colour,
            markersize=2.5,
            label=label,
        )
        ax.fill_between(
            x,
            *([r[side] / n for r, n in zip(line, naive, strict=True)] for side in ("low", "high")),
            color=colour,
            alpha=0.15,
            linewidth=0,
        )
    for n, s in enumerate(_task(rows)):
        ax.axvline(s, color=PURPLE, linestyle=":", linewidth=0.8, label=None if n else "task's strengths")
    ax.set(xscale="log", yscale="log", xlabel="strength / tau")
    ax.set_ylim(1.5e-5, ax.get_ylim()[1] * 3)
    plain_ticks(ax.xaxis)
    plain_ticks(ax.yaxis, at=(1,))
    ax.set_title(f"Deleted: by rule, {rows[0]['trials']} trials", loc="left")


def _places(ax: Any, rows: Rows) -> Any:
    grid = [r for r in rows if r["quantity"] == "overlap"]
    x, y = (np.unique([r[key] for r in grid]) for key in ("beta", "components"))
    z = np.full((len(y), len(x)), np.nan)
    z[np.searchsorted(y, [r["components"] for r in grid]), np.searchsorted(x, [r["beta"] for r in grid])] = [
        r["mean"] for r in grid
    ]
    mesh = ax.pcolormesh(x, y, z, cmap="viridis", vmin=0, vmax=1, shading="nearest", rasterized=True)
    values = sorted(_task(rows))
    edges = [x[0], *np.repeat(values, 2), x[-1]]
    ax.plot(edges, np.repeat(np.arange(len(values) + 1, 0, -1), 2), color=RED, linewidth=1.4)
    ax.set_xscale("log")
    ax.invert_yaxis()
    ax.set_yticks(y)
    plain_ticks(ax.xaxis)
    ax.set(xlabel="strength / tau", ylabel="component")
    ax.set_title("Factor's place; line: theory", loc="left")
    return mesh


def _task(rows: Rows) -> list[float]:
    """Strengths of the task, a tuple that the CSV holds as text."""
    text = str(rows[0]["strengths"]).strip("()[]")
    return [float(s) for s in text.split(",") if s.strip()]


def _strength(row: dict[str, Any]) -> float:
    return row["beta"]
