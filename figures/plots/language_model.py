"""A pretrained language model: drift of every method where its task is reached, and along training."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from real_models.adapters.text import many

from ..drawing import legend, look, rank_rows
from ..style import GREY, PAGE, new_figure, styled
from . import Entry

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from real_models.comparison.table import Result

FIGURE = Entry(
    "SmolLM2-135M fine-tuned on answers in capital letters, and on a textbook retold as a boastful politician would: "
    "how far the style spreads to other topics under every method, where it first reaches the task score.",
    section="language",
    place=12,
)

CURVES = ("naive", "scale", "edit, both sides", "hold", "hold, random", "control data", "neutral data")


@styled
def build(rows: Sequence[dict[str, Any]]) -> Figure:
    """A row for each experiment. Left: drift at the matched task score: mean, every seed, their 95% t interval. Right:
    drift over task along training, means over seeds."""
    of = {name: [r for r in rows if r["variant"] == name] for name in dict.fromkeys(r["variant"] for r in rows)}
    listed = [len({r["method"] for r in found}) for found in of.values()]
    heights = [1.6 + 0.14 * count for count in listed]
    figure = new_figure(PAGE, sum(heights))
    axes = figure.subplots(len(of), 2, squeeze=False, width_ratios=[1.25, 1], height_ratios=heights)
    for (left, right), (name, found) in zip(axes, of.items(), strict=True):
        _experiment(left, right, name, found)
    legend(figure, axes[:, 1], ncols=4)
    return figure


def _experiment(left: Any, right: Any, name: str, rows: Sequence[dict[str, Any]]) -> None:
    from real_models.comparison.matching import matched
    from real_models.comparison.table import base_drift, summarise

    found = sorted(summarise(rows), key=lambda result: (result.method != "naive", result.control, result.drift))
    base, runs = float(np.mean(list(base_drift(rows).values()))), matched(rows)
    _dots(left, found, {x.method: [m.scores["drift"] for m in runs if m.method == x.method] for x in found}, base)
    left.set_title(f"{name}, {many(max(result.seeds for result in found), 'seed')}", loc="left")
    for method in CURVES:
        of = [r for r in rows if r["method"] == method]
        if of:
            _curve(right, of, method, *look(method))
    right.axhline(base, color=GREY, linestyle="--", linewidth=0.8, label="base model")
    right.set(xlabel="task score", ylabel="drift, log-odds per token")
    right.set_title("along training", loc="left")


def _dots(ax: Any, found: Sequence[Result], seeds: Mapping[str, Sequence[float]], base: float) -> None:
    names = {x.method: x.method if x.whole else f"{x.method} (task in {x.reached}/{x.seeds})" for x in found}
    rows = rank_rows(ax, found, list(names))
    ax.set_yticklabels([names.get(label.get_text(), label.get_text()) for label in ax.get_yticklabels()])
    for result in found:
        place, (colour, marker) = rows[result.method], look(result.method)
        ax.plot(seeds[result.method], [place] * result.seeds, "|", color=colour, markersize=5)
        if result.seeds > 2 and result.low is not None and result.high is not None:
            ax.plot([result.low + base, result.high + base], [place, place], color=colour)
        ax.plot([result.drift], [place], marker, color=colour, markerfacecolor=colour if result.whole else "white")
    ax.axvline(base, color=GREY, linestyle="--", linewidth=0.8)
    ax.set_xlabel("drift at the same task score, log-odds per token")


def _curve(ax: Any, rows: Sequence[dict[str, Any]], label: str, colour: str, marker: str) -> None:
    points = sorted({r["points"] for r in rows})
    task, drift = (
        [float(np.mean([r["mean"] for r in rows if r["points"] == p and r["quantity"] == name])) for p in points]
        for name in ("task", "drift")
    )
    ax.plot(task, drift, color=colour, marker=marker, label=label, markersize=3, linewidth=1)
