"""The generated parts of the README and of the page about the comparison of methods, from the committed results."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache

import numpy as np

from figures.plots import headline as picture
from figures.rows import FOLDER, read_rows
from figures.tables import Table
from figures.tables.comparison import times
from real_models.comparison.cost import costs
from real_models.comparison.matching import matched
from real_models.comparison.methods import COMPARED, find_compared
from real_models.comparison.table import Result, interval, paired, summarise, void, weak


def headline() -> str:
    """The main rows at their presets: drift by variant."""
    return _by_variant(_compared(), picture.ROWS)


def comparison() -> str:
    """Every method at its preset knob, at matched task score: drift by variant, within the information it uses."""
    found = _compared()
    variants = _variants(found)
    seeds = ", ".join(f"{v}: {max(x.seeds for x in found if x.variant == v)}" for v in variants)
    notes = [f"{v} is void: {why}." for v in variants if (why := void(found, v))]
    notes += [f"{v}: {why}." for v in variants if (why := weak(found, v))]
    return "\n".join([_by_variant(found, list(COMPARED)), "", f"Seeds: {seeds}.", *notes])


def confirmed() -> str:
    """The main rows on seeds that no choice was made on: drift, and the paired difference to null-space."""
    rows = read_rows(FOLDER / "comparison_confirmed.csv")
    found, runs = summarise(rows), matched(rows)
    variants, other = _variants(found), "null-space"

    def difference(variant: str, method: str) -> str:
        values = paired(runs, variant, method=method, other=other)
        low, high = interval(values)
        return "" if method == other or low is None else f"{np.mean(values):+.3f} ({low:+.3f} … {high:+.3f})"

    cells = []
    for name in dict.fromkeys(result.method for result in found):
        of = {result.variant: result for result in found if result.method == name}
        label = find_compared(name).label(of[variants[0]].knob)
        cells.append([label, *_drifts(of, variants), *(difference(v, name) for v in variants)])
    made = Table(["method", *variants, *(f"− {other}, {variant}" for variant in variants)], cells)
    seeds = sorted({m.organism for m in runs})
    return f"{made.markdown()}\n\nSeeds: {seeds[0]} to {seeds[-1]}."


def knobs() -> str:
    """Drift at every value of every knob, on the seeds that ran them all."""
    rows = read_rows(FOLDER / "comparison.csv")
    runs: dict[tuple[str, int], set[tuple[str, float]]] = {}
    for r in rows:
        runs.setdefault((r["variant"], r["organism"]), set()).add((r["method"], r["knob"]))
    every = set().union(*runs.values())
    whole = {seed for seed, done in runs.items() if done == every}
    found = summarise([r for r in rows if (r["variant"], r["organism"]) in whole])
    variants, cells = _variants(found), []
    for method in COMPARED.values():
        for knob in method.knobs if len(method.knobs) > 1 else ():
            of = {result.variant: result for result in found if result.method == method.name and result.knob == knob}
            if of:
                mark = " (preset)" if knob == method.preset else ""
                cells.append([method.name, f"{method.knob} {knob:g}{mark}", *_drifts(of, variants)])
    seeds = ", ".join(f"{v}: {sum(v == variant for variant, _ in whole)}" for v in variants)
    return f"{Table(['method', 'knob', *variants], cells).markdown()}\n\nSeeds: {seeds}."


@lru_cache
def _compared() -> list[Result]:
    """The committed comparison at its presets."""
    found = summarise(read_rows(FOLDER / "comparison.csv"), costs(read_rows(FOLDER / "comparison_cost.csv")))
    return [result for result in found if result.preset]


def _by_variant(found: Sequence[Result], names: Sequence[str]) -> str:
    """One row a method: drift in each variant, the worst of kept, the mean cost where the task is reached."""
    variants, cells = _variants(found), []
    for method in map(find_compared, names):
        of = {result.variant: result for result in found if result.method == method.name}
        if of:
            uses = "control" if method.control else method.information
            kept = min(result.kept for result in of.values() if result.kept is not None)
            spent = [x.cost for x in of.values() if x.cost is not None and x.whole]
            cost = f"{sum(spent) / len(spent):.2g}x" if spent else ""
            cells.append([method.label(method.preset), uses, *_drifts(of, variants), f"{kept:.2f}", cost])
    return Table(["method", "uses", *variants, "kept", "cost"], cells).markdown()


def _variants(found: Sequence[Result]) -> list[str]:
    return list(dict.fromkeys(result.variant for result in found))


def _drifts(of: Mapping[str, Result], variants: Sequence[str]) -> list[str]:
    return [_drift(of[variant]) if variant in of else "" for variant in variants]


def _drift(result: Result) -> str:
    """Drift, and how many times smaller its excess over the base is than naive's."""
    if not result.whole:
        return f"task reached in {result.reached} of {result.seeds}"
    return f"{result.drift:.2f}" if result.method == "naive" else f"{result.drift:.2f} ({times(result)})"


PARTS = {
    "headline": headline,
    "comparison": comparison,
    "confirmed": confirmed,
    "knobs": knobs,
}
