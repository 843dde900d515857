"""The rows of a comparison that its tables and figures read: a sixth of them.

``figures/data/comparison.csv`` and ``comparison_confirmed.csv`` hold these rows of the comparison.csv that a study
writes; the whole file is too large for the wheel.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from .matching import matched

RUN = ("variant", "organism", "method", "knob")
COLUMNS = (*RUN, "target", "points", "quantity")


def brief(rows: Iterable[Mapping[str, Any]], *, whole: Iterable[tuple[str, float]] = ()) -> list[dict[str, Any]]:
    """Of each run the points around where it reaches the task score, of the naive one its ends too; means to 5 digits.

    Args:
        whole: (method, knob) of the runs of which drift and task are kept at every point. The matched scores of what is
            left are those of all rows; the whole curves are in the files of the cells.
    """
    rows, drawn = list(rows), set(whole)
    steps = {(m.variant, m.organism, m.method, m.knob): m.steps for m in matched(rows)}
    points: dict[tuple[Any, ...], set[int]] = {}
    for row in rows:
        points.setdefault(tuple(row[name] for name in RUN), set()).add(row["points"])
    kept = {run: _around(sorted(at), steps[run], ends=run[2] == "naive") for run, at in points.items()}
    return [
        {name: row[name] for name in COLUMNS if name in row} | {"mean": float(f"{row['mean']:.5g}")}
        for row in rows
        if row["points"] in kept[tuple(row[name] for name in RUN)]
        or ((row["method"], row["knob"]) in drawn and row["quantity"] in ("drift", "task"))
    ]


def _around(points: list[int], at: float, *, ends: bool) -> set[int]:
    before, after = [p for p in points if p < at], [p for p in points if p >= at]
    return {*before[-1:], after[0]} | ({points[0], points[-1]} if ends else set())
