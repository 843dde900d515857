"""Heat map of ``grasp diff`` of many runs: the overlap of every pair."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from real_models.adapters.text import ending

from ..style import PAGE, new_figure, styled
from ..tables.difference import letter

if TYPE_CHECKING:
    from matplotlib.figure import Figure

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
    axis.set_yticks(ticks, [f"{ending(found.names[i], 40)}  {letter(i)}" for i in ticks])
    if n <= WRITTEN:
        for i, j in zip(*np.nonzero(np.isfinite(shown)), strict=True):
            colour = "white" if shown[i, j] < 0.5 else "black"
            axis.text(j, i, f"{shown[i, j]:.2f}", ha="center", va="center", color=colour, fontsize=6)
    axis.set_title(f"mean cos² of the {found.k} leading directions, weighted by energy, {found.side} side")
    figure.colorbar(image, shrink=0.8)
    return figure
