"""Options and checks that several commands share."""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer


class SideOption(StrEnum):
    auto = "auto"
    write = "write"
    read = "read"


class PoolOption(StrEnum):
    auto = "auto"
    layers = "layers"
    none = "none"


AdapterPath = Annotated[Path, typer.Argument(help="A PEFT adapter folder, or a folder of checkpoint-N folders.")]
JsonOption = Annotated[
    Path | None, typer.Option("--json", help="Write the result to this file; - for standard output.")
]
Jobs = Annotated[int, typer.Option(min=1, help="Worker processes, each with one BLAS thread.")]
Results = Annotated[Path, typer.Option(help="Folder for results; created if missing.")]


def make_folder(path: Path) -> None:
    """The folder, or InputError."""
    from grasp_theory import InputError

    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"cannot create the folder {path}: {error.strerror or error}") from error


def check_targets(*targets: Path | None, inputs: Sequence[Path] = ()) -> None:
    """Refuse what cannot be written before the work, not after it; "-" is standard output."""
    from synthetic.runner.results import check_targets as check

    check([path for path in targets if path != Path("-")], inputs)


def parse_changes(texts: Sequence[str] | None) -> dict[str, str]:
    """{NAME: VALUE} of a list of NAME=VALUE; InputError for anything else."""
    from grasp_theory import InputError

    out = {}
    for text in texts or []:
        name, equals, value = text.partition("=")
        if not equals:
            raise InputError(f"--set takes NAME=VALUE, got {text!r}")
        out[name] = value
    return out
