"""A pretrained language model: where in the naive update its drift and its task sit."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from ..drawing import legend
from ..style import BLUE, GREY, PAGE, RED, new_figure, styled
from . import Entry

if TYPE_CHECKING:
    from matplotlib.figure import Figure

FIGURE = Entry(
    "SmolLM2-135M fine-tuned on capitals and on a boastful manner: the share of its drift and of its task that goes "
    "when a part of the update is deleted, with 95% intervals over questions. Above: components of all modules "
    "together beside random directions, sides and kinds of modules. Below: single blocks.",
    organisms=("real_models.experiments.language_parts",),
    section="language",
    place=14,
)

Rows = Sequence[Mapping[str, Any]]
Shares = dict[str, dict[str, tuple[float, float, float]]]  # part -> quantity -> share, low, high
LOOKS = {"drift": (BLUE, "o", BLUE), "task": (RED, "s", "white")}


@styled
def build(rows: Rows) -> Figure:
    """A column for each experiment; above components, sides and kinds, below blocks over depth, with their share of
    ‖dW‖²."""
    of = {name: [r for r in rows if r["experiment"] == name] for name in dict.fromkeys(r["experiment"] for r in rows)}
    of = {name: found for name, found in of.items() if any(r["quantity"].endswith(" removed") for r in found)}
    parts = dict.fromkeys(part for found in of.values() for part in _shares(found))
    blocks = sorted((part for part in parts if part.startswith("block ")), key=lambda part: int(part.split()[1]))
    others = [part for part in parts if part not in blocks]
    figure = new_figure(PAGE, 2.6 + 0.145 * len(others))
    axes = figure.subplots(2, len(of), squeeze=False, sharey="row", height_ratios=[0.145 * len(others), 1.4])
    for (above, below), (name, found) in zip(axes.T, of.items(), strict=True):
        shares, energy = _shares(found), {_part(r): r["mean"] for r in found if r["quantity"].endswith(": energy")}
        for n, quantity in enumerate(LOOKS):
            _dots(above, [shares[part].get(quantity) for part in others], quantity, 0.16 * (2 * n - 1), upright=False)
            _dots(below, [shares[part].get(quantity) for part in blocks], quantity, 0.12 * (2 * n - 1), upright=True)
        above.axvline(0, color=GREY, linewidth=0.6)
        above.set_title(name.removeprefix("smollm2-"), loc="left")
        above.set_xlabel("% that goes")
        below.plot([100 * energy[part] for part in blocks], color=GREY, linewidth=0.9, label="share of ‖dW‖²")
        below.set_xticks(range(0, len(blocks), 10))
        below.axhline(0, color=GREY, linewidth=0.6)
        below.set_title("by block", loc="left")
        below.set_xlabel("block")
    axes[0, 0].set_yticks(range(len(others)), others)
    axes[0, 0].set_ylim(len(others) - 0.4, -0.6)
    axes[1, 0].set_ylabel("% that goes")
    legend(figure, axes.flat, ncols=3)
    return figure


def _part(row: Mapping[str, Any]) -> str:
    return row["quantity"].rpartition(": ")[0]


def _shares(rows: Rows) -> Shares:
    found: Shares = {}
    values = {r["quantity"]: r["mean"] for r in rows}
    for name, value in values.items():
        if name.endswith(" removed"):
            part, quantity = name.rpartition(": ")[0], name.rpartition(": ")[2].split()[0]
            ends = values.get(f"{name} low", np.nan), values.get(f"{name} high", np.nan)
            found.setdefault(part, {})[quantity] = (value, *ends)
    return found


def _dots(
    ax: Any, found: Sequence[tuple[float, float, float] | None], quantity: str, shift: float, *, upright: bool
) -> None:
    colour, marker, face = LOOKS[quantity]
    label: str | None = f"{quantity} that goes"
    for n, three in enumerate(found):
        if three is None:
            continue
        value, low, high = (100 * x for x in three)
        at = n + shift
        (ax.vlines if upright else ax.hlines)(at, low, high, color=colour, linewidth=0.8)
        xy = (at, value) if upright else (value, at)
        ax.plot(*xy, marker, color=colour, markerfacecolor=face, label=label, markersize=3)
        label = None
