"""The comparison as tables: every row at matched task score, ranked within what information it uses."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from rich.console import Console
from rich.text import Text
from scipy.stats import t as student

from real_models.comparison.cost import Cost
from real_models.comparison.matching import Matched, matched
from real_models.comparison.methods import CLASSES, find_compared

from .tables import table

EFFECT = 0.3  # by which naive drift should rise


@dataclass(frozen=True)
class Line:
    """One row at one knob, over seeds, at matched task score.

    drift : mean level. excess : its mean over the base, the naive run's start; low, high : its 95% t interval. less :
    naive excess over this one's (None where this one is not above the base by 0.005); bound : the same over ``high``.
    difference : mean paired difference of drift to naive; below, above : its 95% t interval. All of them None without a
    naive run of every seed.
    reached : seeds that reach the task score; scores are of those. preset : whether the knob was chosen without trait
    labels. kept, facts, neutral, per_token : None where they are not measured. task : the matched task score. cost :
    arithmetic until there, preparation and a naive run that comes first included, in units of the naive run's.
    """

    variant: str
    arm: str
    information: str
    control: bool
    knob: float
    preset: bool
    seeds: int
    reached: int
    steps: float
    drift: float
    excess: float | None
    low: float | None
    high: float | None
    less: float | None
    bound: float | None
    difference: float | None
    below: float | None
    above: float | None
    kept: float | None
    facts: float | None
    neutral: float | None
    per_token: float | None
    task: float
    cost: float | None = None


Costs = Mapping[tuple[str, str], Cost]


def lines(rows: Iterable[Mapping[str, Any]], costs: Costs | None = None) -> list[Line]:
    """All rows of a comparison's table (see ``real_models.comparison.experiment``; ``costs``: ``…cost``)."""
    rows = list(rows)
    runs = matched(rows)
    base = base_drift(rows)
    naive = {(m.variant, m.organism): m for m in runs if m.arm == "naive"}
    groups: dict[tuple[str, str, float], list[Matched]] = {}
    for run in runs:
        groups.setdefault((run.variant, run.arm, run.knob), []).append(run)
    return [_line(key, group, base, naive, costs or {}) for key, group in groups.items()]


def base_drift(rows: Iterable[Mapping[str, Any]]) -> dict[tuple[str, int], float]:
    """(variant, organism) -> drift of the base model: the naive run's start. A method that acts at inference moves its
    own start."""
    return {
        (r["variant"], r["organism"]): r["mean"]
        for r in rows
        if r["arm"] == "naive" and r["points"] == 0 and r["quantity"] == "drift"
    }


def _line(
    key: tuple[str, str, float],
    group: Sequence[Matched],
    base: Mapping[tuple[str, int], float],
    naive: Mapping[tuple[str, int], Matched],
    costs: Costs,
) -> Line:
    variant, name, knob = key
    arm = find_compared(name)
    good = [m for m in group if m.reached] or list(group)
    drift = np.array([m.scores["drift"] for m in good])
    seeds = [(m.variant, m.organism) for m in good]
    known = all(seed in naive for seed in seeds)
    start = np.array([base[seed] for seed in seeds]) if known else np.array([])
    plain = np.array([naive[seed].scores["drift"] for seed in seeds]) if known else np.array([])
    excess, paired = (drift - start, drift - plain) if known else (start, plain)
    (low, high), (below, above) = interval(excess), interval(paired)
    mean = {
        score: float(np.mean([m.scores[score] for m in good])) if all(score in m.scores for m in good) else None
        for score in ("kept", "facts", "neutral", "per_token")
    }
    return Line(
        variant=variant,
        arm=name,
        information=arm.information,
        control=arm.control,
        knob=knob,
        preset=knob == arm.preset,
        seeds=len(group),
        reached=sum(m.reached for m in group),
        steps=float(np.mean([m.steps for m in good])),
        drift=float(drift.mean()),
        excess=float(excess.mean()) if known else None,
        low=low,
        high=high,
        less=float(np.mean(plain - start) / excess.mean()) if known and excess.mean() > 0.005 else None,
        bound=float(np.mean(plain - start) / high) if high is not None and high > 0 else None,
        difference=float(paired.mean()) if known else None,
        below=below,
        above=above,
        **mean,
        task=float(np.mean([m.target for m in group])),
        cost=_cost(good, naive, costs) if known and all(m.reached for m in group) else None,
    )


def _cost(runs: Sequence[Matched], naive: Mapping[tuple[str, int], Matched], costs: Costs) -> float | None:
    """Mean over seeds; None where it was not counted, or the base knows the task."""
    own, plain = (costs.get((runs[0].variant, arm)) for arm in (runs[0].arm, "naive"))
    if own is None or plain is None:
        return None
    until = np.array([naive[m.variant, m.organism].steps for m in runs]) * plain.step
    spent = own.preparation + own.step * np.array([m.steps for m in runs]) + own.follows * until
    return float(np.mean(spent / until)) if (until > 0).all() else None


