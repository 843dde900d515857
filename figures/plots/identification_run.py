"""Along naive runs: how near the identified directions are to the trait's, and what deleting each component does."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from real_models.adapters.text import many

from ..drawing import over_seeds
from ..style import BLUE, GREEN, GREY, ORANGE, PAGE, PURPLE, RED, SKY, new_figure, styled
from . import Entry

if TYPE_CHECKING:
    from matplotlib.figure import Figure

FIGURE = Entry(
    "Along naive runs of organisms: component 0 against the trait's direction in every block, and drift and task "
    "after deleting one component; control: no trait in the data.",
    organisms=("real_models.experiments.identification",),
    section="identification",
    place=15,
)

Rows = Sequence[Mapping[str, Any]]
FOUND = {"activations": "-", "weights": "--"}
BLOCKS = (SKY, BLUE, GREEN, PURPLE, ORANGE, RED)
SIDES = {"write, pooled": (BLUE, "o"), "write, per block": (GREEN, "s"), "read, per module": (ORANGE, "^")}


@styled
def build(rows: Rows) -> Figure:
    """A column for each variant. From above: |cos| with the trait's direction, scores, gap, deletion of a component."""
    variants = list(dict.fromkeys(r["variant"] for r in rows))
    figure = new_figure(PAGE, 7.8)
    axes = figure.subplots(4, len(variants), squeeze=False, sharey="row", height_ratios=[1.5, 1, 1, 1.3])
    for column, variant in zip(axes.T, variants, strict=True):
        of = [r for r in rows if r["variant"] == variant]
        trained, control = ([r for r in of if (r["curation"] == 1) is kind] for kind in (True, False))
        seeds = len({r["organism"] for r in trained})
        _cosines(column[0], trained, control)
        column[0].set_title(f"{variant}, {many(seeds, 'organism')}", loc="left")
        _scores(column[1], trained, control)
        _gap(column[2], trained, control)
        _deletions(column[3], trained)
        for ax in column[:3]:
            at = np.mean([r["mean"] for r in trained if r["quantity"] == "crossing"])
            ax.axvline(
                at, color=GREY, linestyle="--", linewidth=0.6, label="task score reached" if ax is column[0] else None
            )
            ax.set_xlabel("training step")
        column[3].set_xlabel("component deleted")
    axes[2, 0].set_ylim(1, 1.4 * axes[2, 0].get_ylim()[1])
    for ax, label in zip(
        axes[:, 0], ("|cos| with the trait's direction", "score", "s₁ / s₂", "score after"), strict=True
    ):
        ax.set_ylabel(label)
    look: dict[str, Any] = {"ncols": 3, "columnspacing": 1.2, "handlelength": 2}
    figure.legend(*axes[0, 0].get_legend_handles_labels(), loc="outside upper center", **look)
    figure.legend(*axes[3, 0].get_legend_handles_labels(), loc="outside lower center", **look)
    for ax, place in ((axes[1, 0], "center right"), (axes[2, 0], "upper left")):
        ax.legend(loc=place, fontsize=6, ncols=1 + (ax is axes[2, 0]), handlelength=1.5).set_in_layout(False)
    return figure


def _line(ax: Any, rows: Rows, names: Iterable[str], *, band: bool = True, **look: Any) -> None:
    """Mean over seeds with their range."""
    x, y = over_seeds(rows, *names)
    ax.plot(x, y.mean(0), **look)
    if band:
        ax.fill_between(x, y.min(0), y.max(0), color=look["color"], alpha=0.1, linewidth=0)


def _blocks(rows: Rows, found: str) -> list[str]:
    return sorted({r["quantity"] for r in rows if r["quantity"].startswith(f"{found} block")})


def _scalar(rows: Rows, name: str) -> float:
    return float(np.mean([r["mean"] for r in rows if r["quantity"] == name]))


def _cosines(ax: Any, trained: Rows, control: Rows) -> None:
    for found, style in FOUND.items():
        for b, name in enumerate(_blocks(trained, found)):
            look = {"color": BLOCKS[b % len(BLOCKS)], "linestyle": style}
            seen = found == "activations"
            label = f"component 0 of {'dW X' if seen else 'dW'}, block {b}"
            _line(ax, trained, [name], band=seen, **look, linewidth=1, label=label)
    rest: dict[str, Any] = {"color": "black", "linewidth": 0.8, "band": False}
    _line(ax, trained, ["activations rest"], **rest, linestyle=":", label="best of components 1–7 of dW X")
    blocks = _blocks(control, "activations")
    _line(ax, control, blocks, **rest, marker="x", markersize=2.5, label="control: no trait in the data, best block")
    law = next(r["theory"] for r in trained if r["quantity"] == "random")
    ax.axhline(law, color=GREY, linewidth=0.9, label="random direction, mean")
    label = "random, 99% of the best of blocks"
    ax.axhspan(0, _scalar(trained, "random best"), color=GREY, alpha=0.2, linewidth=0, label=label)
    ax.set_ylim(0, 1)


def _scores(ax: Any, trained: Rows, control: Rows) -> None:
    _line(ax, trained, ["drift"], color=RED, label="drift")
    _line(ax, control, ["drift"], color="black", linewidth=0.8, label="drift, control")
    _line(ax, trained, ["task"], color=BLUE, linestyle="--", label="task")
    ax.set_ylim(0, 1.03)
    ax.set_title("scores", loc="left")


def _gap(ax: Any, trained: Rows, control: Rows) -> None:
    for found, style in FOUND.items():
        name = "dW X" if found == "activations" else "dW"
        _line(ax, trained, [f"{found} ratio"], color=BLUE, linestyle=style, label=name)
        _line(ax, control, [f"{found} ratio"], color="black", linestyle=style, linewidth=0.8, label=f"{name}, control")
    ax.set_title("gap behind component 0", loc="left")


def _deletions(ax: Any, rows: Rows) -> None:
    for n, (side, (colour, marker)) in enumerate(SIDES.items()):
        for what, face in (("drift", colour), ("task", "white")):
            values = [[r["mean"] for r in rows if r["quantity"] == f"{what} without {side} {i}"] for i in range(8)]
            x = np.arange(8) + 0.2 * (n - 1)
            look = {"color": colour, "markerfacecolor": face, "markersize": 3, "label": f"{what} without it, {side}"}
            ax.plot(x, np.mean(values, axis=1), marker, **look)
            ax.vlines(x, np.min(values, axis=1), np.max(values, axis=1), color=colour, linewidth=0.7)
    ax.axhline(_scalar(rows, "base drift"), color=GREY, linestyle=":", linewidth=0.8, label="base drift")
    ax.set_xticks(range(8))
    ax.set_ylim(0, 1.03)
    ax.set_title("deleted at the matched point", loc="left")
