"""``grasp verify``: the statements of the theory, checked."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from .options import Jobs, JsonOption, check_targets


def verify(
    keys: Annotated[list[str] | None, typer.Argument(help="Which statements; all by default.")] = None,
    deep: Annotated[bool, typer.Option("--deep", help="Ten times the draws, larger sizes, longer searches.")] = False,
    explain: Annotated[str | None, typer.Option(help="Show one: proof, assumptions, an instance.")] = None,
    jobs: Jobs = 2,
    json: JsonOption = None,
) -> None:
    """Check every statement of the theory: holds, attained, needed, derived, rate, two routes, mutants.

    Exit code 1 if one fails, with what failed.
    """
    import warnings

    from joblib import Parallel, delayed, parallel_config

    from figures.tables import console, progress
    from figures.verification import show_outcomes, show_statement
    from grasp_theory.checks import find, verify_key
    from grasp_theory.report import SCHEMA_VERSION, plain
    from grasp_theory.theorems import ORDER
    from synthetic.results import write_json

    check_targets(json)
    out = console()
    if explain is not None:
        show_statement(find([explain])[0], out)
        return
    chosen = [statement.key for statement in find(keys)] if keys else list(ORDER)
    # Importing torch in a worker looks like a memory leak to joblib, which then replaces the worker and says so.
    warnings.filterwarnings("ignore", message="A worker stopped while some jobs were given")
    tasks = (delayed(verify_key)(key, deep=deep) for key in chosen)
    workers = parallel_config("loky", n_jobs=min(jobs, len(chosen)), inner_max_num_threads=1, idle_worker_timeout=3600)
    with workers, progress("verify", out) as track:
        outcomes = list(track(Parallel(return_as="generator")(tasks), len(chosen)))
    if json is not None:
        write_json(json, {"schema_version": SCHEMA_VERSION, "deep": deep, "statements": plain(outcomes)})
    if json != Path("-"):
        show_outcomes(outcomes, out)
    if not all(outcome.stands for outcome in outcomes):
        raise typer.Exit(1)
