"""The HTML page of ``grasp survey``."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from synthetic.runner.results import write_atomically

from ..plots.overlap import heat_map
from ..tables.survey import adapter_table, outlier_table, unread_table
from .html import Picture, page, picture

if TYPE_CHECKING:
    from collections.abc import Sequence

    from real_models.audit.finding import Finding
    from real_models.audit.survey import Survey

HOW = "Robust z of a number among the adapters of one base model and side, of its logarithm for a size."
CAPTION = "Mean squared cosine between the leading directions of two adapters: 1 the same, 0 orthogonal."


@dataclass(frozen=True)
class _Group:
    """The adapters of one base model and side: what their pairs say, and the heat map."""

    name: str
    said: Sequence[Finding]
    map: Picture


def write_survey(target: Path, found: Survey) -> None:
    """What stands apart first, then the pairs of each group, every adapter, and those that could not be read."""
    from real_models.audit.survey import states

    known = states(row for row in found.rows if not row.error)
    groups = [
        _Group(
            name,
            found.said[name],
            picture(heat_map(matrix), alt=f"Heat map of the overlap of all pairs, {name}", caption=CAPTION),
        )
        for name, matrix in found.groups.items()
    ]
    made = page(
        "survey.html",
        title="Survey of adapters",
        configuration=[("folder", str(found.folder))],
        counts=[
            ("adapters", str(len(found.rows))),
            ("not read", str(len(found.broken))),
            ("most basic finding of each", ", ".join(f"{said} {n}" for said, n in known)),
        ],
        how=HOW,
        outliers=outlier_table(found.outliers) if found.outliers else None,
        groups=groups,
        adapters=adapter_table(found),
        unread=unread_table(found) if found.broken else None,
    )
    write_atomically(target, made)
