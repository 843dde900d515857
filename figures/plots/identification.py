"""Pictures of one identification report: spectra with floors, strength over depth, agreement between modules."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from real_models.adapters.patterns import kind
from real_models.adapters.sides import natural_key

from ..style import BLUE, COLUMN, GREEN, GREY, ORANGE, PAGE, PURPLE, RED, SKY, new_figure, styled

if TYPE_CHECKING:
    from collections.abc import Sequence

    from matplotlib.figure import Figure

SHOWN = 6  # decompositions drawn by themselves before the rest is left to the table


@styled
def spectrum(report: dict[str, Any]) -> Figure:
    """Singular values of each decomposition with the noise floor; filled: stands out."""
    largest = sorted(report["decompositions"], key=lambda d: -d["norm"])[:SHOWN]
    chosen = [d for d in report["decompositions"] if d in largest]
    columns = min(3, len(chosen))
    rows = -(-len(chosen) // columns)
    figure = new_figure(COLUMN if columns == 1 else PAGE, 2.2 * rows)
    axes = figure.subplots(rows, columns, squeeze=False)
    for axis in axes.flat[len(chosen) :]:
        axis.set_visible(False)
    for axis, found in zip(axes.flat, chosen, strict=False):
        components = found["components"]
        index = [c["index"] for c in components]
        values = [c["singular_value"] for c in components]
        axis.vlines(index, 0, values, color=SKY, linewidth=2)
        for c in components:
            face = RED if c["stands_out"] else "white"
            axis.plot(
                c["index"], c["singular_value"], "o", color=RED if c["stands_out"] else BLUE, markerfacecolor=face
            )
        floor = found["floor"]["value"]
        if floor is not None:
            label = f"noise floor ({100 * found['floor']['level']:g}%)"
            axis.axhline(floor, color=ORANGE, linestyle="--", label=label)
            axis.legend(loc="upper right")  # singular values fall to the right
        axis.set_title(_short(found["name"]) + ("" if floor is not None else "\n(no noise floor estimated)"))
        axis.set_xticks(index)
        axis.set_xlabel("component")
        axis.set_ylabel("singular value")
        axis.set_ylim(0, 1.15 * max([*values, floor or 0]))
    return figure


@styled
def depth(report: dict[str, Any]) -> Figure:
    """Frobenius norm (bars) and leading singular value (dots) of every module over its layer."""
    modules = [m for m in report["modules"] if m["singular_values"]]
    kinds = sorted({kind(m["name"]) for m in modules}, key=natural_key)
    places, labels, label = _places(report["modules"])
    figure = new_figure(PAGE, 2.4 + 0.13 * (-(-len(kinds) // 4)))
    axis = figure.subplots()
    colours = [BLUE, ORANGE, GREEN, RED, SKY, GREY, PURPLE, "#F0E442"]
    width = 0.8 / max(1, len(kinds))
    for n, name in enumerate(kinds):
        of_kind = [m for m in modules if kind(m["name"]) == name]
        at = np.array([places[_place(m)] for m in of_kind]) + (n - (len(kinds) - 1) / 2) * width
        norms = [float(np.linalg.norm(m["singular_values"])) for m in of_kind]
        colour = colours[n % len(colours)]
        axis.bar(at, norms, width, color=colour, alpha=0.45, label=name)
        axis.plot(at, [m["singular_values"][0] for m in of_kind], ".", color=colour)
    step = max(1, -(-len(labels) // 16))
    axis.set_xticks(range(0, len(labels), step), labels[::step])
    axis.set_xlabel(label)
    axis.set_ylabel("update size")
    axis.set_title("Frobenius norm (bars) and leading singular value (dots)", loc="left")
    figure.legend(ncols=4, loc="outside lower center")
    return figure


def _place(module: dict[str, Any]) -> str:
    """The path of its block, its index where no path is known, "" outside the blocks."""
    at = module["layer"] if module["block"] is None else module["block"]
    return "" if at is None else str(at)


def _places(modules: Sequence[dict[str, Any]]) -> tuple[dict[str, int], list[str], str]:
    """(position of every block, its label, what they count): layer numbers, or running ones where several lists are."""
    blocks = sorted({_place(m) for m in modules}, key=natural_key)
    number = {_place(m): m["layer"] for m in modules}
    lists = {block.rpartition(".")[0] for block in blocks if block}
    outside = "outside" if "" in blocks else None
    if len(lists) <= 1:
        labels, what = [outside or "" if not b else str(number[b]) for b in blocks], "layer"
    else:
        numbers = iter(range(len(blocks)))
        labels, what = [outside or "" if not b else str(next(numbers)) for b in blocks], "block, in order of name"
    return {block: n for n, block in enumerate(blocks)}, labels, what


@styled
def alignment(report: dict[str, Any]) -> Figure | None:
    """cos² between the leading directions of all pairs of modules; None if no two modules share a space."""
    found = max(report["alignments"], key=lambda a: len(a["modules"]), default=None)
    if found is None or len(found["modules"]) < 2:
        return None
    figure = new_figure(COLUMN, 3.0)
    axis = figure.subplots()
    cos2 = np.array(found["cos2"])
    np.fill_diagonal(cos2, np.nan)
    image = axis.imshow(cos2, vmin=0, vmax=1, cmap="cividis")
    axis.set_title("cos² of leading directions\n(modules by depth)")
    step = max(1, len(cos2) // 12)
    ticks = range(0, len(cos2), step)
    places, numbers, _ = _places(report["modules"])
    at = {m["name"]: numbers[places[_place(m)]] for m in report["modules"]}
    labels = [f"{at[name]} {kind(name)}" for name in (found["modules"][t] for t in ticks)]
    axis.set_xticks(ticks, labels, rotation=90)
    axis.set_yticks(ticks, labels)
    figure.colorbar(image, shrink=0.8)
    return figure


def _short(name: str, limit: int = 44) -> str:
    return name if len(name) <= limit else "…" + name[1 - limit :]
