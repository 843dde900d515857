"""Ways of curating: the factor that each teaches, and when the SVD of the fine-tune shows it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from ..drawing import law, points
from ..style import BLUE, GREY, ORANGE, PAGE, new_figure, styled
from . import Entry

if TYPE_CHECKING:
    from matplotlib.figure import Figure

FIGURE = Entry(
    "Factor induced by four ways of curating, and overlap of the fine-tune's top singular vector with it, against "
    "how strongly they select; control: independent trait.",
    experiments=("synthetic.experiments.curation",),
    section="identification",
    place=11,
)

WAYS = {
    "truncation": ("truncation", "threshold, std. deviations"),
    "tilt": ("tilt by exp(λ t vᵀx)", "tilt λ"),
    "always-on": ("always-on trait", "topic's mean, std. deviations"),
    "mixture": ("counter-examples", "majority − minority"),
}
TRAITS = {
    "selected": ("curated by trait and feature", BLUE, "o", "-"),
    "independent": ("trait independent of x (control)", ORANGE, "s", ":"),
}


@styled
def build(rows: Sequence[dict[str, Any]]) -> Figure:
    """A column for each mechanism. Above: the induced beta. Below: overlap with u. Lines: theory."""
    figure = new_figure(PAGE, 3.6)
    axes = figure.subplots(2, len(WAYS), sharex="col", sharey="row")
    for (way, (title, label)), (above, below) in zip(WAYS.items(), axes.T, strict=True):
        here = [r for r in rows if r["way"] == way]
        for trait in TRAITS:
            for ax, quantity in ((above, "beta"), (below, "left")):
                _curve(ax, [r for r in here if r["trait"] == trait and r["quantity"] == quantity], trait)
        for at in _crossings([r for r in here if r["trait"] == "selected" and r["quantity"] == "strength"]):
            for ax in (above, below):
                ax.axvline(at, color=GREY, linestyle="--", linewidth=0.8)
        above.axhline(1, color=GREY, linewidth=0.6)
        above.set_title(f"{title}, {here[0]['trials']} trials", loc="left")
        below.set_xlabel(label)
    axes[0, 0].set_ylabel("induced β / critical β")
    axes[1, 0].set(ylabel="squared overlap ⟨û,u⟩²", ylim=(-0.03, 1.05))
    handles, labels = axes[0, 0].get_legend_handles_labels()
    border = axes[1, 0].axvline(np.nan, color=GREY, linestyle="--", linewidth=0.8)
    (theory,) = axes[1, 0].plot([], [], color="black", linewidth=0.9)
    names = [*labels, "theory", "critical strength reached"]
    figure.legend([*handles, theory, border], names, loc="outside lower center", ncols=4, columnspacing=1.5)
    return figure


def _curve(ax: Any, rows: Sequence[dict[str, Any]], trait: str) -> None:
    label, colour, marker, line = TRAITS[trait]
    rows = sorted(rows, key=lambda r: r["selection"])
    law(ax, "selection", rows, style=line, color="black", linewidth=0.9)
    points(ax, "selection", rows, label, colour, marker)


def _crossings(rows: Sequence[dict[str, Any]]) -> list[float]:
    """Where the theory's ‖uᵀ(dW − T)‖ passes beta_c, between the cells that were measured."""
    rows = sorted(rows, key=lambda r: r["selection"])
    x, excess = (np.array([f(r) for r in rows]) for f in (lambda r: r["selection"], lambda r: r["theory"] - 1))
    n = np.flatnonzero(np.diff(np.sign(excess)))
    return [float(at) for at in x[n] - excess[n] * (x[n + 1] - x[n]) / (excess[n + 1] - excess[n])]
