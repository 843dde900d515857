"""What nets learn of a shortcut that is projected out or compensated: along training, against metric and strength."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from ..drawing import law, look, points
from ..style import BLUE, GREY, INDIGO, ORANGE, PAGE, PURPLE, RED, SKY, new_figure, styled
from . import Entry

if TYPE_CHECKING:
    from matplotlib.figure import Figure

FIGURE = Entry(
    "Deep nets re-learn a shortcut projected out of weights, not one unseen at the stream or compensated.",
    experiments=("synthetic.experiments.rerouting",),
    section="removal",
    place=12,
)

Rows = Sequence[dict[str, Any]]
METHODS = {  # (method, given random directions, frozen blocks) at H = I
    ("none", "False", "open"): ("no removal (control)", GREY, "x"),
    ("stream", "True", "open"): ("stream, random direction (control)", "black", "+"),
    ("read", "False", "open"): ("read", *look("read GRASP")),
    ("write", "False", "open"): ("write", *look("write GRASP")),
    ("write", "False", "closed"): ("write, u kept by frozen blocks", INDIGO, "D"),
    ("stream", "False", "open"): ("stream", *look("stream")),
    ("compensated", "False", "open"): ("compensated", *look("compensated")),
}
NETS = (("identity", "linear net, SGD"), ("tanh", "tanh net, Adam"))
LOSSES = {"squared": (ORANGE, "s"), "logistic": (BLUE, "o")}
STRENGTHS = {0.0: (GREY, "x"), 0.5: (SKY, "s"), 1.0: (BLUE, "o"), 2.0: (PURPLE, "^")}


@styled
def build(rows: Rows) -> Figure:
    """Top: nets at H = I, and the error off u under another metric. Bottom: one layer. Lines with markers: measured;
    black: law.
    """
    figure = new_figure(PAGE, 4.6)
    axes = figure.subplots(2, 3)
    nets = [r for r in rows if r["panel"] == "net"]
    for ax, (phi, name) in zip(axes[0], NETS, strict=False):
        plain = [r for r in nets if r["phi"] == phi and r["metric"] == 1 and r["quantity"] == "acquired"]
        for key, looks in METHODS.items():
            _curve(ax, [r for r in plain if (r["method"], str(r["random"]), r["frozen"]) == key], *looks)
        ax.set(xlabel="training step", ylabel="reliance acquired / beta", ylim=(-0.1, 1.1))
        ax.set_title(f"{name}; {plain[0]['trials']} nets", loc="left")
    _metric(axes[0, 2], [r for r in nets if r["metric"] != 1 and r["quantity"] == "cost"])
    _share(axes[1, 0], [r for r in rows if r["panel"] == "share"])
    strength = [r for r in rows if r["panel"] == "strength"]
    _strength(axes[1, 1], strength)
    _time(axes[1, 2], [r for r in strength if r["loss"] == "logistic" and str(r["random"]) == "False"])
    handles, labels = axes[0, 0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside upper center", ncols=4, title="projected or compensated in the nets:")
    return figure


def _curve(ax: Any, rows: Rows, label: str | None, colour: str, marker: str, style: str = "-") -> None:
    """Measured means with their band; the law, where there is one, in black."""
    rows = sorted(rows, key=lambda r: r["steps"])
    points(ax, "steps", rows, label, colour, marker, band=0.12, linestyle=style, linewidth=0.9)
    law(ax, "steps", rows, color="black", linewidth=0.8, zorder=3)


def _metric(ax: Any, rows: Rows) -> None:
    for aligned, colour, marker, label in (("False", RED, "o", "H u ∦ u"), ("True", BLUE, "^", "H u ∥ u")):
        for phi, style in (("identity", "-"), ("tanh", "--")):
            shown = [r for r in rows if r["phi"] == phi and str(r["aligned"]) == aligned]
            _curve(ax, shown, label if phi == "identity" else None, colour, marker, style)
    ax.set(xlabel="training step", ylabel="error off u / beta²", ylim=(-0.05, 1.1))
    ax.set_title(f"stream, κ = {rows[0]['metric']:g} (tanh dashed)", loc="left")
    _legend(ax, 2)


def _share(ax: Any, rows: Rows) -> None:
    for aligned, quantity, colour, marker, label, name, style in (
        ("False", "share", RED, "o", "mean", "law", "-"),
        ("False", "largest share", RED, "_", "largest of 5", "bound", "--"),
        ("True", "share", BLUE, "^", "eigenvector", None, "-"),
    ):
        line = [r for r in rows if str(r["aligned"]) == aligned and r["quantity"] == quantity]
        line.sort(key=lambda r: r["metric"])
        points(ax, "metric", line, label, colour, marker, band=0.1)
        law(ax, "metric", line, style=style, color="black", linewidth=0.8, label=name)
    ax.set_xscale("log", base=2)
    ax.set_xticks([2, 4, 8, 16], ["2", "4", "8", "16"])
    ax.set(xlabel="condition κ of the metric", ylabel="share re-routed", ylim=(-0.04, 1.25))
    ax.set_title("one layer, write", loc="left")
    _legend(ax, 3)


def _strength(ax: Any, rows: Rows) -> None:
    end = max(r["steps"] for r in rows)
    for loss, (colour, marker) in LOSSES.items():
        for random, style, label in (("False", marker, f"{loss} loss"), ("True", "x:", "random")):
            line = [r for r in rows if r["loss"] == loss and str(r["random"]) == random and r["steps"] == end]
            line.sort(key=lambda r: r["strength"])
            x = [r["strength"] for r in line]
            ax.plot(x, [r["mean"] for r in line], style, color=colour, label=label, linewidth=0.8, markersize=3)
            if random == "False":
                law(ax, "strength", line, color="black", linewidth=0.8)
    ax.axhline(0, color=GREY, linewidth=0.6, linestyle="--")
    low, high = ax.get_ylim()
    ax.set(xlabel="compensator / shortcut", ylabel="reliance learnt", ylim=(low, high + 0.45 * (high - low)))
    ax.set_title(f"one layer, step {end}", loc="left")
    _legend(ax, 2)


def _time(ax: Any, rows: Rows) -> None:
    rows = [r for r in rows if r["steps"] > 0]
    for strength, (colour, marker) in STRENGTHS.items():
        if line := [r for r in rows if r["strength"] == strength]:
            _curve(ax, line, f"{strength:g}", colour, marker, "none")
    ax.set_xscale("log")
    steps = sorted({r["steps"] for r in rows})
    ax.set_xticks(steps, [str(n) for n in steps])
    ax.minorticks_off()
    top = max(r["mean"] for r in rows)
    ax.set(xlabel="training step", ylabel="reliance learnt", ylim=(-0.03 * top, 1.25 * top))
    ax.set_title("logistic; compensator:", loc="left")
    _legend(ax, 4)


def _legend(ax: Any, columns: int) -> None:
    small = {"fontsize": 6, "columnspacing": 0.8, "handlelength": 1.2, "borderpad": 0.1}
    ax.legend(loc="upper left", ncols=columns, **small).set_in_layout(False)
