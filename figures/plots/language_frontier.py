"""What removal costs: drift above the base at equal task score over the arithmetic it takes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from itertools import accumulate
from typing import TYPE_CHECKING, Any

from real_models.adapters.text import many

from ..drawing import look, plain_ticks
from ..style import GREY, PAGE, new_figure, styled
from . import Entry

if TYPE_CHECKING:
    from matplotlib.figure import Figure

FIGURE = Entry(
    "SmolLM2-135M fine-tuned on answers in capital letters: the drift that each method leaves at equal task score, "
    "over the arithmetic it takes in training, a naive run that comes first included.",
    section="language",
    place=13,
)

MOST = 12  # methods whose names have room beside each other


@styled
def build(rows: Iterable[Mapping[str, Any]]) -> Figure:
    """A panel for each variant: mean and 95% t interval of each method (hollow: controls), and the line that no method
    but a control lies below. Rows are the results of a comparison (comparison.json); ``shown`` says which of them."""
    known = shown(rows)
    variants = list(dict.fromkeys(r["variant"] for r in known))
    figure = new_figure(PAGE, 2.8 * len(variants))
    for ax, variant in zip(figure.subplots(len(variants), squeeze=False)[:, 0], variants, strict=True):
        of = sorted((r for r in known if r["variant"] == variant), key=lambda r: r["cost"])
        for row in of:
            colour, marker = look(row["method"])
            face = "white" if row["control"] else colour
            if row["low"] is not None:
                ax.plot([row["cost"]] * 2, [row["low"], row["high"]], color=colour, linewidth=0.8)
            place = (row["cost"], row["excess"])
            ax.plot(*place, marker, color=colour, markerfacecolor=face, label=row["method"], linestyle="none")
            beside = {"xytext": (5, -4), "va": "top"} if not row["control"] else {"xytext": (5, 4), "va": "bottom"}
            box = {"facecolor": "white", "edgecolor": "none", "pad": 0.5}
            ax.annotate(row["method"], place, textcoords="offset points", fontsize=7, bbox=box, **beside)
        ax.plot(*frontier(of), color=GREY, linewidth=0.8, drawstyle="steps-post", zorder=0)
        ax.axhline(0, color=GREY, linestyle="--", linewidth=0.8)
        ax.set_xscale("log")
        plain_ticks(ax.xaxis, at=(1, 2, 5))
        ax.set(xlabel="arithmetic until the task is reached (naive run: 1)", ylabel="drift above the base model")
        ax.set_title(f"{variant}, {many(max(r['seeds'] for r in of), 'seed')}", loc="left")
        ax.set_xlim(right=1.3 * max(r["cost"] for r in of))
    return figure


def shown(rows: Iterable[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """The results of methods at their presets that reach the task in every seed and whose arithmetic was counted; none
    where a variant has more than ``MOST`` of them."""
    found = [
        r
        for r in rows
        if r["preset"] and r["reached"] == r["seeds"] and r["cost"] is not None and r["excess"] is not None
    ]
    return found if max(Counter(r["variant"] for r in found).values(), default=0) <= MOST else []


def frontier(rows: Iterable[Mapping[str, Any]]) -> tuple[list[float], list[float]]:
    """Costs in their order, and the least drift of what costs as much or less; controls do not count."""
    found = sorted((r["cost"], r["excess"]) for r in rows if not r["control"])
    return [cost for cost, _ in found], list(accumulate((excess for _, excess in found), min))
