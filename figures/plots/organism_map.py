"""Which method leaves the least drift at matched task score, over how organisms are curated and how much is taught."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from ..drawing import look
from ..style import PAGE, new_figure, styled
from . import Entry

if TYPE_CHECKING:
    from matplotlib.figure import Figure

FIGURE = Entry(
    "Least excess drift at matched task score over two knobs of the organism. The linear map is not drawn: by drift "
    "at equal task all its write-side methods stand at 0.",
    organisms=("real_models.experiments.organism_map",),
    section="comparison",
    place=18,
)

Rows = Sequence[Mapping[str, Any]]
METHODS = {
    "naive": "naive",
    "edit": "edit",
    "grasp, activations": "grasp",
    "compensated, activations": "compensated",
    "null-space": "null-space",
}


@styled
def build(rows: Rows) -> Figure:
    """First panel: the winner, its mean excess drift over organisms, and the second. The others: each method's."""
    from matplotlib.colors import ListedColormap, Normalize

    knobs = [sorted({r[key] for r in rows}) for key in ("curation", "withheld")]
    tables = [_table(rows, method, knobs) for method in METHODS]
    figure = new_figure(PAGE, 4.4)
    axes = figure.subplots(2, 3, sharex=True, sharey=True)
    order = np.argsort([np.where(np.isnan(t), np.inf, t) for t in tables], axis=0, kind="stable")
    seeds = len({r["organism"] for r in rows})
    first = axes[0, 0]
    first.imshow(
        order[0], cmap=ListedColormap([look(n)[0] for n in METHODS]), vmin=0, vmax=len(METHODS) - 1, alpha=0.45
    )
    _write_winners(first, np.array(tables), order)
    first.set_title(f"winner and second, n = {seeds}", loc="left")
    image: Any = None
    for ax, table, name in zip(axes.flat[1:], tables, METHODS.values(), strict=True):
        image = ax.imshow(table, cmap="cividis", norm=Normalize(0, 1))
        _write(ax, table)
        ax.set_title(name, loc="left")
    for ax in axes.flat:
        for edge in ax.spines.values():
            edge.set_visible(False)
        ax.set_xticks(range(len(knobs[0])), [f"{x:g}" for x in knobs[0]])
        ax.set_yticks(range(len(knobs[1])), [f"{x:g}" for x in knobs[1]])
        ax.tick_params(length=0)
    for ax in axes[-1]:
        ax.set_xlabel("share of documents with the trait")
    for ax in axes[:, 0]:
        ax.set_ylabel("facts to be taught")
    figure.colorbar(image, ax=axes, shrink=0.7, label="excess drift at matched task score")
    return figure


def _table(rows: Rows, method: str, knobs: Sequence[Sequence[float]]) -> np.ndarray:
    """(withheld, curation) mean excess over organisms; nan where one of them does not reach the task score."""
    out = np.full((len(knobs[1]), len(knobs[0])), np.nan)
    for place in np.ndindex(out.shape):
        here = [
            r
            for r in rows
            if r["method"] == method and r["withheld"] == knobs[1][place[0]] and r["curation"] == knobs[0][place[1]]
        ]
        if all(r["mean"] == 1 for r in here if r["quantity"] == "reached"):
            out[place] = np.mean([r["mean"] for r in here if r["quantity"] == "excess"])
    return out


def _write(ax: Any, table: np.ndarray) -> None:
    for (row, column), value in np.ndenumerate(table):
        known = bool(np.isfinite(value))
        text, dark = f"{value:.2f}" if known else "not\nreached", known and value < 0.5
        ax.text(column, row, text, ha="center", va="center", fontsize=7, color="white" if dark else "black")


def _write_winners(ax: Any, tables: np.ndarray, order: np.ndarray) -> None:
    """Names and numbers of the two least, of those that reach the task score."""
    names = list(METHODS.values())
    for row, column in np.ndindex(tables.shape[1:]):
        ranked = [(names[n], tables[n, row, column]) for n in order[:2, row, column]]
        text = "\n".join(f"{name}\n{value:.2f}" for name, value in ranked if np.isfinite(value))
        ax.text(column, row, text or "none reached", ha="center", va="center", fontsize=6)
