"""A pretrained language model: drift of every method where its task is reached, and along training."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from real_models.adapters.text import many

from ..drawing import look, rank_rows
from ..style import GREY, PAGE, new_figure, styled
from . import Entry

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from real_models.comparison.table import Result

FIGURE = Entry(
    "SmolLM2-135M fine-tuned on answers in capital letters: how far capitals spread to other topics under every "
    "method, where it first reaches the task score.",
    section="language",
    place=12,
)

CURVES = ("naive", "scale", "edit, both sides", "hold", "hold, random", "control data", "neutral data")


@styled
def build(rows: Sequence[dict[str, Any]]) -> Figure:
    """Left: drift at the matched task score: mean, every seed, their 95% t interval. Right: drift over
    task along training, means over seeds."""
    from real_models.comparison.matching import matched
    from real_models.comparison.table import base_drift, summarise

    (variant,) = dict.fromkeys(r["variant"] for r in rows)
    found = sorted(summarise(rows), key=lambda result: (result.method != "naive", result.control, result.drift))
    base = float(np.mean(list(base_drift(rows).values())))
    figure = new_figure(PAGE, 3.6)
    left, right = figure.subplots(1, 2, width_ratios=[1.25, 1])
    runs = matched(rows)
    drifts = {x.method: [m.scores["drift"] for m in runs if m.method == x.method] for x in found}
    _dots(left, found, drifts, base)
    seeds = max(result.seeds for result in found)
    left.set_title(f"{variant}, {many(seeds, 'seed')}", loc="left")
    for method in CURVES:
        of = [r for r in rows if r["method"] == method]
        if of:
            _curve(right, of, method, *look(method))
    right.axhline(base, color=GREY, linestyle="--", linewidth=0.8, label="base model")
    right.set(xlabel="task score", ylabel="drift, log-odds per token")
    right.set_title("along training", loc="left")
    figure.legend(*right.get_legend_handles_labels(), loc="outside lower center", ncols=4)
    return figure


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
