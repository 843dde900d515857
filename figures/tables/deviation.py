"""How well experiments and theory agree, as a table."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from synthetic.runner.deviation import Z

from .table import Block, Table
from .terminal import number


def deviation_tables(records: Sequence[Mapping[str, Any]]) -> Iterator[Block]:
    """One row an experiment: gaps between theory and mean over trials, in standard errors."""
    rows = [
        [
            r["experiment"],
            f"{r['cells']} ({r['reused']} reused)",
            str(r["rows"]),
            str(r["compared"]),
            number(r["rms"], ".2f"),
            number(r["largest"], ".2f"),
            str(r["violations"]),
        ]
        for r in records
    ]
    headers = ["experiment", "cells", "rows", "with a law", "rms gap", "largest gap", "violations"]
    yield Table(headers, rows, droppable=["rows", "cells"])
    yield (
        "gaps: (mean − theory) where the law is an equation, in standard errors, or in fifths of the stated "
        f"finite-size term where these are larger; violations: off by more than {Z:.0f} standard errors and that "
        "term, or on the wrong side of a bound"
    )
