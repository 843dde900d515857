"""The HTML page of ``grasp survey``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from synthetic.runner.results import write_atomically

from ..plots.overlap import heat_map
from ..tables import Table
from ..tables.survey import adapter_table, outlier_table
from .html import Part, blocks, facts, findings_part, heading, page, paragraph, picture

if TYPE_CHECKING:
    from real_models.audit.survey import Survey


def write_survey(target: Path, found: Survey) -> None:
    """What stands apart first, then the pairs of each group, every adapter, and those that could not be read."""
    from real_models.audit.survey import states

    about = [("folder", str(found.folder)), ("adapters", str(len(found.rows)))]
    parts: list[Part] = [facts([*about, *((state, str(count)) for state, count in states(found.rows))])]
    if found.outliers:
        how = "Robust z of a number among the adapters of one base model and side, of its logarithm for a size."
        parts += [heading("Stand apart"), paragraph(how), *blocks([outlier_table(found.outliers)])]
    for group, matrix in found.groups.items():
        caption = "Mean squared cosine between the leading directions of two adapters: 1 the same, 0 orthogonal."
        parts += [heading(f"Pairs: {group}"), findings_part(found.said[group]), picture(heat_map(matrix), caption)]
    parts += [heading("Adapters"), *blocks([adapter_table(found)])]
    if found.broken:
        rows = [[row.name, row.error or ""] for row in found.broken]
        parts += [heading("Not read"), *blocks([Table(["adapter", "why"], rows, left=2)])]
    write_atomically(target, page("Survey of adapters", parts).encode())
