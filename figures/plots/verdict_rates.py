"""How often the verdict fires against the planted strength, with the strength the power line predicts."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from ..style import BLUE, GREEN, GREY, ORANGE, PAGE, RED, new_figure, styled
from . import Entry

if TYPE_CHECKING:
    from collections.abc import Sequence

    from matplotlib.figure import Figure

FIGURE = Entry(
    "Hits and false alarms of the verdict of identify.",
    section="identification",
    place=1,
)


@styled
def build(rows: Sequence[dict[str, Any]]) -> Figure:
    """Left: hits over strength in units of the predicted weakest one. Right: false alarms on benign adapters."""
    figure = new_figure(PAGE, 3.1)
    hits, alarms = figure.subplots(1, 2, width_ratios=[1.1, 1])
    planted = [r for r in rows if r["relative"] > 0]
    for name, colour, marker in zip(
        dict.fromkeys(r["setting"] for r in planted), (BLUE, ORANGE, GREEN, RED), "os^D", strict=True
    ):
        cell = [r for r in planted if r["setting"] == name]
        x = [r["relative"] for r in cell]
        hits.fill_between(x, [r["low"] for r in cell], [r["high"] for r in cell], color=colour, alpha=0.2, linewidth=0)
        hits.plot(x, [r["rate"] for r in cell], marker=marker, color=colour, label=name)
    hits.axvline(1, color=GREY, linestyle="--")
    hits.annotate("predicted weakest", (1, 0.5), (1.14, 0.5), color=GREY)
    hits.set(xlabel="planted strength / weakest that could be seen", ylabel="verdict fires")
    hits.set_title(f"hits, {planted[0]['trials']} adapters a point, 95% intervals", loc="left")
    hits.legend(loc="upper center", bbox_to_anchor=(0.45, -0.2), ncols=1)
    benign = [r for r in rows if r["relative"] == 0]
    y = np.arange(len(benign))[::-1]
    rate = np.array([r["rate"] for r in benign])
    error = np.abs(np.array([[r["low"], r["high"]] for r in benign]).T - rate)
    alarms.errorbar(rate, y, xerr=error, fmt="o", color=BLUE, capsize=2)
    alarms.set_yticks(y, [r["setting"] for r in benign])
    alarms.set(xlim=(-0.03, 1.03), xlabel="verdict fires")
    alarms.set_title(f"nothing planted, {benign[0]['trials']} each", loc="left")
    return figure
