"""One picture of a whole adapter: its modules by depth and kind, how large, of what rank, what the layers share."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from real_models.adapters.patterns import kind
from real_models.adapters.sides import natural_key
from real_models.adapters.text import ending

from ..style import GREY, ORANGE, PAGE, new_figure, styled
from .identification import places

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    Module = dict[str, Any]

COLUMNS = 24  # up to which a dot of full size fits its cell
GROUPS = (("write", "write"), ("read", "read"), (None, "neither"))


@styled
def adapter_map(modules: Sequence[Module], shared: Collection[str] = ()) -> Figure:
    """Colour: root mean square entry of dW. Dot: stable rank over rank. Frame: named in ``shared``. Bars: energy.

    Args:
        modules: those of a report's JSON form. A cell of several modules (experts) shows their energy together.
    """
    from matplotlib.colors import LogNorm

    rows = _rows(modules)
    columns, labels, what = places(modules)
    cells: dict[tuple[int, int], list[Module]] = {}
    for m in modules:
        cells.setdefault((rows[kind(m["name"])][0], columns(m)), []).append(m)
    size = np.full((len(rows), len(labels)), np.nan)
    for at, inside in cells.items():
        size[at] = np.sqrt(sum(_energy(m) for m in inside) / sum(m["shape"][0] * m["shape"][1] for m in inside))
    energy = np.zeros(size.shape)
    for at, inside in cells.items():
        energy[at] = sum(map(_energy, inside))
    energy /= energy.sum() or 1.0
    alive = size[np.nan_to_num(size) > 0]

    figure = new_figure(PAGE, 1.25 + 0.22 * len(rows))
    heights = {"width_ratios": [5, 1], "height_ratios": [0.6, 0.22 * len(rows)]}
    (top, corner), (axis, right) = figure.subplots(2, 2, gridspec_kw=heights)
    corner.set_axis_off()
    if len(alive):
        ends = float(alive.min()), float(alive.max())
        norm = LogNorm(ends[0] / 1.01, ends[1] * 1.01)
        image = axis.imshow(np.where(size > 0, size, np.nan), norm=norm, cmap="Blues", aspect="auto")
        scale = corner.inset_axes((0.0, 0.35, 1.0, 0.2))
        bar = figure.colorbar(image, cax=scale, orientation="horizontal")
        bar.set_ticks(list(ends), labels=[f"{end:.2g}" for end in ends], minor=False)
        bar.minorticks_off()
        scale.set_title("rms entry of dW", fontsize=7, pad=3)
    axis.set(xlim=(-0.5, len(labels) - 0.5), ylim=(len(rows) - 0.5, -0.5))
    _marks(axis, cells, frozenset(shared))
    top.bar(range(len(labels)), energy.sum(axis=0), 0.8, color=GREY)
    top.set_ylabel("energy")
    top.set_yticks([])
    right.barh(range(len(rows)), energy.sum(axis=1), 0.7, color=GREY)
    for n, share in enumerate(energy.sum(axis=1)):
        right.annotate(_percent(share), (share, n), (2, 0), textcoords="offset points", va="center", fontsize=7)
    right.set_xticks([])
    right.spines["bottom"].set_visible(False)
    top.spines["left"].set_visible(False)
    right.set_yticks([])
    right.set(ylim=axis.get_ylim(), xlim=(0, 1.6 * max(energy.sum(axis=1).max(), 1e-9)), xlabel="energy")
    top.set_xticks([])
    top.set_xlim(axis.get_xlim())
    axis.set_yticks(range(len(rows)), [ending(name, 24) for name in rows])
    step = max(1, -(-len(labels) // 16))
    axis.set_xticks(range(0, len(labels), step), labels[::step])
    axis.set_xlabel(what)
    _sides(axis, right, rows)
    return figure


def _rows(modules: Sequence[Module]) -> dict[str, tuple[int, str | None]]:
    """Kind -> (row, side), the kinds that write the stream first."""
    sides = {kind(m["name"]): m["side"] for m in modules}
    ordered = [k for side, _ in GROUPS for k in sorted((k for k in sides if sides[k] == side), key=natural_key)]
    return {k: (n, sides[k]) for n, k in enumerate(ordered)}


def _percent(share: float) -> str:
    return "<0.1%" if 0 < share < 0.001 else f"{100 * share:.1f}%"


def _energy(module: Module) -> float:
    return float(np.sum(np.square(module["singular_values"])))


def _marks(axis: Axes, cells: dict[tuple[int, int], list[Module]], shared: frozenset[str]) -> None:
    """In each cell a dot of the area stable rank/rank, a cross where nothing was learnt, a frame where it is shared."""
    from matplotlib.patches import Rectangle

    dots = []
    for (row, column), inside in cells.items():
        alive = [m for m in inside if _energy(m) > 0]
        if not alive:
            axis.plot(column, row, "x", color=GREY, markersize=4, zorder=3)
            continue
        dots.append((column, row, np.median([_energy(m) / m["singular_values"][0] ** 2 / m["rank"] for m in alive])))
        if any(m["name"] in shared for m in inside):
            frame = Rectangle((column - 0.46, row - 0.42), 0.92, 0.84, fill=False, edgecolor=ORANGE, linewidth=1.4)
            axis.add_patch(frame)
    x, y, used = np.array(dots).reshape(-1, 3).T
    most = 30 * min(1.0, COLUMNS / (1 + max(column for _, column in cells))) ** 2
    axis.scatter(x, y, s=most * (0.13 + 0.87 * used), color="white", edgecolors="black", linewidths=0.6, zorder=3)


def _sides(axis: Axes, right: Axes, rows: dict[str, tuple[int, str | None]]) -> None:
    """A line between the kinds that write, read and do neither, and which is which."""
    sides = [side for _, side in rows.values()]
    for side, name in GROUPS:
        at = [n for n, other in enumerate(sides) if other == side]
        if at:
            right.annotate(name, (1, np.mean(at)), (6, 0), ("axes fraction", "data"), "offset points", va="center")
            if at[0]:
                axis.axhline(at[0] - 0.5, color="black", linewidth=0.8)
