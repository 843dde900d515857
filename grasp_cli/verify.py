"""``grasp verify``: the statements of the theory, checked."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from .names import statements
from .options import Jobs, JsonOption, check_targets


def verify(
    keys: Annotated[
        list[str] | None, typer.Argument(help="Which statements; all by default.", autocompletion=statements)
    ] = None,
    deep: Annotated[bool, typer.Option("--deep", help="Ten times the draws, larger sizes, longer searches.")] = False,
    explain: Annotated[
        bool, typer.Option("--explain", help="Those named in full: proof, what each check found.")
    ] = False,
    jobs: Jobs = 2,
    json: JsonOption = None,
) -> None:
    """Check the theory's statements, each in every way that applies.

    The legend below the table names the ways. Exit code 1 if one fails, with what failed. Always anew: only `grasp
    reproduce` keeps what was checked.
    """
    from figures.tables import console
    from figures.tables.verification import show_statement
    from grasp_theory import InputError
    from grasp_theory.statements.registry import ORDER, find

    check_targets(json)
    if explain and not keys:
        raise InputError("--explain shows the statements that are named: grasp verify prior-angle --explain")
    if explain:
        for statement in find(keys):
            show_statement(statement, console())
        return
    check_all([statement.key for statement in find(keys)] if keys else ORDER, deep=deep, jobs=jobs, json=json)


def check_all(
    keys: Sequence[str], *, deep: bool = False, jobs: int, json: Path | None, folder: Path | None = None
) -> None:
    """The command for these statements, their outcomes kept in ``folder``; exit code 1 if one fails, kept or not."""
    from figures.tables import console, progress
    from figures.tables.verification import show_outcomes
    from grasp_theory.identification.report import SCHEMA_VERSION, plain
    from synthetic.runner.results import write_json
    from synthetic.runner.statements import check_statements

    out = console()
    with progress("statements") as track:
        outcomes = check_statements(keys, deep=deep, folder=folder, n_jobs=jobs, progress=track)
    if json is not None:
        write_json(json, {"schema_version": SCHEMA_VERSION, "deep": deep, "statements": plain(outcomes)})
    if json != Path("-"):
        show_outcomes(outcomes, out)
    if not all(outcome.stands for outcome in outcomes):
        raise typer.Exit(1)