def interval(values: np.ndarray) -> tuple[float | None, float | None]:
    """95% t interval of a mean; None with fewer than two values."""
    n = len(values)
    if n < 2:
        return None, None
    half = float(student.ppf(0.975, n - 1) * values.std(ddof=1) / np.sqrt(n))
    return float(values.mean()) - half, float(values.mean()) + half


def void(found: Sequence[Line], variant: str) -> str | None:
    """Why the experiment says nothing about this variant, if it does not: rule 7."""
    line = _plain(found, variant)
    if line is None:
        return "there is no naive run"
    if line.reached < line.seeds:
        return f"the naive run reaches the task in {line.reached} of {line.seeds} seeds only"
    if line.low is not None and line.low <= 0:
        return f"naive drift does not rise for sure (95% interval of the excess from {line.low:.2f})"
    if line.low is None and line.excess is not None and line.excess < EFFECT:
        return f"naive drift does not rise by {EFFECT} (by {line.excess:.2f}, one seed)"
    return None


def weak(found: Sequence[Line], variant: str) -> str | None:
    """What to bear in mind where there is drift, but less than an experiment should have."""
    line = _plain(found, variant)
    if line is None or line.excess is None or line.excess >= EFFECT or void(found, variant):
        return None
    return f"naive drift rises by {line.excess:.2f} only, less than the {EFFECT} aimed at"


def _plain(found: Sequence[Line], variant: str) -> Line | None:
    return next((line for line in found if line.variant == variant and line.arm == "naive"), None)


HEADERS = [
    "method",
    "knob",
    "reached",
    "steps",
    "drift",
    "excess, 95%",
    "less",
    "vs naive, 95%",
    "kept",
    "facts",
    "neutral",
]


def show_comparison(found: Sequence[Line], out: Console) -> None:
    """One table for each variant and class, least drift first; controls last.

    Oracle knobs (best drift among those reached) are marked. Columns of what is not measured are left out.
    """
    for variant in dict.fromkeys(line.variant for line in found):
        of = [line for line in found if line.variant == variant]
        why = void(found, variant)
        head = (
            f"VOID, {why}" if why else ", ".join(filter(None, [f"{max(x.seeds for x in of)} seeds", weak(of, variant)]))
        )
        out.print(Text(f"{variant}: {head}", style="bold"))
        for information in (*CLASSES, "controls"):
            chosen = [
                x
                for x in of
                if (x.control and information == "controls") or (not x.control and x.information == information)
            ]
            if chosen:
                title = information if information == "controls" else f"uses {information}"
                rows = [_row(x, chosen) for x in _ranked(chosen)]
                there = [n for n, column in enumerate(zip(*rows, strict=True)) if any(column)]
                headers, *rows = ([row[n] for n in there] for row in ([*HEADERS, "cost", "per token"], *rows))
                out.print(table(headers, rows, title=title, width=out.width))
    scores = " or ".join(dict.fromkeys(f"{line.task:.3g}" for line in found))
    out.print(
        f"At the first crossing of a task score of {scores}, by interpolation. excess: drift above the base model's; "
        "less: how many times smaller than naive's (≥: where the interval holds 0, its upper end). In brackets: not in "
        "all seeds. ∘: knob not chosen beforehand, ∗: the best of those (an oracle)."
    )
    if any(line.cost is not None for line in found):
        out.print(
            "cost: arithmetic until there, in units of the naive run's; preparation and a naive run that comes first "
            "included."
        )


def _ranked(among: Sequence[Line]) -> list[Line]:
    """Rows that reach the task first, by drift at their preset; the knobs of a row together."""
    place = {x.arm: (x.reached < x.seeds, x.drift) for x in sorted(among, key=lambda x: x.preset)}
    return sorted(among, key=lambda x: (*place[x.arm], x.knob))


def _row(line: Line, among: Sequence[Line]) -> list[str]:
    same = [x for x in among if x.arm == line.arm and x.reached == x.seeds]
    best = min(same, key=lambda x: x.drift, default=None)
    mark = "" if line.preset else (" ∗" if line is best else " ∘")
    ranked = line.reached == line.seeds

    def plain(x: float | None, digits: int = 3) -> str:
        return "" if x is None else (f"{x:.{digits}f}" if ranked else f"({x:.{digits}f})")

    return [
        line.arm,
        f"{line.knob:g}{mark}",
        f"{line.reached}/{line.seeds}",
        plain(line.steps, 0),
        plain(line.drift),
        "–" if line.low is None or not ranked else f"{line.low:.3f} … {line.high:.3f}",
        times(line) if ranked else "–",
        "–" if line.below is None or not ranked else f"{line.below:.3f} … {line.above:.3f}",
        *(plain(x) for x in (line.kept, line.facts, line.neutral)),
        "" if line.cost is None else f"{line.cost:.2g}x",
        plain(line.per_token),
    ]


def times(line: Line) -> str:
    """How many times smaller the excess is than naive's: a bound where it cannot be told from 0, "–" if not known."""
    sure = line.less is not None and (line.low is None or line.low > 0)
    ratio = line.less if sure else line.bound
    return "–" if ratio is None else f"{'' if sure else '≥'}{ratio:.{0 if ratio >= 10 else 1}f}x"
