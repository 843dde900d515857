"""How much of the drift comes back under each method, against what the loss metric at the last block would predict."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from real_models.adapters.text import many

from ..style import BLUE, GREEN, GREY, ORANGE, PAGE, new_figure, styled
from . import Entry

if TYPE_CHECKING:
    from matplotlib.figure import Figure

FIGURE = Entry(
    "Share of the naive drift's log-odds that comes back under each method, against what rerouting-share says of "
    "the loss metric H at the last block.",
    organisms=("real_models.experiments.coupling",),
    section="removal",
    place=17,
)

Rows = Sequence[Mapping[str, Any]]
Run = tuple[str, int, str, str]  # variant, organism, way, direction
WAYS = {"write": "o", "stream+write": "^", "compensated": "v"}
VARIANTS = {"style": BLUE, "content": ORANGE, "mixed": GREEN}
RIDGES = ("0.001", "0.01", "0.1")


@styled
def build(rows: Rows) -> Figure:
    """Three panels, one point a run: over the predicted share, of both metrics, and over the coupling."""
    runs: dict[Run, dict[str, float]] = {}
    for r in rows:
        key = r["variant"], r["organism"], r["way"], r["direction"]
        runs.setdefault(key, {})[r["quantity"]] = r["mean"]
    figure = new_figure(PAGE, 3.2)
    axes = figure.subplots(1, 3, sharey=True)
    for ax, when in zip(axes, ("start", "crossing"), strict=False):
        for run, values in runs.items():
            low, x, high = sorted(values[f"share {when} {ridge}"] for ridge in RIDGES)
            _point(ax, run, values, x)
            ax.hlines(values["share of log-odds"], low, high, color=VARIANTS[run[0]], linewidth=0.4, alpha=0.6)
        ax.plot([0, 1], [0, 1], color="black", linewidth=0.8)
        ax.set(xlim=(0, 1.03), xlabel="predicted share re-routed")
        ax.set_title("H of the base model" if when == "start" else "H at the matched point", loc="left")
    for run, values in runs.items():
        _point(axes[2], run, values, values["coupling crossing"])
    axes[2].margins(x=0.1)
    axes[2].set(xlim=(0, None), xlabel="‖P_u H u‖ / uᵀHu at the crossing")
    seeds = len({organism for _, organism, _, _ in runs})
    axes[2].set_title(f"coupling, {many(seeds, 'organism')} each", loc="left")
    low = min(0.0, *(values["share of log-odds"] for values in runs.values()))
    axes[0].set(ylabel="excess log-odds / naive", ylim=(low - 0.03, None))
    for ax in axes:
        ax.axhline(1, color=GREY, linestyle=":", linewidth=0.8)
    _legend(figure, {direction for *_, direction in runs})
    return figure


def _point(ax: Any, run: Run, values: Mapping[str, float], x: float) -> None:
    variant, _, way, direction = run
    colour = VARIANTS[variant]
    face = colour if direction == "identified" else "none"
    ax.plot([x], [values["share of log-odds"]], WAYS[way], color=colour, markerfacecolor=face, markersize=4)
    if values["reached"] < 1:
        ax.plot([x], [values["share of log-odds"]], "o", color=GREY, markerfacecolor="none", markersize=8)


def _legend(figure: Figure, directions: set[str]) -> None:
    from matplotlib.lines import Line2D

    def mark(marker: str, label: str, colour: str = "black", **look: Any) -> Line2D:
        return Line2D([], [], linestyle="none", marker=marker, label=label, color=colour, **look)

    names = {"write": "write GRASP", "stream+write": "stream and write GRASP", "compensated": "compensated"}
    handles = [mark(marker, names[way]) for way, marker in WAYS.items()]
    handles += [mark("s", variant, colour) for variant, colour in VARIANTS.items()]
    handles += [
        mark("s", f"{direction} direction", markerfacecolor="black" if direction == "identified" else "none")
        for direction in sorted(directions)
    ]
    handles += [
        mark("o", "task score not reached", GREY, markerfacecolor="none", markersize=8),
        Line2D([], [], color="black", label="measured = predicted"),
        Line2D([], [], color="black", linewidth=0.4, label="ridge 0.1 … 0.001"),
        Line2D([], [], color=GREY, linestyle=":", label="all of the drift comes back"),
    ]
    figure.legend(handles=handles, loc="outside upper center", ncols=4, columnspacing=1.2)
