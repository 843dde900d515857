"""What reaches the protected directions along training, by optimiser and by what is projected; LoRA, and peft's OSF."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from ..drawing import legend
from ..style import BLUE, GREY, ORANGE, PAGE, RED, new_figure, styled
from . import Entry

if TYPE_CHECKING:
    from matplotlib.figure import Figure

FIGURE = Entry(
    "Projecting parameters protects exactly; projecting gradients leaks under Adam on the write side, always on the "
    "read side, and in peft's OSF.",
    experiments=("synthetic.experiments.optimizer_leak", "real_models.experiments.osf_leak"),
    section="removal",
    place=8,
)

WAYS = {
    "nothing": ("nothing (control)", GREY, "x"),
    "gradient": ("the gradient", RED, "o"),
    "update": ("the increment", ORANGE, "s"),
    "parameter": ("the parameter", BLUE, "^"),
}
PANELS = (("LoRA", ("sgd", "momentum")), ("LoRA", ("adam", "adamw")), ("OSF", ("sgd", "momentum")))
PANELS = (*PANELS, ("OSF", ("adam", "adamw")))
NAMES = {"sgd": "SGD", "momentum": "momentum", "adam": "Adam", "adamw": "AdamW"}
TICKS = ("10⁻¹⁸", "10⁻¹⁵", "10⁻¹²", "10⁻⁹", "10⁻⁶", "10⁻³", "1")
FLOOR, ROUNDING = 1e-18, {"LoRA": 1e-14, "OSF": 1e-5}


@styled
def build(rows: Sequence[dict[str, Any]]) -> Figure:
    """Columns: method and optimiser (the second dashed). Rows: write and read side. Stars: the law of Adam's step 1."""
    figure = new_figure(PAGE, 3.9)
    axes = figure.subplots(2, 4, sharex=True, sharey=True)
    for column, (method, optimizers) in zip(axes.T, PANELS, strict=True):
        for ax, side in zip(column, ("write", "read"), strict=True):
            shown = [r for r in rows if r["method"] == method and r["quantity"] == side and r["steps"] is not None]
            for optimizer, style in zip(optimizers, ("-", "--"), strict=True):
                _lines(ax, [r for r in shown if r["optimizer"] == optimizer], style)
            ax.axhspan(FLOOR, ROUNDING[method], color=GREY, alpha=0.12, linewidth=0)
            ax.set(xscale="log", yscale="log", ylim=(FLOOR, 30))
            ax.set_xticks([1, 10, 100], ["1", "10", "100"])
            ax.set_yticks([10.0**k for k in range(-18, 1, 3)], TICKS)
            ax.minorticks_off()
        name = "peft’s OSF" if method == "OSF" else "LoRA"
        column[0].set_title(f"{name}: {NAMES[optimizers[0]]}, {NAMES[optimizers[1]]}", loc="left", fontsize=7)
        column[1].set_xlabel("training step")
    trials = {m: next((r["trials"] for r in rows if r["method"] == m), 0) for m in ("LoRA", "OSF")}
    axes[0, 0].set_ylabel("write leak ‖QᵀdW‖ / ‖QᵀM‖")
    axes[1, 0].set_ylabel("read leak ‖dW V‖ / ‖M V‖")
    for n, text in ((0, "shaded: 0 up to rounding"), (2, "0 up to float32")):
        axes[0, n].text(0.05, 0.3, text, transform=axes[0, n].transAxes, fontsize=6.5)
    title = f"projected: ({trials['LoRA']} trials of LoRA, {trials['OSF']} of OSF; dashed: the second optimiser)"
    legend(figure, axes.flat, ncols=7, title=title, title_fontsize=7, columnspacing=0.9)
    return figure


def _lines(ax: Any, rows: Sequence[dict[str, Any]], style: str) -> None:
    """One line for each projection and rank, in grey what was not projected."""
    for key in sorted({(r["projected"], r["rank"]) for r in rows}, key=lambda k: (list(WAYS).index(k[0]), k[1])):
        line = sorted((r for r in rows if (r["projected"], r["rank"]) == key), key=lambda r: r["steps"])
        label, colour, marker = WAYS[key[0]]
        full = key[1] == line[0]["d"]
        if full and key[0] != "gradient":
            continue
        marker, style_, label = ("v", ":", "the gradient, rank d") if full else (marker, style, label)
        x = [r["steps"] for r in line]
        low, mean, high = (np.maximum([r[k] for r in line], FLOOR) for k in ("low", "mean", "high"))
        ax.fill_between(x, low, high, color=colour, alpha=0.15, linewidth=0)
        empty = "none" if style == "--" and marker != "x" else colour
        ax.plot(x, mean, style_, marker=marker, color=colour, markerfacecolor=empty, label=label, markersize=3)
        star = [r for r in line if r["relation"] == "~" and r["theory"]]
        if star:
            at = [r["steps"] for r in star], [r["theory"] for r in star]
            ax.plot(*at, "*", color="black", label="law of the first step", markersize=7, zorder=5)
