"""Matched task score: each run where it first reaches what it should teach."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from grasp_theory import InputError

from ..organisms import runs
from ..organisms.setup import most_of_the_way


@dataclass(frozen=True)
class Matched:
    """One run where it first reaches the task score: scores by linear interpolation in task, and the step.

    reached : False if it never does; the scores are then those of the last point and are not ranked.
    target : the task score.
    """

    variant: str
    organism: int
    arm: str
    knob: float
    reached: bool
    steps: float
    scores: Mapping[str, float]
    target: float


def matched(rows: Iterable[Mapping[str, Any]], *, target: float | None = None) -> list[Matched]:
    """Rule 3 of a comparison: each run at its first upward crossing of the task score.

    target : ``TASK`` by default. Rows may bring a ``target`` of their own; None there is nine tenths of the way that
    the naive run of this seed goes.
    Raises InputError where two rows give the same quantity of a run: they are of different settings (rank, lr, …); and
    where there is no such naive run, or it does not learn.
    """
    curves: dict[tuple[Any, ...], dict[str, dict[int, float]]] = {}
    targets: dict[tuple[Any, ...], float | None] = {}
    for row in rows:
        run = (row["variant"], row["organism"], row["arm"], row["knob"])
        targets[run] = row.get("target", runs.TASK if target is None else target)
        curve = curves.setdefault(run, {}).setdefault(row["quantity"], {})
        if row["points"] in curve:
            raise InputError(
                f"{row['quantity']} of {row['arm']} (knob {row['knob']:g}, {row['variant']}, seed {row['organism']}) "
                f"is given twice at step {row['points']}; compare runs of one setting at a time"
            )
        curve[row["points"]] = row["mean"]
    return [
        _match(run, quantities, _from_naive(run, curves) if (own := targets[run]) is None else own)
        for run, quantities in curves.items()
    ]


def _from_naive(run: tuple[Any, ...], curves: Mapping[tuple[Any, ...], Mapping[str, Mapping[int, float]]]) -> float:
    naive = next((curves[other] for other in curves if other[:3] == (*run[:2], "naive")), None)
    if naive is None:
        raise InputError("the task score to match is that of the naive run: add the row naive, or give a target")
    return most_of_the_way([naive["task"][step] for step in sorted(naive["task"])])


def _match(run: tuple[Any, ...], quantities: Mapping[str, Mapping[int, float]], target: float) -> Matched:
    steps = sorted(quantities["task"])
    task = [quantities["task"][step] for step in steps]
    reached = first_crossing(task, target)
    before, after, share = reached or (len(steps) - 1, len(steps) - 1, 0.0)
    a, b = steps[before], steps[after]
    scores = {name: values[a] + share * (values[b] - values[a]) for name, values in quantities.items()}
    return Matched(*run, reached=reached is not None, steps=float(a + share * (b - a)), scores=scores, target=target)


def first_crossing(task: Sequence[float], target: float) -> tuple[int, int, float] | None:
    """(n, n + 1, share of the way between these points) where the target is first met, (0, 0, 0) if at the start."""
    at = next((n for n, x in enumerate(task) if x >= target), None)
    if not at:
        return None if at is None else (0, 0, 0.0)
    return at - 1, at, (target - task[at - 1]) / (task[at] - task[at - 1])
