"""How far null-space training of a tiny transformer moves its old outputs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from ..drawing import legend, plain_ticks, points
from ..style import BLUE, ORANGE, PAGE, RED, new_figure, styled
from . import Entry

if TYPE_CHECKING:
    from matplotlib.figure import Figure

FIGURE = Entry(
    "Null-space training of a transformer with softmax: old outputs move less the more directions are kept; most of it "
    "is lost where the covariance stands for the second moment; the bound holds and is loose.",
    experiments=("synthetic.experiments.null_space_depth",),
    section="removal",
    place=22,
)

SPACES = {
    "second moment": ("off the leading directions of the second moment", BLUE, "o"),
    "covariance": ("off those of the covariance", ORANGE, "D"),
    "none": ("anywhere, of the same norm", RED, "x"),
}


@styled
def build(rows: Sequence[dict[str, Any]]) -> Figure:
    """Left: drift and its bound over the directions kept, at depth 2. Right: over depth, at eight directions."""
    figure = new_figure(PAGE, 2.8)
    axes = figure.subplots(1, 2, sharey=True)
    cells = {(r["depth"], r["k"]) for r in rows}
    depth = max({d for d, _ in cells}, key=lambda d: sum(x == d for x, _ in cells))
    kept = max({k for _, k in cells}, key=lambda k: sum(x == k for _, x in cells))
    for ax, along, field, at in ((axes[0], "k", "depth", depth), (axes[1], "depth", "k", kept)):
        for space, (label, colour, marker) in SPACES.items():
            line = [r for r in rows if r["space"] == space and r[field] == at]
            line.sort(key=lambda r: r[along])
            points(ax, along, [r for r in line if r["quantity"] == "drift"], label, colour, marker)
            bound = [r for r in line if r["quantity"] == "bound"]
            if bound:
                x, y = [r[along] for r in bound], [r["mean"] for r in bound]
                ax.plot(x, y, color="black", label="bound of null-space-depth")
        ax.set_yscale("log")
        plain_ticks(ax.yaxis, at=(1,))
    axes[0].set_xticks(range(0, 16, 3))
    axes[0].set_xlabel("directions kept at each site")
    axes[0].set_title(f"{depth} blocks", loc="left")
    axes[1].set_xlabel("blocks")
    axes[1].set_xticks(sorted({r["depth"] for r in rows}))
    axes[1].set_title(f"{kept} directions of 16", loc="left")
    axes[0].set_ylabel("drift of old outputs / their size")
    title = f"points: mean and 10 to 90% of {rows[0]['trials']} trials"
    legend(figure, axes, ncols=2, title=title, title_fontsize=7)
    return figure
