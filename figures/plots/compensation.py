"""Drift against the strength of compensation, and its log-odds beside what a saturating loss predicts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from real_models.adapters.text import many

from ..drawing import look
from ..style import GREY, PAGE, new_figure, styled
from . import Entry

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from real_models.experiments.compensation import Point

FIGURE = Entry(
    "Drift against the strength of compensation; below, its log-odds at a fixed step and log(1 + t e^(−a)), t from "
    "the naive run and a measured before training.",
    organisms=("real_models.experiments.compensation",),
    section="removal",
    place=16,
)

Rows = Sequence[Mapping[str, Any]]
METHODS = {
    "compensated, activations": ("identified direction", *look("compensated")),
    "compensated, supervised": ("supervised direction", *look("compensated, supervised")),
    "compensated, random": ("random direction (control)", GREY, "x"),
}


@styled
def build(rows: Rows) -> Figure:
    """A column for each variant. Above: drift over strength. Below: excess log-odds; lines without markers: the law."""
    from real_models.experiments.compensation import points

    found = points(rows)
    variants = list(dict.fromkeys(p.variant for p in found))
    figure = new_figure(PAGE, 4.9)
    axes = figure.subplots(2, len(variants), squeeze=False, sharey="row", sharex=True)
    for (above, below), variant in zip(axes.T, variants, strict=True):
        of = [p for p in found if p.variant == variant]
        seeds = len({p.organism for p in of})
        above.set_title(f"{variant}, {many(seeds, 'organism')}", loc="left")
        for method, (label, colour, marker) in METHODS.items():
            line = [p for p in of if p.method in (method, "naive")]
            _curve(above, [p for p in line if p.drift is not None], "drift", colour, f"{marker}-", label)
            _curve(above, line, "drift_then", colour, f"{marker}:", None)
            _curve(below, line, "excess", colour, f"{marker}-", None)
            _curve(below, line, "predicted", colour, "--", None)
            if method == "compensated, activations":
                _curve(below, line, "squared", "black", ":", None)
            above.plot(*_unreached(line), "o", color=colour, markerfacecolor="none", markersize=8)
        base = [r["mean"] for r in rows if r["variant"] == variant and r["quantity"] == "drift" and r["points"] == 0]
        above.axhline(np.mean(base), color=GREY, linewidth=0.8)
        below.axhline(0, color=GREY, linewidth=0.8)
        below.set_title("at the naive run's step", loc="left")
        below.set_xlabel("strength of the frozen term")
    axes[0, 0].set(ylabel="drift", ylim=(0, 1.03))
    axes[1, 0].set_ylabel("excess log-odds of the trait")
    _legend(figure)
    return figure


def _curve(ax: Any, line: Sequence[Point], what: str, colour: str, style: str, label: str | None) -> None:
    """Mean over organisms, with their range."""
    strengths = sorted({p.strength for p in line})
    values = [[getattr(p, what) for p in line if p.strength == s] for s in strengths]
    look = {"color": colour, "linewidth": 1, "markersize": 3, "label": label}
    ax.plot(strengths, [np.mean(v) for v in values], style, **look)
    if not style.endswith((":", "--")):
        low, high = ([f(v) for v in values] for f in (min, max))
        ax.fill_between(strengths, low, high, color=colour, alpha=0.12, linewidth=0)


def _unreached(line: Sequence[Point]) -> tuple[list[float], list[float]]:
    """Where a run does not reach the task score within its steps: its strength, and its drift at the fixed step."""
    missing = [p for p in line if p.drift is None]
    return [p.strength for p in missing], [p.drift_then for p in missing]


def _legend(figure: Figure) -> None:
    from matplotlib.lines import Line2D

    handles = [Line2D([], [], color=c, marker=m, label=label) for label, c, m in METHODS.values()]
    handles += [
        Line2D([], [], color="black", label="drift at matched task score"),
        Line2D([], [], color="black", linestyle=":", label="drift at the naive run's step (above)"),
        Line2D([], [], color="black", linestyle="--", label="law: log(1 + t e^(−a))"),
        Line2D([], [], color="black", linestyle=":", linewidth=1, label="squared loss: b(0) − a (below)"),
        Line2D([], [], color=GREY, linewidth=0.8, label="base model"),
        Line2D([], [], color="black", marker="o", markersize=8, markerfacecolor="none", linestyle="none",
               label="task score not reached"),
    ]  # fmt: skip
    figure.legend(handles=handles, loc="outside upper center", ncols=3, columnspacing=1.2)
