"""Least drift over the task score that is asked for, within what information a method uses."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from real_models.adapters.text import many

from ..style import BLUE, GREEN, GREY, ORANGE, PAGE, PURPLE, RED, new_figure, styled
from . import Entry

if TYPE_CHECKING:
    from matplotlib.figure import Figure

FIGURE = Entry(
    "Persona organisms: the least drift among methods of each information class, over the task score asked for; the "
    "best is chosen on the seeds shown.",
    section="comparison",
    place=14,
)

COLOURS = {"weights": PURPLE, "data": BLUE, "neutral text": GREEN, "control run": ORANGE, "trait": RED}


@styled
def build(rows: Sequence[Mapping[str, Any]]) -> Figure:
    """One panel a variant: solid the best of each class at presets, dotted over all knobs, on the seeds shown."""

    variants = list(dict.fromkeys(r["variant"] for r in rows))
    figure = new_figure(PAGE, 2.9)
    axes = np.atleast_1d(figure.subplots(1, len(variants), sharey=True))
    for ax, variant in zip(axes, variants, strict=True):
        of = [r for r in rows if r["variant"] == variant]
        for name, colour in {"naive": "black", **COLOURS}.items():
            for kind, style in (("presets", "-"), ("all knobs", ":")):
                line = [r for r in of if r["information"] == name and r["knobs"] == kind]
                if not line or (name == "naive" and kind == "all knobs"):
                    continue
                x, y = ([r[key] for r in line] for key in ("task", "drift"))
                ax.plot(x, y, style, color=colour, label=_label(name) if kind == "presets" else None)
        ax.set_title(f"{variant}, {many(of[0]['seeds'], 'seed')}", loc="left")
        ax.set(xlabel="task score asked for", ylim=(0, 1))
    axes[0].set_ylabel("least drift there")
    from matplotlib.lines import Line2D

    known = {label: line for ax in axes for line, label in zip(*ax.get_legend_handles_labels(), strict=True)}
    known["best of all knobs"] = Line2D([], [], color=GREY, linestyle=":")
    figure.legend(list(known.values()), list(known), loc="outside lower center", ncols=3)
    return figure


def _label(name: str) -> str:
    return name if name == "naive" else f"best that uses {name}"
