"""Pictures of one identification report: spectra with floors, strength over depth, agreement between modules."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from ..style import BLUE, COLUMN, GREEN, GREY, ORANGE, PAGE, PURPLE, RED, SKY, new_figure, styled

if TYPE_CHECKING:
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
            axis.legend()
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
    kinds = sorted({kind(m["name"]) for m in modules})
    figure = new_figure(PAGE, 2.2)
    axis = figure.subplots()
    colours = [BLUE, ORANGE, GREEN, RED, SKY, GREY, PURPLE, "#F0E442"]
    width = 0.8 / max(1, len(kinds))
    for n, name in enumerate(kinds):
        of_kind = [m for m in modules if kind(m["name"]) == name]
        at = np.array([-1 if m["layer"] is None else m["layer"] for m in of_kind]) + (n - (len(kinds) - 1) / 2) * width
        norms = [float(np.linalg.norm(m["singular_values"])) for m in of_kind]
        colour = colours[n % len(colours)]
        axis.bar(at, norms, width, color=colour, alpha=0.45, label=name)
        axis.plot(at, [m["singular_values"][0] for m in of_kind], ".", color=colour)
    axis.set_xlabel("layer" + (" (−1: outside the blocks)" if any(m["layer"] is None for m in modules) else ""))
    axis.set_ylabel("update size")
    axis.set_title("Frobenius norm (bars) and leading singular value (dots)", loc="left")
    axis.legend(ncols=4)
    return figure


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
    labels = [_tick(found["modules"][t], found["layers"][t]) for t in ticks]
    axis.set_xticks(ticks, labels, rotation=90)
    axis.set_yticks(ticks, labels)
    figure.colorbar(image, shrink=0.8)
    return figure


def kind(name: str) -> str:
    """What follows the layer index in a module's name: mlp.c_proj of transformer.h.3.mlp.c_proj."""
    parts = name.split(".")
    after = max((i + 1 for i, part in enumerate(parts) if part.isdigit()), default=len(parts) - 1)
    return ".".join(parts[after:]) or parts[-1]


def _tick(name: str, layer: int | None) -> str:
    return kind(name) if layer is None else f"{layer} {kind(name)}"


def _short(name: str, limit: int = 44) -> str:
    return name if len(name) <= limit else "…" + name[1 - limit :]
