"""``grasp data``: the files of an experiment on a language model, from public data sets that a user brings."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from .options import make_folder


def data(
    name: Annotated[str | None, typer.Argument(help="An experiment; see --list.")] = None,
    output: Annotated[Path | None, typer.Option("-o", "--output", help="Folder to write; created if missing.")] = None,
    datasets: Annotated[
        Path | None, typer.Option("--data", help="Folder of the data sets; what is missing there is named.")
    ] = None,
    base: Annotated[
        Path | None, typer.Option("--base", help="Model folder for the configuration; OUTPUT/model if none is given.")
    ] = None,
    list_experiments: Annotated[bool, typer.Option("--list", help="List the experiments and exit.")] = False,
) -> None:
    """Write training rows, control arms, pairs and texts of an experiment, and the file that `grasp compare` runs.

    The same data sets give the same files. Nothing that a model is scored by is trained on: no question or answer with
    eight words in a row in common (code: 24), no topic of drift, no wording of the task.
    """
    from figures.tables import console
    from grasp_theory import InputError
    from real_models.comparison.language import configurations, read_configuration, write_experiment

    out = console()
    if list_experiments:
        for known in configurations():
            first = read_configuration(known)[0].splitlines()[0].removeprefix("# ")
            out.print(f"{known}: {first}", highlight=False, markup=False)
        return
    if name is None or output is None or datasets is None:
        raise InputError(
            f"an experiment, --output and --data are needed; the experiments are {', '.join(configurations())}"
        )
    read_configuration(name)
    make_folder(output)
    rows = write_experiment(name, datasets, output, base=base)
    for file, count in rows.items():
        out.print(f"{output / file}: {count} rows", highlight=False, markup=False)
    out.print(f"grasp compare {output / name}.toml runs it", highlight=False, markup=False)
