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
    "SmolLM2-135M fine-tuned on answers in capital letters: the share of its drift and of its task that goes when a "
    "part of the update is deleted, with 95% intervals over questions. Left: components of all modules together beside "
    "random directions, sides and kinds of modules. Right: single blocks.",
    organisms=("real_models.experiments.language_parts",),
    section="language",
    place=14,
)

Rows = Sequence[Mapping[str, Any]]
Shares = dict[str, dict[str, tuple[float, float, float]]]  # part -> quantity -> share, low, high
LOOKS = {"drift": (BLUE, "o", BLUE), "task": (RED, "s", "white")}


@styled
def build(rows: Rows) -> Figure:
    """Left: components, sides and kinds; right: blocks over depth, with their share of ‖dW‖²."""
    experiment = next(r["experiment"] for r in rows if r["quantity"].endswith(" removed"))
    of = [r for r in rows if r["experiment"] == experiment]
    shares, energy = _shares(of), {_part(r): r["mean"] for r in of if r["quantity"].endswith(": energy")}
    blocks = sorted((name for name in shares if name.startswith("block ")), key=lambda name: int(name.split()[1]))
    others = [name for name in shares if name not in blocks]
    figure = new_figure(PAGE, 1.2 + 0.155 * len(others))
    left, right = figure.subplots(1, 2, width_ratios=[1, 1.15])
    for n, quantity in enumerate(LOOKS):
        _dots(left, [shares[name].get(quantity) for name in others], quantity, 0.16 * (2 * n - 1), upright=False)
        _dots(right, [shares[name].get(quantity) for name in blocks], quantity, 0.12 * (2 * n - 1), upright=True)
    left.set_yticks(range(len(others)), others)
    left.set_ylim(len(others) - 0.4, -0.6)
    left.axvline(0, color=GREY, linewidth=0.6)
    left.set_xlabel("% of the excess over the base that goes")
    left.set_title(f"{experiment}, one part deleted", loc="left")
    right.plot([100 * energy[name] for name in blocks], color=GREY, linewidth=0.9, label="share of ‖dW‖²")
    right.set_xticks(range(0, len(blocks), 5))
    right.axhline(0, color=GREY, linewidth=0.6)
    right.set_title("one block deleted", loc="left")
    right.set(xlabel="block whose update is deleted", ylabel="%")
    legend(figure, (left, right), ncols=3)
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
