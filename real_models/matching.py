"""Matched task score: each run where it first reaches what it should teach."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from grasp_theory import InputError

from .organisms.runs import TASK


@dataclass(frozen=True)
class Matched:
    """One run where it first reaches the task score: scores by linear interpolation in task, and the step.

    reached : False if it never does; the scores are then those of the last point and are not ranked.
    """

    variant: str
    organism: int
    arm: str
    knob: float
    reached: bool
    steps: float
    scores: Mapping[str, float]


def matched(rows: Iterable[Mapping[str, Any]], *, target: float = TASK) -> list[Matched]:
    """Rule 3 of a comparison: each run at its first upward crossing of the task score.

    Raises InputError where two rows give the same quantity of a run: they are of different settings (rank, lr, …).
    """
    curves: dict[tuple[Any, ...], dict[str, dict[int, float]]] = {}
    for row in rows:
        run = (row["variant"], row["organism"], row["arm"], row["knob"])
        curve = curves.setdefault(run, {}).setdefault(row["quantity"], {})
        if row["points"] in curve:
            raise InputError(
                f"{row['quantity']} of {row['arm']} (knob {row['knob']:g}, {row['variant']}, seed {row['organism']}) "
                f"is given twice at step {row['points']}; compare runs of one setting at a time"
            )
        curve[row["points"]] = row["mean"]
    return [_match(run, quantities, target) for run, quantities in curves.items()]


def _match(run: tuple[Any, ...], quantities: Mapping[str, Mapping[int, float]], target: float) -> Matched:
    steps = sorted(quantities["task"])
    task = [quantities["task"][step] for step in steps]
    at = next((n for n, x in enumerate(task) if x >= target), None)
    if at is None:
        last = {name: values[steps[-1]] for name, values in quantities.items()}
        return Matched(*run, reached=False, steps=float(steps[-1]), scores=last)
    if at == 0:
        return Matched(*run, reached=True, steps=0.0, scores={name: v[steps[0]] for name, v in quantities.items()})
    share = (target - task[at - 1]) / (task[at] - task[at - 1])
    a, b = steps[at - 1], steps[at]
    scores = {name: values[a] + share * (values[b] - values[a]) for name, values in quantities.items()}
    return Matched(*run, reached=True, steps=a + share * (b - a), scores=scores)
