"""``grasp sweep`` and ``grasp figures``: the experiments of the linear lab and what is drawn of them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from .names import experiments
from .names import figures as figure_names
from .options import Jobs, JsonOption, Results, check_targets, make_folder, parse_changes

if TYPE_CHECKING:
    from synthetic.runner.sweep import Sweep

Quick = Annotated[bool, typer.Option("--quick", help="Fewer cells and trials: seconds instead of minutes.")]
ListOption = Annotated[bool, typer.Option("--list", help="List the names and exit; those given, in full.")]


def sweep(
    names: Annotated[
        list[str] | None, typer.Argument(help="Which experiments; all by default.", autocompletion=experiments)
    ] = None,
    quick: Quick = False,
    trials: Annotated[int | None, typer.Option(min=1, help="Trials a cell, instead of the experiment's own.")] = None,
    change: Annotated[
        list[str] | None, typer.Option("--set", metavar="NAME=VALUE", help="Replace a setting in all cells.")
    ] = None,
    jobs: Jobs = 2,
    dask: Annotated[str | None, typer.Option(metavar="ADDRESS", help="Run the cells on a Dask cluster.")] = None,
    results: Results = Path("results"),
    json: JsonOption = None,
    html: Annotated[Path | None, typer.Option(help="Write a self-contained page with pictures.")] = None,
    list_names: ListOption = False,
) -> None:
    """Measure the experiments of the linear lab beside their theory.

    Measured points with the theory beside them, and how well they agree. Cells that RESULTS holds already are not
    measured again, so an interrupted run goes on where it was.
    """
    from figures.catalogue import csv_name
    from figures.catalogue import experiments as there_are
    from figures.tables import console, progress, show
    from figures.tables.deviation import deviation_tables
    from grasp_theory import InputError
    from synthetic.runner.results import write_json

    if list_names:
        _list(there_are(names), whole=bool(names))
        return
    chosen = there_are(names)
    if html == Path("-"):
        raise InputError("only --json can go to standard output: name a file for --html")
    check_targets(json, html, results=results)
    changes = parse_changes(change)
    make_folder(results)
    out = console()
    of: dict[str, list[dict[str, Any]]] = {}
    for name in chosen:
        with progress(name) as track:
            done = _measure(
                name, results, quick=quick, trials=trials, changes=changes, n_jobs=jobs, dask=dask, progress=track
            )
        of[name] = [s.record() for s in done]
        if json != Path("-"):
            out.print(f"{name}: {results / csv_name(name)}")
    records = [record for found in of.values() for record in found]
    record = {"schema_version": 1, "quick": quick, "experiments": records}
    # how many cells were there already is this run's story: left out where an interrupted one must leave the same
    kept = [{key: value for key, value in r.items() if key != "reused"} for r in records]
    write_json(results / "agreement.json", record | {"experiments": kept})
    if json is not None:
        write_json(json, record)
    if html is not None:
        from figures.pages.sweep import write_sweeps

        asked = [
            ("cells", "quick" if quick else "all"),
            ("trials", "the experiment's own" if trials is None else str(trials)),
        ]
        write_sweeps(html, results, of, [*asked, *(("set", setting) for setting in change or ())])
    if json != Path("-"):
        show(deviation_tables(records), out)


def figures(
    names: Annotated[
        list[str] | None, typer.Argument(help="Which figures; all by default.", autocompletion=figure_names)
    ] = None,
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
    list_names: ListOption = False,
) -> None:
    """Draw the figures again: PDF, PNG and the CSV behind them."""
    from figures.catalogue import chosen, draw
    from figures.tables import progress
    from grasp_theory import InputError

    if list_names:
        _list(chosen(names), whole=bool(names))
        return
    if quick and not check:
        raise InputError("--quick goes with --check; figures are drawn from what is there")
    if check and data is not None:
        raise InputError("--check compares with the committed numbers: leave --data out")
    selected = chosen(names)
    make_folder(results)
    if check:
        _check(selected, results, quick=quick, jobs=jobs)
        return
    with progress("figures") as watch:
        paths = [path for name in watch(selected, len(selected)) for path in draw(name, results, data=data)]
    for path in paths:
        typer.echo(str(path))


def _list(names: Sequence[str], *, whole: bool) -> None:
    """Name and caption; on a terminal what fits into a line, unless ``whole``."""
    from figures.catalogue import FIGURES
    from figures.tables import console

    out = console()
    for name in names:
        line = f"{name}: {FIGURES[name].caption}"
        if whole or not out.is_terminal:
            out.print(line)
        else:
            out.print(line, overflow="ellipsis", no_wrap=True)


def _measure(name: str, results: Path, **options: Any) -> list[Sweep]:
    """Sweep what a figure is made of, write its CSV; ``options`` are those of :func:`~synthetic.runner.sweep.sweep`."""
    from figures.catalogue import FIGURES, csv_name
    from synthetic.runner.results import write_csv
    from synthetic.runner.sweep import sweep

    entry = FIGURES[name]
    places = {module: results / "sweeps" / module.rpartition(".")[2] for module in entry.experiments + entry.organisms}
    done = [sweep(module, place, **options) for module, place in places.items()]
    write_csv(results / csv_name(name), [row for s in done for row in s.rows])
    return done


def _check(names: Sequence[str], results: Path, *, quick: bool, jobs: int) -> None:
    """Sweep again into ``results`` and compare with the committed numbers; exit code 1 where they differ."""
    from figures import rows as committed
    from figures.catalogue import FIGURES, csv_name
    from figures.tables import Table, console, progress
    from synthetic.runner.deviation import compare

    out, lines, sound = console(), [], True
    for name in names:
        if not FIGURES[name].experiments:
            lines.append([name, "–", "–", "–", "not swept"])
            continue
        with progress(name) as track:
            _measure(name, results, quick=quick, n_jobs=jobs, progress=track)
        new, known = (committed.read_rows(folder / csv_name(name)) for folder in (results, committed.FOLDER))
        shared, worst, off = compare(new, known, quick=quick)
        good = off == 0 and shared > 0
        sound &= good
        lines.append([name, str(shared), f"{worst:.2g}", str(off), "same" if good else "DIFFERS"])
    headers = ["figure", "rows compared", "largest / tolerance", "off", ""]
    out.print(Table(headers, lines, droppable=["rows compared"]))
    if not sound:
        raise typer.Exit(1)
