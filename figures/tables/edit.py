"""What ``grasp edit`` prints: all of the edit in a line, and the modules that changed most."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from real_models.adapters.text import many

from .table import Block, Table
from .terminal import number

if TYPE_CHECKING:
    from real_models.audit.edit_report import EditedModule

SHOWN = 12  # modules on one screen


def edit_blocks(rows: Sequence[EditedModule]) -> Iterator[Block]:
    """The share of ‖dW‖² that went and the largest leak that is left, then the modules that changed most."""
    before, after = sum(row.norm_before**2 for row in rows), sum(row.norm_after**2 for row in rows)
    change = after / before - 1 if before else 0.0
    leaks = [row.leak_after for row in rows if row.leak_after is not None]
    left = f"; of what is left at most {max(leaks):.2g} lies along the directions" if leaks else ""
    what = f"‖dW‖² together {100 * abs(change):.3g}% {'more' if change > 0 else 'less'}"
    yield f"{many(len(rows), 'module')} edited, {what}{left}"
    changed = {row.name for row in sorted(rows, key=lambda row: -abs(row.norm_after - row.norm_before))[:SHOWN]}
    cells = [
        [row.name, str(row.side), number(row.norm_before), number(row.norm_after), f"{100 * row.removed:.2f}%"]
        + [number(leak, ".2g") for leak in (row.leak_before, row.leak_after)]
        for row in rows
        if row.name in changed
    ]
    headers = ["module", "side", "norm before", "norm after", "energy removed", "leak before", "leak after"]
    yield Table(headers, cells, left=2, droppable=["leak before", "norm before", "side", "norm after"])
    if len(rows) > len(cells):
        yield f"… and {many(len(rows) - len(cells), 'module')} that changed less; --json has all of them"
