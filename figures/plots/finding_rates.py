"""How often each finding fires on real fine-tunes that have only begun, and the verdict."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from ..drawing import COLOURS, MARKERS
from ..rates import NOT_YET, alarms, rate
from ..style import GREY, PAGE, new_figure, styled
from . import Entry

if TYPE_CHECKING:
    from matplotlib.figure import Figure

FIGURE = Entry(
    "Findings and verdict on real fine-tunes of small models after a few steps.",
    organisms=("real_models.experiments.finding_rates",),
    section="identification",
    place=2,
)


@styled
def build(rows: Sequence[Mapping[str, Any]]) -> Figure:
    """Rate over steps with 95% intervals: left of what says that nothing is to be told yet, right of all the rest."""
    steps = sorted({r["points"] for r in rows})
    at = {s: [r for r in rows if r["points"] == s] for s in steps}
    figure = new_figure(PAGE, 3.2)
    early, later = figure.subplots(1, 2, sharey=True)
    for ax, names, first in ((early, NOT_YET, 0), (later, alarms(rows), len(NOT_YET))):
        for n, name in enumerate(names):
            found = [rate(at[s], name) for s in steps]
            ends = np.array([f.interval for f in found]).T
            value = np.array([f.value for f in found])
            x = np.arange(len(steps)) + 0.06 * (n - (len(names) - 1) / 2)
            look: dict[str, Any] = {
                "color": COLOURS[(first + n) % len(COLOURS)],
                "marker": MARKERS[(first + n) % len(MARKERS)],
            }
            error = np.abs(ends - value)
            ax.errorbar(x, value, yerr=error, capsize=2, linewidth=1, markersize=4, label=name, **look)
        ax.set_xticks(range(len(steps)), [f"{s}\nn = {rate(at[s], 'verdict').trials}" for s in steps])
        ax.set_xlabel("training steps")
        ax.legend(loc="upper center", bbox_to_anchor=(0.5, -0.3), ncols=2)
        ax.axhline(0.05, color=GREY, linestyle=":")
    early.set_ylabel("share of the runs")
    early.set_title("nothing to be told yet", loc="left")
    later.set_title("findings and the verdict (dotted: 5%)", loc="left")
    return figure
