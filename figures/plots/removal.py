"""Excess risk of every removal method against six knobs: trained models on the theory's lines."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from ..drawing import law, look, plain_ticks, points
from ..style import PAGE, new_figure, styled
from . import Entry

if TYPE_CHECKING:
    from matplotlib.figure import Figure

FIGURE = Entry(
    "Excess risk of every removal method, trained, on the closed forms: against pretrained response, correlation, "
    "strength, rank, angle error and output metric.",
    experiments=("synthetic.experiments.removal",),
    section="removal",
    place=9,
)

Rows = Sequence[dict[str, Any]]
METHODS = {  # marker size; equal risks get markers that show one inside the other
    "naive": 3,
    "random": 3,
    "post-hoc write": 5,
    "write GRASP": 2.5,
    "post-hoc read": 4.5,
    "read GRASP": 2.5,
    "both GRASP": 2.5,
    "deletion": 5.5,
    "compensated": 2.5,
    "CAFT": 3,
    "CAFT + ablation": 3.5,
    "ablation": 2.5,
    "preventative steering": 4.5,
}
PANELS = {
    "response": ("pretrained response ‖W0 v‖", "linear"),
    "rho": ("correlation with other inputs", "linear"),
    "beta": ("strength / tau", "log"),
    "rank": ("LoRA rank", "linear"),
    "angle": ("angle error (degrees)", "linear"),
    "condition": ("condition number of the metric H", "log"),
}


@styled
def build(rows: Rows) -> Figure:
    """One panel for each knob; below, the methods."""
    from matplotlib.lines import Line2D

    figure = new_figure(PAGE, 4.9)
    axes = figure.subplots(2, 3).ravel()
    for ax, (knob, (label, scale)) in zip(axes, PANELS.items(), strict=True):
        panel = [r for r in rows if r["panel"] == knob]
        for method in METHODS:
            _method(ax, sorted((r for r in panel if r["quantity"] == method), key=lambda r, k=knob: r[k]), knob)
        ax.set(xscale=scale, yscale="log", xlabel=label)
        if scale == "log":
            plain_ticks(ax.xaxis)
        plain_ticks(ax.yaxis)
    for ax in axes[::3]:
        ax.set_ylabel("excess risk")
    one = rows[0]
    axes[0].set_title(f"{one['trials']} trials; bands 10–90%", loc="left")
    axes[3].set_xticks(sorted({r["rank"] for r in rows if r["panel"] == "rank"}))
    handles = [Line2D([], [], color=look(name)[0], linewidth=0.8, label=name, **_look(name)) for name in METHODS]
    figure.legend(handles=handles, loc="outside lower center", ncols=5, columnspacing=1.2, handlelength=1.6)
    return figure


def _look(method: str) -> dict[str, Any]:
    (_, marker), size = look(method), METHODS[method]
    hollow = {"markerfacecolor": "none"} if size >= 4 and marker not in "+*" else {}
    return {"marker": marker, "markersize": size} | hollow


def _method(ax: Any, line: Rows, knob: str) -> None:
    name = line[0]["quantity"]
    colour = look(name)[0]
    law(ax, knob, line, color=colour, linewidth=0.8)
    points(ax, knob, line, None, colour, band=0.1, **_look(name))
