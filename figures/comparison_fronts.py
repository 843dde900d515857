"""What can be had: least drift over the task score that is asked for, within what information a method uses."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from real_models.comparison.matching import Curves, curves, first_crossing
from real_models.comparison.methods import find_compared

from .comparison import COLOURS
from .style import GREY, PAGE, new_figure, styled

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Row = tuple[str, float]  # row, knob
# of the way from where naive runs start to where they are matched, and beyond
SHARES = tuple(float(x) for x in np.linspace(0.4, 1.04, 33).round(3))


def fronts(rows: Iterable[Mapping[str, Any]], *, targets: Mapping[tuple[str, int], float]) -> list[dict[str, Any]]:
    """For each variant, task score and class: the row with least mean drift where its runs first reach that score.

    rows : of a comparison. targets : (variant, organism) -> matched task score; the scores asked for are shares of the
    way there from where the naive run starts, "task" their mean over seeds. "presets" : among knobs chosen beforehand;
    "all knobs" : among all. Only rows that reach the score in every seed, no controls; the naive run ("naive") and
    every class ("weights", …) apart. The best of "rows" is chosen on the seeds it is shown on, so it has no interval.
    """
    found, every = [], curves(rows)
    for variant in dict.fromkeys(variant for variant, *_ in every):
        of = {run: curve for run, curve in every.items() if run[0] == variant}
        seeds = sorted({seed for _, seed, *_ in of})
        start = {seed: curve["task"][min(curve["task"])] for (_, seed, arm, _), curve in of.items() if arm == "naive"}
        for share in SHARES:
            task = {s: (1 - share) * start.get(s, 0.0) + share * targets[variant, s] for s in seeds}
            drifts = _at(of, task)
            for kind in ("presets", "all knobs"):
                for name, among in _groups(drifts, presets=kind == "presets").items():
                    arm, knob = min(among, key=lambda run: (drifts[run], run))
                    found.append(
                        {"variant": variant, "information": name, "knobs": kind}
                        | {"share": share, "task": round(float(np.mean(list(task.values()))), 4)}
                        | {"drift": drifts[arm, knob], "arm": arm, "knob": knob}
                        | {"rows": len(among), "seeds": len(seeds)}
                    )
    return found


def _at(of: Curves, target: Mapping[int, float]) -> dict[Row, float]:
    """Mean drift over seeds, each at its task score, of the rows that reach it in all of them."""
    drifts: dict[Row, list[float]] = {}
    for (_, seed, arm, knob), curve in sorted(of.items()):
        crossing, drift = first_crossing(curve["task"], target[seed]), curve["drift"]
        if crossing is not None:
            a, b, share = crossing
            drifts.setdefault((arm, knob), []).append(drift[a] + share * (drift[b] - drift[a]))
    return {run: float(np.mean(values)) for run, values in drifts.items() if len(values) == len(target)}


def _groups(drifts: Iterable[Row], *, presets: bool) -> dict[str, list[Row]]:
    """Class -> its rows."""
    found: dict[str, list[Row]] = {}
    for name, knob in drifts:
        arm = find_compared(name)
        if not arm.control and (not presets or knob == arm.preset):
            found.setdefault("naive" if name == "naive" else arm.information, []).append((name, knob))
    return found


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
        ax.set_title(f"{variant}, {of[0]['seeds']} seeds", loc="left")
        ax.set_xlabel("task score asked for")
        ax.set_ylim(0, 1)
    axes[0].set_ylabel("least drift there")
    from matplotlib.lines import Line2D

    known = {label: line for ax in axes for line, label in zip(*ax.get_legend_handles_labels(), strict=True)}
    known["best of all knobs"] = Line2D([], [], color=GREY, linestyle=":")
    figure.legend(list(known.values()), list(known), loc="outside lower center", ncols=3)
    return figure


def _label(name: str) -> str:
    return name if name == "naive" else f"best that uses {name}"
