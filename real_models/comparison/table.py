"""The comparison as a table: every method at matched task score, ranked within what information it uses."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
from scipy import stats

from .cost import Cost
from .matching import Matched, matched
from .methods import CLASSES, find_compared

EFFECT = 0.3  # by which naive drift should rise


@dataclass(frozen=True)
class Result:
    """One method at one value of its knob, over seeds, at matched task score.

    Attributes:
        drift: mean level.
        excess: its mean over the base, the naive run's start.
        low, high: its 95% t interval.
        less: naive excess over this one's (None where this one is not above the base by 0.005).
        bound: the same over ``high``.
        difference: mean paired difference of drift to naive.
        below, above: its 95% t interval. All of them None without a naive run of every seed.
        reached: seeds that reach the task score; scores are of those.
        preset: whether the knob was chosen without trait labels.
        conditional: drift where it is asked for as the training asks.
        kept, facts, neutral, per_token: with it None where they are not measured.
        task: the matched task score.
        cost: arithmetic until there, preparation and a naive run that comes first included, in units of the naive
            run's.
    """

    variant: str
    method: str
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
    conditional: float | None
    kept: float | None
    facts: float | None
    neutral: float | None
    per_token: float | None
    task: float
    cost: float | None = None

    @property
    def whole(self) -> bool:
        """Whether every seed reaches the task score."""
        return self.reached == self.seeds

    @property
    def group(self) -> str:
        """What it is ranked among: those that use the same information, or the controls."""
        return "controls" if self.control else self.information


GROUPS = (*CLASSES, "controls")
Costs = Mapping[tuple[str, str], Cost]


def summarise(rows: Iterable[Mapping[str, Any]], costs: Costs | None = None) -> list[Result]:
    """One result for each method and knob of a comparison's table (see ``experiment``; ``costs``: of ``cost``)."""
    rows = list(rows)
    runs = matched(rows)
    base = base_drift(rows)
    naive = {(m.variant, m.organism): m for m in runs if m.method == "naive"}
    groups: dict[tuple[str, str, float], list[Matched]] = {}
    for run in runs:
        groups.setdefault((run.variant, run.method, run.knob), []).append(run)
    return [_result(key, group, base, naive, costs or {}) for key, group in groups.items()]


def base_drift(rows: Iterable[Mapping[str, Any]]) -> dict[tuple[str, int], float]:
    """(variant, organism) -> drift of the base model: the naive run's start. A method that acts at inference moves its
    own start."""
    return {
        (r["variant"], r["organism"]): r["mean"]
        for r in rows
        if r["method"] == "naive" and r["points"] == 0 and r["quantity"] == "drift"
    }


def _result(
    key: tuple[str, str, float],
    group: Sequence[Matched],
    base: Mapping[tuple[str, int], float],
    naive: Mapping[tuple[str, int], Matched],
    costs: Costs,
) -> Result:
    variant, name, knob = key
    method = find_compared(name)
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
        for score in ("conditional", "kept", "facts", "neutral", "per_token")
    }
    return Result(
        variant=variant,
        method=name,
        information=method.information,
        control=method.control,
        knob=knob,
        preset=knob == method.preset,
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
    own, plain = (costs.get((runs[0].variant, method)) for method in (runs[0].method, "naive"))
    if own is None or plain is None:
        return None
    until = np.array([naive[m.variant, m.organism].steps for m in runs]) * plain.step
    spent = own.preparation + own.step * np.array([m.steps for m in runs]) + own.follows * until
    return float(np.mean(spent / until)) if (until > 0).all() else None


def interval(values: Sequence[float] | np.ndarray) -> tuple[float | None, float | None]:
    """95% t interval of a mean; None with fewer than two values."""
    n = len(values)
    if n < 2:
        return None, None
    low, high = np.mean(values) + np.std(values, ddof=1) / np.sqrt(n) * _quantiles(n - 1)
    return float(low), float(high)


@lru_cache
def _quantiles(freedom: int) -> np.ndarray:
    """At unit scale: scipy has no interval (nan) where all seeds agree."""
    return np.array(stats.t.interval(0.95, freedom))


def void(found: Sequence[Result], variant: str) -> str | None:
    """Why the experiment says nothing about this variant, if it does not: naive training must reach the task in every
    seed, and its drift rise."""
    plain = _plain(found, variant)
    if plain is None:
        return "there is no naive run"
    if not plain.whole:
        return f"the naive run reaches the task in {plain.reached} of {plain.seeds} seeds only"
    if plain.low is not None and plain.low <= 0:
        return f"naive drift does not rise for sure (95% interval of the excess from {plain.low:.2f})"
    if plain.low is None and plain.excess is not None and plain.excess < EFFECT:
        return f"naive drift does not rise by {EFFECT} (by {plain.excess:.2f}, one seed)"
    return None


def weak(found: Sequence[Result], variant: str) -> str | None:
    """What to bear in mind where there is drift, but less than an experiment should have."""
    plain = _plain(found, variant)
    if plain is None or plain.excess is None or plain.excess >= EFFECT or void(found, variant):
        return None
    return f"naive drift rises by {plain.excess:.2f} only, less than the {EFFECT} aimed at"


def _plain(found: Sequence[Result], variant: str) -> Result | None:
    return next((r for r in found if r.variant == variant and r.method == "naive"), None)


def ranked(among: Iterable[Result]) -> list[Result]:
    """Those that reach the task first, by drift at their preset; the knobs of a method together."""
    among = list(among)
    place = {x.method: (not x.whole, x.drift) for x in sorted(among, key=lambda x: x.preset)}
    return sorted(among, key=lambda x: (*place[x.method], x.knob))


def paired(runs: Iterable[Matched], variant: str, *, method: str, other: str) -> list[float]:
    """Drift under ``method`` less that under ``other``, by seed; empty unless both reach the task in every seed."""
    of = [m for m in runs if m.variant == variant and m.method in (method, other)]
    drift = {(m.method, m.organism): m.scores["drift"] for m in of if m.reached}
    seeds = sorted({m.organism for m in of})
    pairs = [(drift.get((method, seed)), drift.get((other, seed))) for seed in seeds]
    found = [a - b for a, b in pairs if a is not None and b is not None]
    return found if len(found) == len(seeds) else []
