"""Theorem 1 in six panels: its bounds above measured points, nobody's limit below, and where an assumption fails."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from ..drawing import legend, points, select
from ..style import BLUE, GREEN, GREY, ORANGE, PAGE, PURPLE, RED, new_figure, styled
from . import Entry

if TYPE_CHECKING:
    from matplotlib.figure import Figure

FIGURE = Entry(
    "Theorem 1: its bounds on angle and deployment risk above every measured point, a limit for every method below; "
    "noise that outputs share, and a worst task of more than half the factor's strength, break them.",
    experiments=("synthetic.experiments.theorem_1",),
    section="identification",
    place=0,
)

BOUND, LIMIT = "Theorem 1", "limit of every method"
TITLES = ("samples", "complexity, equal energy", "strength", "deployment", "training", "curation, u in col(T)")


@styled
def build(rows: Sequence[dict[str, Any]]) -> Figure:
    """Angle over samples, complexity and strength; deployment risk over samples; angle over steps; curation."""
    figure = new_figure(PAGE, 4.6)
    axes = figure.subplots(2, 3)
    panels = {name: [r for r in rows if r["panel"] == name] for name in {r["panel"] for r in rows}}
    _samples(axes[0, 0], panels["samples"])
    _tasks(axes[0, 1], panels["complexity"], "k")
    _tasks(axes[0, 2], panels["strength"], "beta")
    _risk(axes[1, 0], panels["deployment"])
    _steps(axes[1, 1], panels["time"])
    _curation(axes[1, 2], panels["curation"])
    for ax, letter, title in zip(axes.flat, "abcdef", TITLES, strict=True):
        ax.set_title(f"{letter}  {title}", loc="left")
        ax.minorticks_off()
        if ax not in axes[1, ::2]:
            ax.set(ylim=(-0.02, 1.03), ylabel="sin ∠(û, u)" if ax in (axes[0, 0], axes[1, 1]) else "")
    title = f"points: mean and 10 to 90% of {rows[0]['trials']} trials; lines: theory (dashed: measured)"
    legend(figure, axes.flat, ncols=4, title=title, title_fontsize=7)
    return figure


def _law(
    ax: Any, along: str, rows: Sequence[dict[str, Any]], label: str | None, *, style: str = "-", colour: str = "black"
) -> list[tuple[float, float]]:
    """Draws the theory, of a squared quantity its root; the points drawn."""
    known = [(r[along], r["theory"] ** (0.5 if "squared" in r["quantity"] else 1.0)) for r in rows if r["theory"]]
    ax.plot([x for x, _ in known], [y for _, y in known], style, color=colour, label=label, linewidth=1)
    return known


def _ticks(ax: Any, values: Sequence[float], label: str) -> None:
    ax.set_xscale("log")
    ax.set_xticks(values, [f"{x:g}" for x in values])
    ax.set_xlabel(label)


def _samples(ax: Any, rows: Sequence[dict[str, Any]]) -> None:
    weak, strong = sorted({r["beta"] for r in rows})
    points(ax, "n", select(rows, "n", shared=1.0, quantity="sine"), "outputs share their noise", RED, "x")
    for beta, colour, marker in ((weak, BLUE, "o"), (strong, GREEN, "s")):
        line = select(rows, "n", beta=beta, shared=0.0, quantity="sine")
        points(ax, "n", line, f"random task, beta = {beta:g} in a", colour, marker)
        known = _law(ax, "n", line, BOUND)
        if known:
            ax.annotate(f"{beta:g}", known[0], xytext=(-3, 2), textcoords="offset points", ha="right", fontsize=7)
        _law(ax, "n", select(rows, "n", beta=beta, shared=0.0, quantity="squared sine"), LIMIT, style=":")
    _ticks(ax, (50, 200, 1000, 5000), "samples n")


def _tasks(ax: Any, rows: Sequence[dict[str, Any]], along: str) -> None:
    for task, colour, marker in (("random", BLUE, "o"), ("worst", PURPLE, "D")):
        line = select(rows, along, task=task, quantity="sine")
        points(ax, along, line, "worst task" if task == "worst" else "", colour, marker)
        if task == "worst":
            _law(ax, along, line, BOUND)
    if along == "beta":
        ax.axvline(2, color=GREY, linestyle="--", linewidth=0.8)
        ax.annotate("border", (2, 0.02), xytext=(-2, 0), textcoords="offset points", ha="right", fontsize=7)
        _ticks(ax, (0.6, 1, 2, 4, 6), "beta/‖T‖")
    else:
        _ticks(ax, [r["k"] for r in select(rows, "k", task="worst", quantity="sine")][::2], "stable rank of the task")


def _risk(ax: Any, rows: Sequence[dict[str, Any]]) -> None:
    for quantity, label, colour, marker in (("naive risk", "naive", "black", "s"), ("risk", "û removed", BLUE, "o")):
        line = select(rows, "n", quantity=quantity)
        points(ax, "n", line, label if quantity == "naive risk" else "", colour, marker)
        _law(ax, "n", line, BOUND, colour=colour if quantity == "naive risk" else "black")
        at, place = line[len(line) // 2], (4, 4) if quantity == "risk" else (4, 5)
        ax.annotate(label, (at["n"], at["mean"]), xytext=place, textcoords="offset points", fontsize=7)
    ax.set_yscale("log")
    values = (1, 3, 10, 30)
    ax.set_yticks(values, [str(y) for y in values])
    ax.set_ylabel("excess risk at deployment")
    _ticks(ax, (100, 300, 1000, 5000), "samples n")


def _steps(ax: Any, rows: Sequence[dict[str, Any]]) -> None:
    for optimizer, name, colour, marker in (("sgd", "descent", GREEN, "v"), ("adam", "Adam", ORANGE, "^")):
        points(ax, "steps", select(rows, "steps", optimizer=optimizer, quantity="sine"), name, colour, marker)
        line = select(rows, "steps", optimizer=optimizer, quantity="certificate")
        values = [r["steps"] for r in line], [r["mean"] for r in line]
        ax.plot(*values, "--", color=colour, linewidth=1, label="‖P_u dW Ŝ‖/ŝ₁, any optimiser")
    line = select(rows, "steps", optimizer="sgd", quantity="descent")
    ax.plot([r["steps"] for r in line], [r["mean"] for r in line], color="black", linewidth=1, label=BOUND)
    ax.annotate("for descent", (60, 0.72), xytext=(4, 0), textcoords="offset points", fontsize=7, va="center")
    _ticks(ax, (1, 3, 10, 35, 100, 400), "steps of LoRA")


def _curation(ax: Any, rows: Sequence[dict[str, Any]]) -> None:
    from scipy.optimize import brentq

    line = select(rows, "core", quantity="weight")
    nu, kappa = np.linspace(0, max(r["core"] for r in line), 400), line[0]["kappa"]
    ax.plot(nu, nu * kappa / (1 + nu - kappa**2), color=RED, linewidth=1)
    points(ax, "core", line, "weight on z", RED, "P")
    points(ax, "core", select(rows, "core", quantity="sine"), "", BLUE, "o")
    border: Any = brentq(lambda x: x * kappa / np.sqrt(1 + x - kappa**2) - 2, 1e-3, 1e3)
    ax.axvline(border, color=GREY, linestyle="--", linewidth=0.8)
    ax.annotate("border", (border, 0.0), xytext=(-2, 0), textcoords="offset points", ha="right", fontsize=7)
    ax.set_xscale("symlog", linthresh=0.1, linscale=0.4)
    ax.set_xlim(-0.02, 1.2 * max(nu))
    ax.set_xticks([0, 0.1, 1, 10], ["0", "0.1", "1", "10"])
    ax.set(ylim=(-0.03, 1.03), ylabel="sin ∠(û, u), weight on z", xlabel="variance of the cores' noise")
