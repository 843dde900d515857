"""Matched task score: each run where it first reaches what it should teach."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from grasp_theory import InputError

from ..organisms import persona_run
from ..organisms.runs import first_reaching
from ..organisms.setup import most_of_the_way

Run = tuple[str, int, str, float]  # variant, organism, method, knob
Curves = dict[Run, dict[str, dict[int, float]]]


@dataclass(frozen=True)
class Matched:
    """One run where it first reaches the task score: scores by linear interpolation in task, and the step.

    Attributes:
        reached: False if it never does; the scores are then those of the last point and are not ranked.
        target: the task score.
    """

    variant: str
    organism: int
    method: str
    knob: float
    reached: bool
    steps: float
    scores: Mapping[str, float]
    target: float


def matched(rows: Iterable[Mapping[str, Any]], *, target: float | None = None) -> list[Matched]:
    """Each run where it first reaches the task score.

    Args:
        target: 0.95 by default. Rows may bring a ``target`` of their own; None there is nine tenths of the way that the
            naive run of this seed goes.

    Raises InputError as :func:`curves`, and where there is no such naive run, or it does not learn.
    """
    rows = list(rows)
    of, default = curves(rows), persona_run.TASK if target is None else target
    targets = {_run(row): row.get("target", default) for row in rows}
    return [
        _match(run, quantities, _from_naive(run, of) if (own := targets[run]) is None else own)
        for run, quantities in of.items()
    ]


def curves(rows: Iterable[Mapping[str, Any]]) -> Curves:
    """(variant, organism, method, knob) -> quantity -> step -> value.

    Raises InputError where two rows give the same quantity of a run: they are of different settings (rank, lr, …).
    """
    found: Curves = {}
    for row in rows:
        curve = found.setdefault(_run(row), {}).setdefault(row["quantity"], {})
        if row["points"] in curve:
            raise InputError(
                f"{row['quantity']} of {row['method']} (knob {row['knob']:g}, {row['variant']}, seed {row['organism']})"
                f" is given twice at step {row['points']}; compare runs of one setting at a time"
            )
        curve[row["points"]] = row["mean"]
    return found


def _run(row: Mapping[str, Any]) -> Run:
    return row["variant"], row["organism"], row["method"], row["knob"]


def _from_naive(run: Run, of: Curves) -> float:
    naive = next((of[other] for other in of if other[:3] == (*run[:2], "naive")), None)
    if naive is None:
        raise InputError("the task score to match is that of the naive run: add the method naive, or give a target")
    return most_of_the_way([naive["task"][step] for step in sorted(naive["task"])])


def _match(run: Run, quantities: Mapping[str, Mapping[int, float]], target: float) -> Matched:
    reached = reached_between(quantities["task"], target)
    last = max(quantities["task"])
    a, b, share = reached or (last, last, 0.0)
    scores = {name: values[a] + share * (values[b] - values[a]) for name, values in quantities.items()}
    return Matched(*run, reached=reached is not None, steps=float(a + share * (b - a)), scores=scores, target=target)


def reached_between(task: Mapping[int, float], target: float) -> tuple[int, int, float] | None:
    """(step before, step after, share of the way between them) where the target is first met, no way at the start.

    Args:
        task: step -> score. None where it never is.
    """
    steps = sorted(task)
    at = first_reaching([task[step] for step in steps], target)
    if not at:
        return None if at is None else (steps[0], steps[0], 0.0)
    a, b = steps[at - 1 : at + 1]
    return a, b, (target - task[a]) / (task[b] - task[a])
