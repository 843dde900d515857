"""Pictures of ``grasp diff``: the overlap of two runs module by module, and of every pair of many."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from real_models.adapters.patterns import kind
from real_models.adapters.text import ending

from ..drawing import COLOURS, MARKERS, legend
from ..style import GREY, PAGE, new_figure, styled
from ..tables.difference import letter

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from grasp_theory.identification.diff import Difference, Overlap
    from grasp_theory.identification.matrix import OverlapMatrix

WRITTEN = 12  # runs up to which every cell carries its number
TICKS = 40


@styled
def heat_map(found: OverlapMatrix) -> Figure:
    """Mean cos² of the leading directions of all pairs, from 0 to 1; white where two have no common module."""
    n = len(found.names)
    tall = min(PAGE, 2.2 + 0.28 * n)
    figure = new_figure(min(PAGE, tall + 2.2), tall)  # names beside the square, and the colours
    axis = figure.subplots()
    shown = found.overlap.copy()
    np.fill_diagonal(shown, np.nan)
    image = axis.imshow(shown, vmin=0, vmax=1, cmap="cividis")
    ticks = range(0, n, max(1, -(-n // TICKS)))
    axis.set_xticks(ticks, [letter(i) for i in ticks])
    axis.set_yticks(ticks, [f"{ending(found.names[i], 24)}  {letter(i)}" for i in ticks])
    if n <= WRITTEN:
        for i, j in zip(*np.nonzero(np.isfinite(shown)), strict=True):
            colour = "white" if shown[i, j] < 0.5 else "black"
            axis.text(j, i, f"{shown[i, j]:.2f}", ha="center", va="center", color=colour, fontsize=6)
    figure.colorbar(image, shrink=0.8)
    return figure


@styled
def module_overlaps(found: Difference) -> Figure | None:
    """Weighted mean cos² of every module over its layer, a colour for each kind; None where no module has both."""
    known = [(o, o.overlap) for o in found.modules if o.overlap is not None]
    if not known:
        return None
    figure = new_figure(PAGE, 2.9)
    axis = figure.subplots()
    layers = sorted({_layer(o) for o, _ in known})
    at = {layer: n for n, layer in enumerate(layers)}
    kinds = sorted({kind(o.name) for o, _ in known})
    for n, name in enumerate(kinds):
        of = [(at[_layer(o)], value) for o, value in known if kind(o.name) == name]
        aside = 0.5 * ((n + 0.5) / len(kinds) - 0.5)
        x, y = [x + aside for x, _ in of], [y for _, y in of]
        axis.plot(x, y, MARKERS[n % len(MARKERS)], color=COLOURS[n % len(COLOURS)], label=ending(name, 24))
    for layer, place in at.items():
        random = [o.random_overlap for o, _ in known if _layer(o) == layer and o.random_overlap is not None]
        if random:
            axis.plot([place], [np.mean(random)], "_", color=GREY, markersize=10, label="independent directions")
    step = max(1, -(-len(layers) // 16))
    axis.set_xticks(range(0, len(layers), step), ["outside" if n < 0 else str(n) for n in layers[::step]])
    axis.set(xlabel="layer", ylabel="overlap", ylim=(-0.03, 1.05))
    legend(figure, [axis], ncols=4)
    return figure


def _layer(module: Overlap) -> int:
    """Its layer, −1 outside the layers."""
    return -1 if module.layer is None else module.layer
