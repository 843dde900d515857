"""Overlap of pooled layers with the direction they share, and the strength that each layer needs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from ..drawing import law, legend, points
from ..style import BLUE, GREEN, GREY, ORANGE, PAGE, PURPLE, RED, SKY, new_figure, styled
from . import Entry

if TYPE_CHECKING:
    from matplotlib.figure import Figure

FIGURE = Entry(
    "Stacking L layers lowers the strength each needs as L^(-1/4), whatever the profile; adding layers, or tasks "
    "that share a direction, gain nothing.",
    experiments=("synthetic.experiments.pooling",),
    section="identification",
    place=4,
)

LOOKS = ((SKY, "o"), (BLUE, "s"), (PURPLE, "^"), (GREEN, "D"))
PROFILES = {
    "equal": ("equal strengths", PURPLE, "^"),
    "decaying": ("decaying strengths", ORANGE, "s"),
    "one layer": ("all in one layer", BLUE, "o"),
}
CONTROLS = {"layers added up": (GREY, "x"), "tasks share a direction": (RED, "+")}


@styled
def build(rows: Sequence[dict[str, Any]]) -> Figure:
    """Left: stacks of equal layers. Middle: other profiles and the controls. Right: strength needed over layers."""
    figure = new_figure(PAGE, 2.9)
    left, middle, right = figure.subplots(1, 3)
    curves = [r for r in rows if r["panel"] == "overlap"]
    equal = [r for r in curves if r["profile"] == "equal" and not _control(r)]
    for (colour, marker), layers in zip(LOOKS, sorted({r["layers"] for r in equal}), strict=False):
        line = [r for r in equal if r["layers"] == layers]
        label = "1 layer" if layers == 1 else f"{layers} layers"
        points(left, "strength", line, label, colour, marker, band=0.12)
        law(left, "strength", line, color=colour, linewidth=0.9)
    many = next(r["layers"] for r in curves if r["profile"] != "equal")
    _profiles(middle, [r for r in curves if r["layers"] == many])
    for ax in (left, middle):
        ax.axvline(1, color=GREY, linestyle="--", linewidth=0.8)
        ax.set(xlabel="summed squared strength / its border", ylim=(-0.03, 1.05))
    left.set_ylabel("squared overlap ⟨û,u⟩²")
    trials = rows[0]["trials"]
    left.set_title(f"equal layers, {trials} trials", loc="left")
    middle.set_title(f"{many} layers, {trials} trials", loc="left")
    _border(right, [r for r in rows if r["panel"] == "border"])
    legend(figure, (left, middle, right), ncols=4, columnspacing=1.5)
    return figure


def _control(row: dict[str, Any]) -> str:
    if row["shared"]:
        return "tasks share a direction"
    return "layers added up" if row["pool"] == "sum" else ""


def _profiles(ax: Any, rows: Sequence[dict[str, Any]]) -> None:
    for (profile, (label, colour, marker)), size in zip(PROFILES.items(), (7, 5, 2.5), strict=True):
        line = [r for r in rows if r["profile"] == profile and not _control(r)]
        hollow: dict[str, Any] = {"fillstyle": "none", "markeredgewidth": 0.8} if size > 4 else {}
        points(ax, "strength", line, label, colour, marker, band=0.12, markersize=size, **hollow)
    line = [r for r in rows if r["profile"] == "equal" and not _control(r)]
    law(ax, "strength", line, color="black", label="law", linewidth=0.9)
    for control, (colour, marker) in CONTROLS.items():
        points(ax, "strength", [r for r in rows if _control(r) == control], control, colour, marker, band=0.12)


def _border(ax: Any, rows: Sequence[dict[str, Any]]) -> None:
    for control, (colour, marker) in {"": (BLUE, "o"), **CONTROLS}.items():
        line = [r for r in rows if _control(r) == control]
        label = control or "strength at overlap ½"
        points(ax, "layers", line, label, colour, marker, band=0.12)
        law(ax, "layers", line, color="black", linewidth=0.9)
    layers = np.array(sorted({r["layers"] for r in rows}))
    ax.plot(layers, layers**-0.25, color=GREY, linestyle="--", linewidth=0.8, label="border, L^(−¼)")
    ax.set_xscale("log", base=2)
    ax.set_yscale("log", base=2)
    ax.set_xticks([1, 4, 16, 64], ["1", "4", "16", "64"])
    ax.set_yticks([0.5, 1, 2], ["½", "1", "2"])
    ax.set(xlabel="number of layers L", ylabel="strength per layer / border")
    ax.set_title(f"strength needed, {rows[0]['trials']} trials", loc="left")
