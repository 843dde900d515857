"""What removing some, all or more of the top component costs in the worst case."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from ..drawing import law, legend, points
from ..style import BLUE, GREEN, GREY, ORANGE, PAGE, new_figure, styled
from . import Entry

if TYPE_CHECKING:
    from matplotlib.figure import Figure

FIGURE = Entry(
    "Of a component whose factor has a known strength the best amount to remove is beta κ, not all of it; with the "
    "strength unknown deletion is minimax to fourth order; a second value that is raised costs less.",
    experiments=("synthetic.experiments.minimax_removal",),
    section="removal",
    place=21,
)

LOOKS = ((BLUE, "o"), (GREEN, "s"), (ORANGE, "D"))
PANELS = (
    ("beta known", "beta", "beta"),
    ("beta unknown", "tau", "tau"),
    ("second value seen", "second", "removed of s₂"),
)


@styled
def build(rows: Sequence[dict[str, Any]]) -> Figure:
    """Worst error over the amount removed: lines are the law, points a search over the explanations of what is seen."""
    figure = new_figure(PAGE, 2.8)
    axes = figure.subplots(1, 3)
    for ax, (panel, field, word) in zip(axes, PANELS, strict=True):
        found, named = [r for r in rows if r["panel"] == panel], {}
        for value, (colour, marker) in zip(sorted({r[field] for r in found}), LOOKS, strict=False):
            line = sorted((r for r in found if r[field] == value), key=lambda r: r["amount"])
            points(ax, "amount", line, None, colour, marker)
            law(ax, "amount", line, color=colour)
            least = min(line, key=lambda r: r["mean"])
            ax.plot(least["amount"], least["mean"], "*", color=colour, markersize=9)
            named[f"{word} {value:g}"] = ax.plot([], [], marker, color=colour)[0]
        low, high = ax.get_ylim()
        ax.set_ylim(low, high + 0.5 * (high - low))  # room for the names
        ax.legend(list(named.values()), list(named), loc="upper center")
        ax.axvline(found[0]["s"], color=GREY, linestyle="--", linewidth=0.8)
        ax.set_xlabel("amount removed")
        ax.set_title(panel, loc="left")
    axes[0].set_ylabel("worst ‖N − beta u vᵀ‖_F²")
    axes[0].plot([], [], color="black", label="minimax-removal")
    axes[0].plot([], [], "o", color="black", label="search over explanations")
    axes[0].plot([], [], "*", color="black", markersize=9, label="least")
    axes[0].plot([], [], "--", color=GREY, linewidth=0.8, label="deletion, n = s")
    legend(figure, axes, ncols=4)
    return figure
