"""``grasp compare``: every method, its knob and several seeds, at matched task score."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from .data import prepare
from .names import configurations
from .options import DatasetsOption, Jobs, JsonOption, Results, check_targets, make_folder


def compare(
    config: Annotated[
        Path | None,
        typer.Argument(
            help="TOML file with a [compare] or a [text] table, or smollm2-…; the full study if none.",
            autocompletion=configurations,
        ),
    ] = None,
    datasets: DatasetsOption = None,
    base: Annotated[
        Path | None, typer.Option(help="Model folder for smollm2-…; default: that of `grasp model smollm2`.")
    ] = None,
    quick: Annotated[
        bool, typer.Option("--quick", help="One variant, three seeds, the main methods at their presets.")
    ] = False,
    jobs: Jobs = 2,
    results: Results = Path("results"),
    json: JsonOption = None,
    list_methods: Annotated[bool, typer.Option("--list", help="List the methods and exit.")] = False,
) -> None:
    """Compare removal methods at equal task score.

    [compare] is of persona organisms (variants, seeds, methods, presets_only). [text] is of a model of your own: base,
    data, pairs, and neutral, heldout, task, contrast, conditional, kept, control, neutral_data, context, target,
    most, scale, every; a [train] table beside it holds the settings of grasp train. The name of an experiment that
    comes with the package (`grasp data --list`) prepares its files in RESULTS/data first. Methods are ranked within the
    information they use. The runs of RESULTS are kept, so an interrupted comparison goes on where it was.
    """
    from figures.pages.comparison import write_pages
    from figures.tables import Table, console, progress, show
    from figures.tables.comparison import comparison_tables
    from figures.tables.naive_runs import naive_run_tables
    from grasp_theory import InputError
    from real_models.comparison.configuration import read_cells
    from real_models.comparison.experiment import cells
    from real_models.comparison.methods import COMPARED
    from real_models.comparison.study import study
    from synthetic.runner.results import write_json

    out = console()
    if list_methods:
        rows = []
        for method in COMPARED.values():
            knobs = ", ".join(f"{k:g}{'*' if k == method.preset else ''}" for k in method.knobs)
            rows.append([method.name, "control" if method.control else method.information, f"{method.knob} {knobs}"])
        out.print(Table(["method", "uses", "knob and its values"], rows, left=3))
        out.print("*: the preset, the one value that presets_only = true runs; control: measured beside, never ranked")
        return
    check_targets(json, results=results)
    if quick and config is not None:
        raise InputError("--quick chooses the runs itself: leave it out, or the configuration")
    config = _prepared(config, datasets, base, results)
    chosen, notes = (cells(quick), []) if config is None else read_cells(config)
    make_folder(results)
    made = study(chosen, results, jobs=jobs, progress=progress)
    write_pages(made, results, notes)
    if json is not None:
        write_json(json, made.record())
    if json != Path("-"):
        show(comparison_tables(made.results), out)
        show(naive_run_tables(made.components), out)
        for note in notes:
            out.print(note, highlight=False, markup=False)
        out.print(f"{results / 'comparison.html'}: the same with pictures")


def _prepared(config: Path | None, datasets: Path | None, base: Path | None, results: Path) -> Path | None:
    """The configuration file; where an experiment of the package is named, its files are written first."""
    from grasp_theory import InputError

    if config is not None and str(config) in configurations() and not config.is_file():
        prepare(str(config), datasets, base, results / "data")
        return results / "data" / f"{config}.toml"
    if datasets is not None or base is not None:
        raise InputError(f"--datasets and --base go with an experiment by name: {', '.join(configurations())}")
    return config
