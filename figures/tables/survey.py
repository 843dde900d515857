"""Tables of ``grasp survey``: one screen of what stands out, and every adapter as a row of a CSV file."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import numpy as np
from rich.text import Text

from real_models.adapters.text import listing

from .difference import chance_line
from .table import Block, Table
from .terminal import number

if TYPE_CHECKING:
    from real_models.audit.survey import Outlier, Survey, Surveyed

SHOWN = 8  # rows of a list on one screen
SMALL = 16  # adapters up to which all are shown there
NUMBERS = ("norm", "grown", "stable-rank", "shared-direction")  # shown where there is room


def survey_blocks(found: Survey) -> list[Block]:
    """How many of what, what stands apart, what is broken, and, of few, every adapter."""
    from real_models.audit.survey import states

    again = f"; {found.reused} were read before" if found.reused else ""
    unread = f", {len(found.broken)} not read" if found.broken else ""
    counts = ", ".join(f"{state} {count}" for state, count in states(row for row in found.rows if not row.error))
    out: list[Block] = [f"{len(found.rows)} adapters in {found.folder}{unread}{again}"]
    out += [f"most basic finding of each: {counts}"] if counts else []
    for group, matrix in list(found.groups.items())[:SHOWN]:
        out += [Text(f"\n{group}: {len(matrix.names)} adapters", style="bold")]
        out += [f"- {finding.text}" for finding in found.said[group][:SHOWN]]
        out += _more(len(found.said[group]), "findings")
        out.append(f"  {chance_line(matrix)}")
    out += _more(len(found.groups), "groups of one base and side")
    if found.outliers:
        out += ["", outlier_table(found.outliers[:SHOWN]), *_more(len(found.outliers), "numbers")]
    if found.broken:
        out += ["", unread_table(found, most=SHOWN)]
    if len(found.rows) <= SMALL:
        out += ["", adapter_table(found)]
    return out


def _more(count: int, what: str) -> list[Block]:
    return [f"… and {count - SHOWN} more {what}"] if count > SHOWN else []


def unread_table(found: Survey, *, most: int | None = None) -> Table:
    """What could not be read, one row a reason, without the folder that the name says already; ``most`` names each."""
    names: dict[str, list[str]] = {}
    for row in found.broken:
        path = str(found.folder / row.name)
        reason = " ".join((row.error or "").removeprefix(path).replace(f"{path}/", "").lstrip("/: ").split())
        names.setdefault(reason, []).append(row.name)
    rows = [[listing(those, most or len(those)), reason] for reason, those in names.items()]
    return Table(["not read", "why"], rows, left=2)


def outlier_table(outliers: Sequence[Outlier]) -> Table:
    """Numbers that lie apart from the other adapters of their base."""
    rows = [[o.name, o.label, number(o.value), number(o.median), f"{o.z:+.1f}"] for o in outliers]
    return Table(["stands apart", "in", "value", "median", "robust z"], rows, left=2)


def adapter_table(found: Survey) -> Table:
    """Every adapter that was read, with its nearest."""
    nearest = found.nearest()
    apart = {o.name for o in found.outliers}
    headers = ["adapter", "state", *NUMBERS, "nearest", "overlap", "by chance", "apart"]
    rows = []
    for row in found.rows:
        other, overlap, chance, spread = nearest.get(row.name, ("–", float("nan"), float("nan"), float("nan")))
        numbers = [number(row.numbers.get(key, float("nan"))) for key in NUMBERS]
        by_chance = f"{chance:.3f} ± {spread:.3f}" if np.isfinite(chance) else "–"
        rows.append(
            [row.name, row.state, *numbers, other, number(overlap), by_chance, "*" if row.name in apart else ""]
        )
    return Table(headers, rows, left=2, droppable=["by chance", "stable-rank", "shared-direction", "nearest", "grown"])


def survey_rows(found: Survey) -> list[dict[str, Any]]:
    """One row an adapter, for a CSV file; the columns of all numbers that any of them has."""
    keys = list(dict.fromkeys(key for row in found.rows for key in row.numbers))
    nearest = found.nearest()
    apart: dict[str, list[str]] = {}
    for o in found.outliers:
        apart.setdefault(o.name, []).append(f"{o.label} {o.value:.4g} (z {o.z:+.1f})")
    return [_record(row, nearest.get(row.name), apart.get(row.name, []), keys) for row in found.rows]


def _record(
    row: Surveyed, near: tuple[str, float, float, float] | None, apart: Sequence[str], keys: Sequence[str]
) -> dict[str, Any]:
    other, overlap, chance, spread = near or (None, None, None, None)
    return {
        "adapter": row.name,
        "state": row.state,
        "error": row.error,
        "base": row.base,
        "side": row.side,
        "modules": row.modules,
        "ranks": " ".join(map(str, row.ranks)),
        "verdict": row.verdict,
        "nearest": other,
        "overlap": overlap,
        "random": chance,
        "random_sd": spread,
        "apart": "; ".join(apart),
        **{key: row.numbers.get(key) for key in keys},
        "findings": " ".join(finding.text for finding in row.findings),
        "warnings": "; ".join(row.warnings),
    }


def survey_record(found: Survey) -> dict[str, Any]:
    """The fields as JSON values, with ``schema_version``."""
    nearest = found.nearest()
    rows = []
    for row in found.rows:
        near = nearest.get(row.name)
        fields = ("name", "overlap", "random", "random_sd")
        rows.append({**asdict(row), "nearest": dict(zip(fields, near, strict=True)) if near else None})
    groups = {
        group: {"findings": [asdict(f) for f in found.said[group]], **matrix.to_dict()}
        for group, matrix in found.groups.items()
    }
    outliers = [asdict(o) for o in found.outliers]
    return {"schema_version": 1, "folder": str(found.folder), "adapters": rows, "outliers": outliers, "groups": groups}
