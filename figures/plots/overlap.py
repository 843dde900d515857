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

    from grasp_theory.identification.diff import Difference
    from grasp_theory.identification.matrix import OverlapMatrix

WRITTEN = 12  # runs up to which every cell carries its number
TICKS = 40


@styled
def heat_map(found: OverlapMatrix) -> Figure:
    """Mean cos² of the leading directions of all pairs, from 0 to 1; white where two have no common module."""
    n = len(found.names)
    figure = new_figure(PAGE, min(PAGE, 2.2 + 0.28 * n))
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
    known = [o for o in found.modules if o.overlap is not None]
    if not known:
        return None
    figure = new_figure(PAGE, 2.9)
    axis = figure.subplots()
    layers = sorted({-1 if o.layer is None else o.layer for o in known})
    at = {layer: n for n, layer in enumerate(layers)}
    kinds = sorted({kind(o.name) for o in known})
    for n, name in enumerate(kinds):
        of = [o for o in known if kind(o.name) == name]
        x = [at[-1 if o.layer is None else o.layer] + 0.5 * ((n + 0.5) / len(kinds) - 0.5) for o in of]
        colour, marker = COLOURS[n % len(COLOURS)], MARKERS[n % len(MARKERS)]
        axis.plot(x, [o.overlap for o in of], marker, color=colour, label=ending(name, 24))
    random = [[o.random_overlap for o in known if at[-1 if o.layer is None else o.layer] == n] for n in at.values()]
    means = [np.mean([r for r in of if r is not None] or [np.nan]) for of in random]
    axis.plot(range(len(layers)), means, "_", color=GREY, markersize=10, label="independent directions")
    step = max(1, -(-len(layers) // 16))
    axis.set_xticks(range(0, len(layers), step), ["outside" if n < 0 else str(n) for n in layers[::step]])
    axis.set(xlabel="layer", ylabel="overlap", ylim=(-0.03, 1.05))
    legend(figure, [axis], ncols=4)
    return figure
