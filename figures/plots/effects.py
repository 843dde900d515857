"""Pictures of ``grasp effects``: the parts that hold the most, how selective each is, and where over depth they sit."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from real_models.adapters.sides import natural_key
from real_models.adapters.text import ending
from real_models.audit.holding import HOLDS, controls, ranked, share

from ..style import BLUE, COLUMN, GREEN, GREY, ORANGE, PURPLE, RED, SKY, new_figure, styled

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from real_models.audit.effects import Effects
    from real_models.audit.parts import Scope
    from real_models.evaluation.bootstrap import Estimate

SHOWN = 12
LONGEST = 30  # characters of a label
# a narrow screen shows a figure of this width at its own size
WIDTH = 1.25 * COLUMN
COLOURS: dict[Scope, str] = {"pooled": BLUE, "block": GREEN, "module": PURPLE, "group": ORANGE}


@styled
def largest(found: Effects) -> Figure:
    """Shares that deleting a part removes, with intervals, and the share of the drift that it keeps alone."""
    shown = ranked(found.effects)[:SHOWN]
    figure = new_figure(WIDTH, 1.25 + 0.23 * len(shown))
    axis = figure.subplots()
    at = np.arange(len(shown), dtype=float)
    for n, effect in enumerate(shown):
        random = [100 * share(e, "drift") for e in controls(found, effect.part)] if effect.part.span else []
        label = "drift removed by random directions" if not n or not axis.get_legend_handles_labels()[0] else None
        axis.plot(random, [n + 0.3] * len(random), "x", color=GREY, markersize=3, label=label if random else None)
    _dots(axis, at - 0.15, [e.removed["drift"] for e in shown], BLUE, "drift removed", fill=True)
    if "task" in found.excess:
        _dots(axis, at + 0.15, [e.removed["task"] for e in shown], RED, "task removed", fill=False)
    kept = [e.kept["drift"] for e in shown]
    axis.plot(*_points(kept, at), "|", color=SKY, markersize=7, markeredgewidth=1.6, label="drift kept by it alone")
    axis.set_yticks(at, [ending(e.part.name, LONGEST) for e in shown])
    axis.set_ylim(len(shown) - 0.4, -0.6)
    axis.axvline(0, color=GREY, linewidth=0.6)
    axis.set_xlim(*_frame([v for e in shown for v in (*e.removed.values(), e.kept["drift"])]))
    axis.set_xlabel("% of the excess over the base")
    axis.grid(axis="x", linewidth=0.3)
    figure.legend(ncols=2, loc="outside lower center")
    return figure


@styled
def selective(found: Effects) -> Figure | None:
    """Drift against task that each deletion removes; None if no task was measured, or the update moved none."""
    told = [e for e in found.effects if e.removed["drift"] and e.removed.get("task")]
    if not told:
        return None
    figure = new_figure(WIDTH, 0.85 * WIDTH)
    axis = figure.subplots()
    points = [(100 * share(e, "task"), 100 * share(e, "drift")) for e in told]
    low, high = min(0.0, *np.ravel(points)), max(10.0, *np.ravel(points))
    axis.plot([low, high], [low, high], color=GREY, linewidth=0.8, linestyle="--", label="as much of both")
    axis.axhline(100 * HOLDS, color=GREY, linewidth=0.6, linestyle=":")
    for scope, colour in COLOURS.items():
        own = [p for p, e in zip(points, told, strict=True) if e.part.scope == scope and e.part.draw is None]
        if own:
            axis.plot(*np.transpose(own), "o", color=colour, alpha=0.7, markeredgewidth=0, label=scope)
    random = [p for p, e in zip(points, told, strict=True) if e.part.draw is not None]
    if random:
        axis.plot(*np.transpose(random), "x", color="black", label="random directions")
    axis.set(xlabel="task removed, %", ylabel="drift removed, %")
    figure.legend(ncols=3, loc="outside lower center")
    return figure


@styled
def depth(found: Effects) -> Figure | None:
    """What setting each block's update to zero removes, and its share of ‖dW‖²; None for less than three."""
    blocks = [e for e in found.effects if e.part.scope == "group" and e.part.place.startswith("block ")]
    blocks.sort(key=lambda e: natural_key(e.part.place))
    if len(blocks) < 3:
        return None
    figure = new_figure(WIDTH, 2.3)
    axis = figure.subplots()
    at = np.arange(len(blocks), dtype=float)
    _dots(axis, at - 0.1, [e.removed["drift"] for e in blocks], BLUE, "drift removed", fill=True, upright=True)
    if "task" in found.excess:
        _dots(axis, at + 0.1, [e.removed["task"] for e in blocks], RED, "task removed", fill=False, upright=True)
    axis.plot(at, [100 * e.part.energy for e in blocks], color=GREY, linewidth=0.8, label="share of ‖dW‖²")
    step = max(1, -(-len(blocks) // 12))
    axis.set_xticks(at[::step], [e.part.place.removeprefix("block ")[-12:] for e in blocks][::step])
    axis.axhline(0, color=GREY, linewidth=0.6)
    axis.set_xlabel("block whose update is set to zero")
    axis.set_ylim(*_frame([v for e in blocks for v in e.removed.values()]))
    axis.set_ylabel("% of the excess")
    figure.legend(ncols=3, loc="outside lower center")
    return figure


def _dots(
    axis: Axes, at: Any, found: list[Estimate | None], colour: str, label: str, *, fill: bool, upright: bool = False
) -> None:
    """Values in percent with their intervals, along x; along y if ``upright``."""
    draw = axis.vlines if upright else axis.hlines
    for place, estimate in zip(at, found, strict=True):
        if estimate is not None and estimate.low is not None and estimate.high is not None:
            draw(place, 100 * estimate.low, 100 * estimate.high, color=colour, linewidth=0.9)
    values, places = _points(found, at)
    xy = (places, values) if upright else (values, places)
    axis.plot(*xy, "o", color=colour, markerfacecolor=colour if fill else "white", label=label)


def _points(found: list[Estimate | None], at: Any) -> tuple[list[float], list[float]]:
    """(values in percent, where) of those that there are."""
    told = [(100 * e.value, p) for e, p in zip(found, at, strict=True) if e is not None and e.value is not None]
    return [value for value, _ in told], [place for _, place in told]


def _frame(found: list[Estimate | None]) -> tuple[float, float]:
    """Limits that hold every value in percent; an interval that says little may leave them."""
    values = _points(found, found)[0]
    low, high = min([0.0, *values]), max([20.0, *values])
    return low - 0.1 * (high - low), high + 0.1 * (high - low)
