"""How well experiments and theory agree, as records and as a table."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from rich.console import Console

from synthetic.experiments.experiment import Z, agreement
from synthetic.runner.sweep import Sweep

from .tables import table


def agreement_record(done: Sweep) -> dict[str, Any]:
    """Name, cells, time and agreement of one sweep."""
    counts = {"cells": done.cells, "reused": done.reused, "rows": len(done.rows)}
    found = asdict(agreement(done.rows))
    return {"experiment": done.experiment.name, **counts, **found}


def show_agreement(records: Sequence[Mapping[str, Any]], out: Console) -> None:
    """One row an experiment: gaps between theory and mean over trials, in standard errors."""
    rows = [
        [
            r["experiment"],
            f"{r['cells']} ({r['reused']} reused)",
            str(r["rows"]),
            str(r["compared"]),
            _number(r["rms"]),
            _number(r["largest"]),
            str(r["violations"]),
        ]
        for r in records
    ]
    headers = ["experiment", "cells", "rows", "with a law", "rms gap", "largest gap", "violations"]
    out.print(table(headers, rows, width=out.width, droppable=["rows", "cells"]))
    out.print(
        "gaps: (mean − theory) where the law is an equation, in standard errors, or in fifths of the stated "
        f"finite-size term where these are larger; violations: off by more than {Z:.0f} standard errors and that "
        "term, or on the wrong side of a bound"
    )


def _number(value: float | None) -> str:
    return "–" if value is None else f"{value:.2f}"
