"""The measured winner over two pairs of knobs under the theory's borders, and every method's risk along a line."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from ..drawing import law, look, points
from ..style import PAGE, new_figure, styled
from . import Entry

if TYPE_CHECKING:
    from matplotlib.figure import Figure

FIGURE = Entry(
    "Measured winner under the theory's borders; naive fine-tuning wins where the task outweighs the factor; read "
    "GRASP wins only under a shift.",
    experiments=("synthetic.experiments.who_wins",),
    section="removal",
    place=10,
)

Rows = Sequence[dict[str, Any]]
MAPS = {
    "content": ("response", "rho", "pretrained response / strength", "correlation of the inputs"),
    "shift": ("task", "rho_t", "scale of the task", "correlation at deployment"),
}
LINE = 0.7  # correlation at deployment of the third panel


@styled
def build(rows: Rows) -> Figure:
    """Left: pretrained content against correlation. Middle: task against shift. Right: risks along a line of it."""
    from matplotlib.lines import Line2D

    from synthetic.experiments.who_wins import METHODS

    figure = new_figure(PAGE, 3.1)
    axes = figure.subplots(1, 3)
    for ax, panel in zip(axes, MAPS, strict=False):
        _map(ax, [r for r in rows if r["panel"] == panel], panel, METHODS)
    shift = [r for r in rows if r["panel"] == "shift"]
    axes[0].set_title(f"Winner of {shift[0]['trials']} trials, no shift", loc="left")
    axes[1].set_title(f"Winner, correlation was {shift[0]['rho']:g}", loc="left")
    _risks(axes[2], shift, METHODS)
    looks = [(name, *look(name)) for name in METHODS]
    handles = [Line2D([], [], color=c, marker=m, markersize=4, linewidth=0.8, label=n) for n, c, m in looks]
    figure.legend(handles=handles, loc="outside lower center", ncols=5, columnspacing=1.2, handlelength=1.6)
    return figure


def _map(ax: Any, rows: Rows, panel: str, methods: Sequence[str]) -> None:
    """``methods``: in the order in which ties are settled."""
    from matplotlib.colors import BoundaryNorm, ListedColormap

    across, up, x_label, y_label = MAPS[panel]
    x, y = (np.unique([r[key] for r in rows]) for key in (across, up))

    def grid(quantity: str, key: str) -> np.ndarray:
        z = np.full((len(y), len(x)), np.nan)
        for r in rows:
            if r["quantity"] == quantity:
                z[np.searchsorted(y, r[up]), np.searchsorted(x, r[across])] = r[key]
        return z

    measured, known = (np.array([grid(name, key) for name in methods]) for key in ("mean", "theory"))
    best = np.argmin(measured, axis=0)
    best = np.where(_same(measured, methods), methods.index("post-hoc write"), best)
    colours = ListedColormap([look(name)[0] for name in methods])
    norm = BoundaryNorm(np.arange(len(methods) + 1) - 0.5, len(methods))
    ax.pcolormesh(x, y, best, cmap=colours, norm=norm, alpha=0.5, linewidth=0, rasterized=True)
    open_to_doubt = grid("winner", "low") != grid("winner", "high")
    ax.contourf(x, y, open_to_doubt, levels=[0.5, 1.5], colors="none", hatches=["////"])
    _borders(ax, (x, y), np.delete(known, methods.index("write GRASP"), axis=0))
    for n in np.unique(best):
        row, column = _middle(best == n)
        box = {"facecolor": "white", "alpha": 0.6, "linewidth": 0, "pad": 1}
        ax.text(x[column], y[row], methods[n], ha="center", va="center", fontsize=7, bbox=box)
    ax.set(xlabel=x_label, ylabel=y_label)


def _borders(ax: Any, axes: tuple[np.ndarray, np.ndarray], law: np.ndarray) -> None:
    """Where the least of the theory's risks changes, by splines through the logarithms of each: they are smooth."""
    from scipy.interpolate import RectBivariateSpline

    x, y = (np.linspace(a[0], a[-1], 400) for a in axes)
    best = np.argmin([RectBivariateSpline(axes[1], axes[0], np.log(risk))(y, x) for risk in law], axis=0)
    for n in np.unique(best):
        ax.contour(x, y, best == n, levels=[0.5], colors="black", linewidths=0.9)


def _middle(region: np.ndarray) -> tuple[int, int]:
    """The cell deepest inside, a width counting as two heights: words are wide."""
    from scipy.ndimage import distance_transform_edt

    depth = np.asarray(distance_transform_edt(np.pad(region, 1), sampling=(2, 1)))[1:-1, 1:-1]
    row, column = np.unravel_index(np.argmax(depth), depth.shape)
    return int(row), int(column)


def _same(measured: np.ndarray, methods: Sequence[str]) -> np.ndarray:
    """Where the write side wins: its two methods are one and the same for H = I."""
    least = measured.min(axis=0)
    return np.isclose(measured[methods.index("post-hoc write")], least, rtol=1e-9, atol=0)


def _risks(ax: Any, rows: Rows, methods: Sequence[str]) -> None:
    values = np.unique([r["rho_t"] for r in rows])
    at = values[np.argmin(np.abs(values - LINE))]
    line = [r for r in rows if r["rho_t"] == at]
    for name in methods:
        colour, marker = look(name)
        found = sorted((r for r in line if r["quantity"] == name), key=lambda r: r["task"])
        law(ax, "task", found, color=colour, linewidth=0.8)
        points(ax, "task", found, None, colour, marker, markersize=3)
    ax.set(xlabel="scale of the task", ylabel="excess risk", yscale="log")
    ax.set_yticks([0.1, 0.3, 1, 3, 10], ["0.1", "0.3", "1", "3", "10"])
    ax.yaxis.set_minor_formatter("")
    ax.set_title(f"Risks at correlation {at:.2g}", loc="left")
