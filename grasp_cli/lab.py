"""``grasp sweep`` and ``grasp figures``: the experiments of the linear lab and what is drawn of them."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from .options import Jobs, JsonOption, Results, check_targets, make_folder, parse_changes

Quick = Annotated[bool, typer.Option("--quick", help="Fewer cells and trials: seconds instead of minutes.")]
ListOption = Annotated[bool, typer.Option("--list", help="List the names and exit.")]


def sweep(
    names: Annotated[list[str] | None, typer.Argument(help="Which experiments; all by default.")] = None,
    quick: Quick = False,
    trials: Annotated[int | None, typer.Option(min=1, help="Trials a cell, instead of the experiment's own.")] = None,
    change: Annotated[
        list[str] | None, typer.Option("--set", metavar="NAME=VALUE", help="Replace a setting in all cells.")
    ] = None,
    jobs: Jobs = 2,
    dask: Annotated[str | None, typer.Option(metavar="ADDRESS", help="Run the cells on a Dask cluster.")] = None,
    results: Results = Path("results"),
    json: JsonOption = None,
    show: ListOption = False,
) -> None:
    """Run the experiments of the linear lab: measured points with the theory beside them, and how well they agree.

    Cells that RESULTS holds already are not measured again, so an interrupted run goes on where it was.
    """
    from figures.agreement import agreement_record, show_agreement
    from figures.catalogue import FIGURES, csv_name, experiments, run_experiment
    from figures.tables import console, progress
    from synthetic.runner.results import write_json

    if show:
        for name in experiments():
            typer.echo(f"{name}: {FIGURES[name].caption}")
        return
    chosen = experiments(names)
    check_targets(json)
    changes = parse_changes(change)
    make_folder(results)
    out = console()
    records = []
    for name in chosen:
        with progress(name, out) as track:
            done = run_experiment(
                name, results, quick=quick, trials=trials, changes=changes, n_jobs=jobs, dask=dask, progress=track
            )
        records += [agreement_record(s) for s in done]
        if json != Path("-"):
            out.print(f"{name}: {results / csv_name(name)}")
    record = {"schema_version": 1, "quick": quick, "experiments": records}
    # how many cells were there already is this run's story: left out where an interrupted one must leave the same
    kept = [{key: value for key, value in r.items() if key != "reused"} for r in records]
    write_json(results / "agreement.json", record | {"experiments": kept})
    if json is not None:
        write_json(json, record)
    if json != Path("-"):
        show_agreement(records, out)


def figures(
    names: Annotated[list[str] | None, typer.Argument(help="Which figures; all by default.")] = None,
    results: Annotated[Path, typer.Option(help="Folder to write PDF, PNG and CSV to; created if missing.")] = Path(
        "results"
    ),
    data: Annotated[Path | None, typer.Option(help="Folder of the CSV files; the committed ones by default.")] = None,
    check: Annotated[
        bool,
        typer.Option("--check", help="Measure again; exit 1 if the committed numbers differ."),
    ] = False,
    quick: Quick = False,
    jobs: Jobs = 2,
    show: ListOption = False,
) -> None:
    """Draw the figures again from the committed results (PDF, PNG and the CSV behind them)."""
    from figures.catalogue import FIGURES, chosen, draw
    from figures.tables import console
    from grasp_theory import InputError

    if show:
        for name, entry in FIGURES.items():
            typer.echo(f"{name}: {entry.caption}")
        return
    if quick and not check:
        raise InputError("--quick goes with --check; figures are drawn from what is there")
    if check and data is not None:
        raise InputError("--check compares with the committed numbers: leave --data out")
    selected = chosen(names)
    make_folder(results)
    if check:
        from figures.regenerate import compare_all

        if not compare_all(selected, results, quick=quick, n_jobs=jobs, out=console()):
            raise typer.Exit(1)
        return
    for name in selected:
        for path in draw(name, results, data=data):
            typer.echo(str(path))
