"""How far a table is from the law of each row, and from the same table measured before."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

Z = 5.0  # standard errors
ROUNDING = 1e-6  # relative: other processors and BLAS libraries round differently, and training amplifies it
STATISTICS = ("mean", "se", "low", "high", "trials", "seed", "theory", "relation", "finite")


@dataclass(frozen=True)
class Deviation:
    """How far the measured means are from what theory says, in standard errors.

    Attributes:
        compared: rows of more than one trial with a law that is held ("=", "<=", ">=").
        largest, rms: of (mean − theory)/se where the law is an equation; a fifth of the stated finite-size term stands
            for se where it is larger.
        violations: rows further off than 5 standard errors and the stated finite-size term, the wrong side of a bound
            included.
        worst: the largest excess over that allowance, in units of the allowance (0: none).
    """

    compared: int
    largest: float | None
    rms: float | None
    violations: int
    worst: float


def deviation(rows: Iterable[Mapping[str, Any]]) -> Deviation:
    """Theory against measurement over a table."""
    # one trial has no standard error
    held = [row for row in rows if row["relation"] in ("=", "<=", ">=") and row.get("trials") != 1]
    gaps, excess = [], []
    for row in held:
        gap = row["mean"] - row["theory"]
        rounding = 1e-9 * max(1.0, abs(row["theory"]))
        if row["relation"] == "=":
            # a mean without spread (se 0) is compared with what the law allows at this size
            gaps.append(gap / max(row["se"], row["finite"] / Z, rounding))
        wrong = {"=": abs(gap), "<=": gap, ">=": -gap}[row["relation"]]
        allowed = Z * row["se"] + row["finite"] + rounding
        excess.append(max(0.0, wrong / allowed - 1))
    return Deviation(
        compared=len(held),
        largest=float(np.max(np.abs(gaps))) if gaps else None,
        rms=float(np.sqrt(np.mean(np.square(gaps)))) if gaps else None,
        violations=sum(e > 0 for e in excess),
        worst=max(excess, default=0.0),
    )


def compare(
    new: Sequence[Mapping[str, Any]], committed: Sequence[Mapping[str, Any]], *, quick: bool
) -> tuple[int, float, int]:
    """(rows in both, largest difference in units of the tolerance, rows beyond it and, unless quick, in one only).

    Tolerance: with the same trials, 1e-6 of the scale and a tenth of the standard error; with fewer (``quick``), 5
    standard errors of the difference, on the cells that both have.
    """
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
    spread = 0.1 * b["se"] if same else Z * math.hypot(a["se"], b["se"])
    measured = dict.fromkeys(("mean", "se", "low", "high") if same else ("mean",), spread)
    predicted = {name: 0.0 for name in ("theory", "finite") if b[name] is not None}
    return max(
        abs(a[name] - b[name]) / (ROUNDING * max(1.0, abs(b[name])) + allowed)
        for name, allowed in (measured | predicted).items()
    )
