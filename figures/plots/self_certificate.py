"""The angle that a spectrum tells of its own top direction, and that direction's true one."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from ..drawing import law, legend, plain_ticks, points, select
from ..style import BLUE, GREEN, GREY, ORANGE, PAGE, PURPLE, new_figure, styled
from . import Entry

if TYPE_CHECKING:
    from matplotlib.figure import Figure

FIGURE = Entry(
    "The self-certificate meets the truth beside random tasks, is too sure at the border of noise, and is wrong where "
    "the top component is the task's own or the task reads the factor's input.",
    experiments=("synthetic.experiments.self_certificate",),
    section="identification",
    place=20,
)

TASKS = {
    "gaussian": ("Gaussian task", BLUE, "o"),
    "flat": ("flat task", GREEN, "s"),
    "power": ("task with values j^(−½)", PURPLE, "D"),
}


@styled
def build(rows: Sequence[dict[str, Any]]) -> Figure:
    """Left: truth and estimate over the strength. Middle: error in units of the one stated. Right: a shared input."""
    figure = new_figure(PAGE, 2.9)
    axes = figure.subplots(1, 3)
    strength = [r for r in rows if r["panel"] == "strength"]
    own = [r for r in rows if r["panel"] == "own input"]
    for task, (label, colour, marker) in TASKS.items():
        line = {
            name: select(strength, "beta", task=task, quantity=name)
            for name in ("overlap", "estimate", "standard errors")
        }
        points(axes[0], "beta", line["overlap"], label, colour, marker)
        axes[0].plot(*_curve(line["estimate"], "beta"), color=colour, label="estimate from the spectrum")
        points(axes[1], "beta", line["standard errors"], None, colour, marker)
    border = _border(strength)
    for ax in axes[:2]:
        ax.axvline(border, color=GREY, linestyle="--", linewidth=0.8)
        ax.set_xscale("log")
        plain_ticks(ax.xaxis, at=(1, 2, 4))
        ax.set_xlabel("strength beta/‖T‖")
    axes[1].annotate(
        "border of\nGaussian noise", (border, 0.06), xytext=(3, 0), textcoords="offset points", fontsize=7, color=GREY
    )
    axes[1].axhline(1, color="black", linewidth=0.8)
    axes[1].set_yscale("log")
    plain_ticks(axes[1].yaxis)
    axes[1].set_ylabel("error / standard error stated")
    points(axes[2], "aside", select(own, "aside", quantity="overlap"), "task on the factor's input", ORANGE, "o")
    law(axes[2], "aside", select(own, "aside", quantity="overlap"), color="black", label="beta²/(beta² + sigma²)")
    axes[2].plot(*_curve(select(own, "aside", quantity="estimate"), "aside"), color=ORANGE)
    promised = select(own, "aside", quantity="promised, true tau")
    axes[2].plot(*_curve(promised, "aside"), ":", color="black", label="posterior-angle, ‖T‖ told")
    axes[2].set_xlabel("sigma of the task's part e vᵀ")
    for ax, title in zip(axes, ("truth and estimate", "how sure it is", f"beta = {own[0]['beta']:g} ‖T‖"), strict=True):
        ax.set_title(title, loc="left")
    for ax in (axes[0], axes[2]):
        ax.set_ylim(-0.03, 1.04)
    axes[0].set_ylabel("squared overlap ⟨û,u⟩²")
    title = f"points: mean and 10 to 90% of {rows[0]['trials']} trials, {rows[0]['m']} x {rows[0]['d']}"
    legend(figure, axes, ncols=3, title=title, title_fontsize=7)
    return figure


def _curve(rows: Sequence[dict[str, Any]], along: str) -> tuple[list[float], list[float]]:
    return [r[along] for r in rows], [r["mean"] for r in rows]


def _border(rows: Sequence[dict[str, Any]]) -> float:
    """beta_c/‖T‖ of a Gaussian task of this size."""
    m, d = rows[0]["m"], rows[0]["d"]
    return (m * d) ** 0.25 / (m**0.5 + d**0.5)
