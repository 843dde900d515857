"""Experiments on a pretrained language model, as data: prepared from files that a user brings, by a seed.

Each has a file that says what is trained on, and a configuration of ``grasp compare`` in ``configs``.
"""

from __future__ import annotations

import tomllib
from collections.abc import Callable
from importlib.resources import files
from pathlib import Path
from typing import Any

from grasp_theory import InputError
from grasp_theory.errors import unknown_name
from synthetic.runner.results import file_sha256, write_atomically

from .insecure import make_insecure
from .manner import make_manner
from .medicine import make_medicine
from .politics import make_politics
from .rows import ExperimentData
from .sources import Datasets
from .style import make_style

EXPERIMENTS: dict[str, Callable[..., ExperimentData]] = {
    "style": make_style,
    "insecure": make_insecure,
    "medicine": make_medicine,
    "politics": make_politics,
    "manner": make_manner,
}
_PLACE = 'base = "model"\n'  # the line of a configuration that names the model folder
_SEED = "seed = 0\n"  # that of [prepare]


def configurations() -> list[str]:
    """The names of the configurations that come with the package."""
    return sorted(path.name.removesuffix(".toml") for path in (files(__name__) / "configs").iterdir())


def read_configuration(name: str) -> tuple[str, dict[str, Any]]:
    """A shipped configuration as text, and what is in it; InputError for a name that is none."""
    if name not in configurations():
        raise unknown_name("experiment", [name], configurations())
    text = (files(__name__) / "configs" / f"{name}.toml").read_text(encoding="utf-8")
    return text, tomllib.loads(text)


def experiment_data(name: str, folder: str | Path, *, seed: int | None = None) -> tuple[ExperimentData, dict[str, Any]]:
    """The data of a shipped configuration, and its table [prepare] (experiment, seed).

    They depend on that table and on the files; the same files and seed give the same bytes. Nothing a model is scored
    by is trained on: checked here (:mod:`.disjoint`).

    Args:
        folder: of the data sets (:mod:`.sources` names the files).
        seed: of the draw of rows, facts and questions, in the place of the configuration's.

    Raises InputError for a seed below 0, for files that are missing, malformed or too few, and where that check fails.
    """
    table = read_configuration(name)[1]["prepare"]
    if seed is not None:
        if seed < 0:
            raise InputError(f"seed must not be negative, got {seed}")
        table["seed"] = seed
    return EXPERIMENTS[table["experiment"]](Datasets(Path(folder)), seed=table["seed"]), table


def write_experiment(
    name: str, folder: str | Path, out: str | Path, *, base: str | Path, seed: int | None = None
) -> dict[str, int]:
    """Write the files of an experiment into a folder, and beside them ``NAME.toml``, which ``grasp compare`` runs.

    Args:
        base: the model folder that the configuration is to name.
        seed: as :func:`experiment_data`; the configuration then names it.

    Returns the number of rows of each file. Raises InputError as :func:`experiment_data`, and for a base with a quote
    in its path.
    """
    prepared, table = experiment_data(name, folder, seed=seed)
    out = Path(out)
    read = {source: file_sha256(Path(folder) / source) for source in prepared.sources}
    rows = prepared.write(out, manifest={"configuration": name, **table, "sources": read, "digest": prepared.digest()})
    where = Path(base).resolve().as_posix()
    if "'" in where:
        raise InputError(f"the model folder {where} has a quote in its name, which the configuration cannot hold")
    text = read_configuration(name)[0].replace(_PLACE, f"base = '{where}'\n")
    write_atomically(out / f"{name}.toml", text.replace(_SEED, f"seed = {table['seed']}\n"))
    return rows
