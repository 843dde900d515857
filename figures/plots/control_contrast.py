"""What is left of the task, of the angle and of the noise where a second fine-tune is subtracted."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from ..drawing import law, legend, plain_ticks, points, select
from ..style import BLUE, GREEN, GREY, ORANGE, PAGE, new_figure, styled
from . import Entry

if TYPE_CHECKING:
    from matplotlib.figure import Figure

FIGURE = Entry(
    "Subtracting a control half as long leaves a quarter of the shared task at most, so that a factor weaker than the "
    "task is found; other inputs, or the factor in the control, undo that, and shared samples leave less noise.",
    experiments=("synthetic.experiments.control_contrast",),
    section="identification",
    place=23,
)

WORST, DRAWN, BROKEN = (BLUE, "o"), (GREEN, "s"), (ORANGE, "D")


@styled
def build(rows: Sequence[dict[str, Any]]) -> Figure:
    """Left: over the control's length. Middle: û over the task's size. Right: over the samples of each run."""
    figure = new_figure(PAGE, 2.9)
    axes = figure.subplots(1, 3)
    _length(axes[0], rows)
    _strength(axes[1], rows)
    _samples(axes[2], rows)
    axes[0].plot([], [], color="black", label="control-contrast")
    title = f"points: mean and 10 to 90% of {rows[0]['trials']} trials, 12 x 10"
    legend(figure, axes, ncols=4, title=title, title_fontsize=7)
    return figure


def _length(ax: Any, rows: Sequence[dict[str, Any]]) -> None:
    worst = select(rows, "kappa", panel="length", case="worst")
    points(ax, "kappa", worst, "the worst inputs or task", *WORST)
    law(ax, "kappa", worst, color="black")
    points(ax, "kappa", select(rows, "kappa", panel="length", control="shared task", case="drawn"), "drawn", *DRAWN)
    points(ax, "kappa", select(rows, "kappa", panel="length", control="other inputs"), None, *BROKEN)
    ax.set(xlabel="length of the control over the run's", ylabel="left of the task, in norm", title="length")


def _strength(ax: Any, rows: Sequence[dict[str, Any]]) -> None:
    for control, line in (("none", "--"), ("shared task", "-")):
        worst = select(rows, "task", panel="strength", control=control, case="worst")
        points(ax, "task", worst, None, *WORST)
        law(ax, "task", worst, style=line, color="black")
        drawn = select(rows, "task", panel="strength", control=control, case="drawn")
        grey = control == "none"
        label = "no control" if grey else None
        points(ax, "task", drawn, label, GREY if grey else GREEN, "v" if grey else "s")
    broken = select(rows, "task", panel="strength", control="with the factor")
    points(ax, "task", broken, "outside: other inputs, factor in it, samples shared", *BROKEN)
    ax.set(xlabel="‖T‖/beta", ylabel="sin ∠(û, u)", title="half as long", ylim=(-0.03, 1.04))


def _samples(ax: Any, rows: Sequence[dict[str, Any]]) -> None:
    apart = select(rows, "n", panel="samples", control="shared task")
    points(ax, "n", apart, None, *DRAWN)
    law(ax, "n", apart, color="black")
    points(ax, "n", select(rows, "n", panel="samples", control="half of the samples shared"), None, *BROKEN)
    ax.set(xscale="log", yscale="log", xlabel="samples of each run", ylabel="‖Delta‖_F²/(s² m)", title="samples")
    plain_ticks(ax.xaxis, at=(1, 2, 5))
    plain_ticks(ax.yaxis, at=(1, 3))
