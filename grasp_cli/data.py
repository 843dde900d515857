"""``grasp data``: the files of an experiment on a language model, from public data sets that a user brings."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from .names import configurations
from .options import DatasetsOption, make_folder


def data(
    name: Annotated[
        str | None, typer.Argument(help="An experiment; see --list.", autocompletion=configurations)
    ] = None,
    output: Annotated[Path | None, typer.Option("-o", "--output", help="Folder to write; created if missing.")] = None,
    datasets: DatasetsOption = None,
    base: Annotated[
        Path | None,
        typer.Option("--base", help="Model folder for the configuration; default: that of `grasp model smollm2`."),
    ] = None,
    seed: Annotated[
        int | None, typer.Option(min=0, help="Draw other rows, facts and questions; default: that of the experiment.")
    ] = None,
    list_experiments: Annotated[bool, typer.Option("--list", help="List the experiments and exit.")] = False,
) -> None:
    """Write the files of an experiment on a language model.

    Training rows, control arms, pairs and texts, and the file that `grasp compare` runs. The same data sets give the
    same files. Nothing that a model is scored by is trained on: no question or answer with eight words in a row in
    common (code: 24), no topic of drift, no wording of the task.
    """
    from figures.tables import console, progress
    from grasp_theory import InputError
    from real_models.comparison.language import configurations as there_are
    from real_models.comparison.language import read_configuration

    out = console()
    if list_experiments:
        for known in there_are():
            first = read_configuration(known)[0].splitlines()[0].removeprefix("# ")
            out.print(f"{known}: {first}", highlight=False, markup=False)
        return
    if name is None or output is None or datasets is None:
        raise InputError(
            f"an experiment, --output and --datasets are needed; the experiments are {', '.join(there_are())}"
        )
    with progress("data sets"):
        rows = prepare(name, datasets, base, output, seed=seed)
    for file, count in rows.items():
        out.print(f"{output / file}: {count} rows", highlight=False, markup=False)
    out.print(f"grasp compare {output / name}.toml runs it", highlight=False, markup=False)


def prepare(
    name: str, datasets: Path | None, base: Path | None, folder: Path, *, seed: int | None = None
) -> dict[str, int]:
    """Write the files of an experiment and its configuration; the rows of each. Without ``base``: the cache's model."""
    from grasp_theory import InputError
    from real_models.comparison.language import read_configuration, write_experiment
    from real_models.language_model import model_folder

    read_configuration(name)
    if datasets is None:
        raise InputError(f"{name} is made from public data sets: name their folder, --datasets FOLDER")
    base = base or model_folder()
    if not base.is_dir():
        raise InputError(f"there is no model in {base}: run `grasp model smollm2`, or name one with --base")
    make_folder(folder)
    return write_experiment(name, datasets, folder, base=base, seed=seed)
