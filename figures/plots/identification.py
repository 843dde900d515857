"""Pictures of one identification report: spectra with floors, agreement between modules."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from real_models.adapters.patterns import kind
from real_models.adapters.sides import natural_key
from real_models.adapters.text import ending

from ..drawing import legend
from ..style import BLUE, COLUMN, ORANGE, PAGE, RED, SKY, new_figure, styled

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

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
        axis.set_title(
            ending(found["name"], 42 if columns < 3 else 26)
            + ("" if floor is not None else "\n(no noise floor estimated)")
        )
        axis.set_xticks(index)
        axis.set(xlabel="component", ylabel="singular value", ylim=(0, 1.15 * max([*values, floor or 0])))
    if any(found["floor"]["value"] is not None for found in chosen):
        legend(figure, axes.flat)
    return figure


def _place(module: dict[str, Any]) -> str:
    """The path of its block, its index where no path is known, "" outside the blocks."""
    at = module["layer"] if module["block"] is None else module["block"]
    return "" if at is None else str(at)


def places(modules: Sequence[dict[str, Any]]) -> tuple[Callable[[dict[str, Any]], int], list[str], str]:
    """(position of a module's block, labels, what they count): layer numbers, or running ones of several lists."""
    blocks = sorted({_place(m) for m in modules}, key=natural_key)
    number = {_place(m): m["layer"] for m in modules}
    lists = {block.rpartition(".")[0] for block in blocks if block}
    outside = "outside" if "" in blocks else None
    if len(lists) <= 1:
        labels, what = [outside or "" if not b else str(number[b]) for b in blocks], "layer"
    else:
        numbers = iter(range(len(blocks)))
        labels, what = [outside or "" if not b else str(next(numbers)) for b in blocks], "block, in order of name"
    position = {block: n for n, block in enumerate(blocks)}
    return lambda module: position[_place(module)], labels, what


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
    place, numbers, _ = places(report["modules"])
    at = {m["name"]: numbers[place(m)] for m in report["modules"]}
    labels = [f"{at[name]} {ending(kind(name), 18)}" for name in (found["modules"][t] for t in ticks)]
    axis.set_xticks(ticks, labels, rotation=90)
    axis.set_yticks(ticks, labels)
    figure.colorbar(image, shrink=0.8)
    return figure
