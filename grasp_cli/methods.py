"""``grasp methods``: what there is to remove a factor with."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from .options import JsonOption, check_targets


def methods(
    explain: Annotated[bool, typer.Option("--explain", help="What each guarantees, too.")] = False,
    json: JsonOption = None,
) -> None:
    """List the methods: when each acts, and what it needs."""
    from figures.tables import Table, console
    from real_models.methods import METHODS
    from synthetic.runner.results import write_json

    check_targets(json)
    rows = [(m.name, m.phase, m.needs, m.guarantees) for m in METHODS]
    if json is not None:
        names = ("name", "phase", "needs", "guarantees")
        write_json(json, {"schema_version": 1, "methods": [dict(zip(names, row, strict=True)) for row in rows]})
    if json != Path("-"):
        shown = 4 if explain else 3
        out = console()
        out.print(
            Table(["method", "acts in", "needs", "guarantees"][:shown], [row[:shown] for row in rows], left=shown)
        )
        if not explain:
            out.print("--explain: what each guarantees", style="dim")
