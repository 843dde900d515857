"""Overlap with the factor against the number of samples, from the weights and from the outputs, and over the rank."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from ..drawing import law, legend, points
from ..style import BLUE, GREEN, GREY, ORANGE, PAGE, PURPLE, RED, SKY, new_figure, styled
from . import Entry

if TYPE_CHECKING:
    from matplotlib.figure import Figure

FIGURE = Entry(
    "The factor shows in the outputs dW X with fewer samples than in the weights dW; low-rank fits recover the "
    "difference.",
    experiments=("synthetic.experiments.samples",),
    section="identification",
    place=5,
)

LOOKS = {"whitened": ("outputs dW X", BLUE, "o"), "raw": ("weights dW", ORANGE, "s")}
CONTROL = ("outputs dW X, shared noise", RED, "x")
RANKS = ((GREEN, "^"), (SKY, "v"), (PURPLE, "D"))


@styled
def build(rows: Sequence[dict[str, Any]]) -> Figure:
    """Squared overlap over samples: much noise, little noise, uneven inputs; and over the rank of the fit."""
    figure = new_figure(PAGE, 4.5)
    axes = figure.subplots(2, 2)
    ranked = [r for r in rows if r["quantity"] == "fit"]
    cells = {r["seed"] for r in ranked}
    curves = [r for r in rows if r["seed"] not in cells]
    isotropic = [r for r in curves if r["inputs"] == "isotropic"]
    uneven = [r for r in curves if r["inputs"] == "uneven"]
    little, much = sorted({r["noise"] for r in isotropic})
    trials = rows[0]["trials"]
    panels = (
        (axes[0, 0], [r for r in isotropic if r["noise"] == much], f"noise {much:g} beta"),
        (axes[0, 1], [r for r in isotropic if r["noise"] == little], f"noise {little:g} beta"),
        (axes[1, 0], uneven, f"uneven inputs, noise {uneven[0]['noise']:g} beta"),
    )
    for ax, panel, title in panels:
        _samples(ax, panel)
        ax.set_title(f"{title}, {trials} trials", loc="left")
    _borders(axes[0, 0], panels[0][1][0])
    _borders(axes[0, 1], panels[1][1][0])
    _wrong(axes[1, 0], panels[2][1])
    _fits(axes[1, 1], ranked)
    axes[1, 1].set_title(f"fits of low rank, noise {much:g} beta, {trials} trials", loc="left")
    for ax in axes[:, 0]:
        ax.set_ylabel("squared overlap ⟨û,u⟩²")
    legend(figure, axes.flat, ncols=4, columnspacing=1.5)
    return figure


def _samples(ax: Any, rows: Sequence[dict[str, Any]]) -> None:
    for quantity, (label, colour, marker) in LOOKS.items():
        line = [r for r in rows if r["quantity"] == quantity and not r["common"]]
        points(ax, "n", line, label, colour, marker)
        law(ax, "n", line, color=colour, linewidth=0.9)
    control = [r for r in rows if r["quantity"] == "whitened" and r["common"]]
    if control:
        points(ax, "n", control, *CONTROL)
    ax.axvline(rows[0]["d"], color=GREY, linestyle=":", linewidth=0.8, label="n = input size")
    ax.set_xscale("log")
    ax.set_xticks([50, 100, 200, 500, 1000, 2000, 4000], ["50", "100", "200", "500", "1000", "2000", "4000"])
    ax.minorticks_off()
    ax.set(xlabel="number of samples n", ylim=(-0.03, 1.05))


def _borders(ax: Any, row: dict[str, Any]) -> None:
    """The number of samples at which each SVD starts to show the factor, where the axis reaches it."""
    from scipy.optimize import brentq

    from grasp_theory.identification.spectra import sample_threshold
    from grasp_theory.statements.shared.spiked import sample_law

    m, d, s = row["m"], row["d"], row["noise"]
    white = sample_threshold(1.0, m, d, s=s, whitened=True)
    raw: Any = brentq(lambda n: sample_law(n, m, d, 1.0, s)[2] - 1, 1.02 * d, 1e6)
    for n, colour in ((white, BLUE), (raw, ORANGE)):
        if n > ax.get_xlim()[0]:
            ax.axvline(n, color=colour, linestyle="--", linewidth=0.8, label="border of each")


def _wrong(ax: Any, rows: Sequence[dict[str, Any]]) -> None:
    """The raw law of isotropic inputs with the same tr Sigma, where it does not apply."""
    from grasp_theory.statements.shared.spiked import sample_law
    from synthetic.experiments.samples import Cell

    row = rows[0]
    sizes = sorted({r["n"] for r in rows if r["n"] > row["d"]})
    scale = Cell(row["m"], row["d"], row["n"], row["noise"], "uneven").variance ** 0.5
    values = [sample_law(n, row["m"], row["d"], 1.0, row["noise"] / scale)[0] for n in sizes]
    ax.plot(sizes, values, color=GREY, linewidth=0.9, linestyle="-.", label="law of weights, even inputs")


def _fits(ax: Any, rows: Sequence[dict[str, Any]]) -> None:
    for (colour, marker), n in zip(RANKS, sorted({r["n"] for r in rows}), strict=False):
        line = [r for r in rows if r["n"] == n]
        points(ax, "rank", line, f"rank r of dW, n = {n}", colour, marker)
        for r in (r for r in line if r["theory"] is not None):
            ax.plot([0.8 * r["rank"], 1.25 * r["rank"]], [r["theory"]] * 2, color="black", linewidth=0.9)
    ax.set_xscale("log", base=2)
    ax.set_xticks([1, 4, 16, 64], ["1", "4", "16", "64"])
    ax.set(xlabel="rank of the fit", ylim=(-0.03, 1.05))
