"""What can be had: least drift over the task score that is asked for, within what information a method uses."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from real_models.experiments.matching import first_crossing
from real_models.organisms.arms import find_arm

from .comparison import COLOURS
from .comparison_table import interval
from .style import GREY, PAGE, new_figure, styled

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Run = tuple[str, float]  # row, knob
Curves = dict[tuple[int, str, float], tuple[Any, Any]]  # (organism, row, knob) -> (task, drift) along the run
# of the way from where naive runs start to where they are matched, and beyond
SHARES = tuple(float(x) for x in np.linspace(0.4, 1.04, 33).round(3))


def fronts(rows: Iterable[Mapping[str, Any]], *, targets: Mapping[str, float]) -> list[dict[str, Any]]:
    """For each variant, task score and class: the row with least mean drift where its runs first reach that score.

    rows : of a comparison. targets : variant -> matched task score. "presets" : among knobs chosen beforehand; "all
    knobs" : among all, an oracle. Only rows that reach the score in every seed, no controls; the naive run ("naive")
    and every class ("weights", …) apart. low, high : 95% t interval over seeds.
    """
    found = []
    for variant, curves in _curves(rows).items():
        seeds = {seed for seed, *_ in curves}
        start = float(np.mean([curve[0][0] for (_, arm, _), curve in curves.items() if arm == "naive"] or [0.0]))
        for share in SHARES:
            task = start + share * (targets[variant] - start)
            drifts = _at(curves, task, seeds)
            for kind in ("presets", "all knobs"):
                for name, among in _groups(drifts, presets=kind == "presets").items():
                    arm, knob = min(among, key=lambda run: (np.mean(drifts[run]), run))
                    low, high = interval(drifts[arm, knob])
                    found.append(
                        {"variant": variant, "information": name, "knobs": kind, "task": round(task, 4)}
                        | {"drift": float(np.mean(drifts[arm, knob])), "low": low, "high": high}
                        | {"arm": arm, "knob": knob, "seeds": len(seeds)}
                    )
    return found


def _curves(rows: Iterable[Mapping[str, Any]]) -> dict[str, Curves]:
    """variant -> curves."""
    points: dict[str, dict[tuple[int, str, float], dict[str, dict[int, float]]]] = {}
    for row in rows:
        if row["quantity"] in ("task", "drift"):
            run = points.setdefault(row["variant"], {}).setdefault((row["organism"], row["arm"], row["knob"]), {})
            run.setdefault(row["quantity"], {})[row["points"]] = row["mean"]
    return {
        variant: {key: tuple([run[q][p] for p in sorted(run[q])] for q in ("task", "drift")) for key, run in of.items()}  # pyright: ignore
        for variant, of in points.items()
    }


def _at(curves: Curves, target: float, seeds: set[int]) -> dict[Run, np.ndarray]:
    """Drift of each seed at a task score, of the rows that reach it in all of them."""
    drifts: dict[Run, list[float]] = {}
    for (_, arm, knob), (task, drift) in sorted(curves.items()):
        crossing = first_crossing(task, target)
        if crossing is not None:
            a, b, share = crossing
            drifts.setdefault((arm, knob), []).append(drift[a] + share * (drift[b] - drift[a]))
    return {run: np.array(values) for run, values in drifts.items() if len(values) == len(seeds)}


def _groups(drifts: Iterable[Run], *, presets: bool) -> dict[str, list[Run]]:
    """Class -> its rows."""
    found: dict[str, list[Run]] = {}
    for name, knob in drifts:
        arm = find_arm(name)
        if not arm.control and (not presets or knob == arm.preset):
            found.setdefault("naive" if name == "naive" else arm.information, []).append((name, knob))
    return found


@styled
def build(rows: Sequence[Mapping[str, Any]]) -> Figure:
    """One panel a variant: solid the best preset row of each class (95% band from 3 seeds on), dotted of all knobs."""
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
                if kind == "presets" and line[0]["seeds"] > 2:
                    low, high = ([float(np.clip(r[key], 0, 1)) for r in line] for key in ("low", "high"))
                    ax.fill_between(x, low, high, color=colour, alpha=0.12, linewidth=0)
        ax.set_title(f"{variant}, {of[0]['seeds']} seeds", loc="left")
        ax.set_xlabel("task score asked for")
        ax.set_ylim(0, 1)
    axes[0].set_ylabel("least drift there")
    from matplotlib.lines import Line2D

    handles, labels = axes[0].get_legend_handles_labels()
    handles.append(Line2D([], [], color=GREY, linestyle=":"))
    figure.legend(handles, [*labels, "best of all knobs (an oracle)"], loc="outside lower center", ncols=3)
    return figure


def _label(name: str) -> str:
    return name if name == "naive" else f"best that uses {name}"
