"""``grasp figures --check``: measured again, are the committed numbers the same?"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from rich.console import Console

from .catalogue import FIGURES, csv_name, run_experiment
from .rows import FOLDER, read_rows
from .tables import progress, table

ROUNDING = 1e-6  # relative: other processors and BLAS libraries round differently, and training amplifies it
STATISTICS = ("mean", "se", "low", "high", "trials", "seed", "theory", "relation", "finite")


def compare_all(names: Sequence[str], results: Path, *, quick: bool, n_jobs: int, out: Console) -> bool:
    """Sweep again into ``results`` and compare; whether all agree.

    Tolerance: with the same trials, 1e-6 of the scale and a tenth of the standard error; with fewer (``quick``), 5
    standard errors of the difference, on the cells that both have.
    """
    rows, sound = [], True
    for name in names:
        if not FIGURES[name].experiments:
            rows.append([name, "–", "–", "–", "not swept"])
            continue
        with progress(name, out) as track:
            run_experiment(name, results, quick=quick, n_jobs=n_jobs, progress=track)
        tables = (read_rows(folder / csv_name(name)) for folder in (results, FOLDER))
        shared, worst, off = compare(*tables, quick=quick)
        good = off == 0 and shared > 0
        sound &= good
        rows.append([name, str(shared), f"{worst:.2g}", str(off), "same" if good else "DIFFERS"])
    headers = ["figure", "rows compared", "largest / tolerance", "off", ""]
    out.print(table(headers, rows, width=out.width, droppable=["rows compared"]))
    return sound


def compare(
    new: Sequence[Mapping[str, Any]], committed: Sequence[Mapping[str, Any]], *, quick: bool
) -> tuple[int, float, int]:
    """(rows in both, largest difference in units of the tolerance, rows beyond it and, unless quick, in one only)."""
    ours, known = ({_key(row): row for row in rows} for rows in (new, committed))
    shared = ours.keys() & known.keys()
    alone = 0 if quick else len(ours.keys() ^ known.keys())
    ratios = [_difference(ours[key], known[key]) for key in shared]
    return len(shared), max(ratios, default=0.0), alone + sum(not ratio <= 1 for ratio in ratios)


def _key(row: Mapping[str, Any]) -> tuple[Any, ...]:
    return tuple((name, value) for name, value in sorted(row.items()) if name not in STATISTICS)


def _difference(a: Mapping[str, Any], b: Mapping[str, Any]) -> float:
    """Largest difference of a row's numbers in units of its tolerance; infinite where something else differs."""
    same = a["trials"] == b["trials"]
    if any(a[name] != b[name] for name in ("seed", "relation")) or any(
        (a[name] is None) != (b[name] is None) for name in ("theory", "finite")
    ):
        return math.inf
    spread = 0.1 * b["se"] if same else 5 * math.hypot(a["se"], b["se"])
    measured = dict.fromkeys(("mean", "se", "low", "high") if same else ("mean",), spread)
    predicted = {name: 0.0 for name in ("theory", "finite") if b[name] is not None}
    return max(
        abs(a[name] - b[name]) / (ROUNDING * max(1.0, abs(b[name])) + allowed)
        for name, allowed in (measured | predicted).items()
    )
