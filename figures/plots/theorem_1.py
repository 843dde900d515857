"""Theorem 1 in six panels: its bounds above measured points, nobody's limit below, and where an assumption fails."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from ..style import BLUE, GREEN, GREY, ORANGE, PAGE, PURPLE, RED, new_figure, styled
from . import Entry

if TYPE_CHECKING:
    from matplotlib.figure import Figure

FIGURE = Entry(
    "Theorem 1: bounds on angle and deployment risk above every measured point, a limit for every method below; noise "
    "that outputs share and a factor under twice the task break them.",
    experiments=("synthetic.experiments.theorem_1",),
    place=0,
)

LABELS = {
    "bound": ("Theorem 1", "-"),
    "limit": ("no method below", "--"),
}
COLOURS = {"random": (BLUE, "o"), "worst": (PURPLE, "D")}


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
    titles = ("samples", "complexity at equal energy", "strength over task norm")
    titles += ("deployment, û removed", "training", "curation: cores seen with error")
    for ax, letter, title in zip(axes.flat, "abcdef", titles, strict=True):
        ax.set_title(f"{letter}  {title}", loc="left")
    for ax in axes[:, 0]:
        ax.set_xlabel("number of samples n")
    axes[0, 0].set_ylabel("sin ∠(û, u)")
    axes[1, 1].set_ylabel("sin ∠(û, u)")
    found: dict[str, Any] = {}
    for ax in axes.flat:
        for handle, label in zip(*ax.get_legend_handles_labels(), strict=True):
            found.setdefault(label, handle)
    title = f"points: mean and 10 to 90% of {rows[0]['trials']} trials; lines: theory"
    figure.legend(list(found.values()), list(found), loc="outside lower center", ncols=4, title=title, title_fontsize=7)
    return figure


def _of(rows: Sequence[dict[str, Any]], along: str, **chosen: Any) -> list[dict[str, Any]]:
    return sorted((r for r in rows if chosen.items() <= r.items()), key=lambda r: r[along])


def _points(ax: Any, along: str, rows: Sequence[dict[str, Any]], label: str, colour: str, marker: str) -> None:
    x = [r[along] for r in rows]
    ax.fill_between(x, [r["low"] for r in rows], [r["high"] for r in rows], color=colour, alpha=0.15, linewidth=0)
    ax.plot(x, [r["mean"] for r in rows], marker, color=colour, label=label)


def _law(ax: Any, along: str, rows: Sequence[dict[str, Any]], label: str, colour: str, style: str = "-", power=1.0):
    """The rows' theory to a power, over twenty times as many points where it is known at each."""
    known = [r for r in rows if r["theory"] is not None]
    ax.plot(
        [r[along] for r in known], [r["theory"] ** power for r in known], style, color=colour, label=label, linewidth=1
    )


def _samples(ax: Any, rows: Sequence[dict[str, Any]]) -> None:
    weak, strong = sorted({r["beta"] for r in rows})
    for beta, colour, marker in ((weak, BLUE, "o"), (strong, GREEN, "s")):
        line = _of(rows, "n", beta=beta, shared=False, quantity="sine")
        _law(ax, "n", line, f"Theorem 1, beta = {beta:g}", colour)
        _points(ax, "n", line, f"measured, beta = {beta:g}", colour, marker)
        _law(
            ax,
            "n",
            _of(rows, "n", beta=beta, shared=False, quantity="squared sine"),
            f"limit of every method, {beta:g}",
            colour,
            ":",
            0.5,
        )
    _points(ax, "n", _of(rows, "n", shared=True, quantity="sine"), f"outputs share noise, {weak:g}", RED, "x")
    ax.set_xscale("log")
    ax.set_ylim(0, 1.03)


def _tasks(ax: Any, rows: Sequence[dict[str, Any]], along: str) -> None:
    for task, (colour, marker) in COLOURS.items():
        line = _of(rows, along, task=task, quantity="sine")
        if task == "worst":
            _law(ax, along, line, "Theorem 1", "black")
        _points(ax, along, line, f"{task} task", colour, marker)
    ax.set_xscale("log")
    ax.set_ylim(0, 1.03)
    if along == "k":
        ticks = [r["k"] for r in _of(rows, "k", task="worst", quantity="sine")][::2]
        ax.set_xlabel("stable rank k of the task")
    else:
        ticks = [1, 2, 4, 6]
        ax.axvline(2, color=GREY, linestyle="--", linewidth=0.8, label="beta = 2 ‖T‖")
        ax.set_xlabel("beta/‖T‖")
    ax.set_xticks(ticks, [f"{t:g}" for t in ticks])
    ax.minorticks_off()


def _risk(ax: Any, rows: Sequence[dict[str, Any]]) -> None:
    for quantity, label, colour, marker in (("naive risk", "naive", ORANGE, "s"), ("risk", "û removed", BLUE, "o")):
        line = _of(rows, "n", quantity=quantity)
        _points(ax, "n", line, label, colour, marker)
        _law(ax, "n", line, f"{label}: theory", colour)
    ax.set_xscale("log")
    ax.set_yscale("log")
    ax.set_ylabel("excess risk at deployment")


def _steps(ax: Any, rows: Sequence[dict[str, Any]]) -> None:
    for optimizer, name, colour, marker in (("sgd", "descent", GREEN, "s"), ("adam", "Adam", ORANGE, "^")):
        _points(ax, "steps", _of(rows, "steps", optimizer=optimizer, quantity="sine"), name, colour, marker)
        line = _of(rows, "steps", optimizer=optimizer, quantity="certificate")
        ax.plot(
            [r["steps"] for r in line],
            [r["mean"] for r in line],
            "--",
            color=colour,
            linewidth=1,
            label=f"‖P_u dW Ŝ‖/ŝ₁, {name}",
        )
    line = _of(rows, "steps", optimizer="sgd", quantity="descent")
    ax.plot([r["steps"] for r in line], [r["mean"] for r in line], color=GREEN, linewidth=1, label="bound for descent")
    ax.set_xscale("log")
    ax.set_ylim(0, 1.03)
    ax.set_xlabel("steps of LoRA")


def _curation(ax: Any, rows: Sequence[dict[str, Any]]) -> None:
    line = _of(rows, "core", quantity="weight")
    nu, kappa = np.linspace(0, max(r["core"] for r in line), 400), line[0]["kappa"]
    ax.plot(nu, nu * kappa / (1 + nu - kappa**2), color=RED, linewidth=1, label="weight on z: theory")
    _points(ax, "core", line, "weight on z", RED, "v")
    _points(ax, "core", _of(rows, "core", quantity="sine"), "sin ∠(û, u), u in col(T)", BLUE, "o")
    from scipy.optimize import brentq

    border: Any = brentq(lambda x: x * kappa / np.sqrt(1 + x - kappa**2) - 2, 1e-3, 1e3)
    ax.axvline(border, color=GREY, linestyle="--", linewidth=0.8)
    ax.set_xscale("symlog", linthresh=0.1, linscale=0.4)
    ax.set_xticks([0, 0.1, 1, 10], ["0", "0.1", "1", "10"])
    ax.minorticks_off()
    ax.set_ylim(-0.03, 1.03)
    ax.set_xlabel("variance of the cores' noise")
