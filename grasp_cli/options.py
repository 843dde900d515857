"""Options and checks that several commands share."""

from __future__ import annotations

import re
import shlex
from collections.abc import Collection, Sequence
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


# headings of sections in a command's help
WRITTEN = "What is written"
MODEL = "Model and data"

AdapterPath = Annotated[
    Path, typer.Argument(help="A LoRA folder of PEFT or MLX, a diffusers file, or a folder of checkpoint-N folders.")
]
JsonOption = Annotated[
    Path | None,
    typer.Option("--json", help="Write the result to this file; - for standard output.", rich_help_panel=WRITTEN),
]
HtmlOption = Annotated[
    Path | None, typer.Option("--html", help="Write a self-contained page with pictures.", rich_help_panel=WRITTEN)
]
Jobs = Annotated[int, typer.Option(min=1, help="Worker processes, each with one BLAS thread.")]
Results = Annotated[Path, typer.Option(help="Folder for results; created if missing.", rich_help_panel=WRITTEN)]
DatasetsOption = Annotated[
    Path | None, typer.Option(help="Folder of the public data sets; what is missing there is named.")
]
Name = Annotated[str | None, typer.Option(help="Which adapter, if the folder holds several.")]


def make_folder(path: Path) -> None:
    """The folder, or InputError."""
    from grasp_theory import InputError

    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"cannot create the folder {path}: {error.strerror or error}; name another one") from error


def check_targets(*targets: Path | None, inputs: Sequence[Path | None] = (), results: Path | None = None) -> None:
    """Refuse what cannot be written before the work, not after it; "-" is standard output, None stands for no file.

    A file in ``results`` can be written though that folder is not there yet: the command makes it.
    """
    from synthetic.runner.results import check_targets as check

    made = None if results is None or results.exists() else results
    written = [path for path in targets if path is not None and path != Path("-") and path.parent != made]
    check(written, [path for path in inputs if path is not None])


def as_options(message: str, options: Collection[str]) -> str:
    """A message of the toolkit in the words of a command that has these options.

    "with name='a'" becomes "with --name a"; what the command has no option for stays a keyword of the Python call.
    """

    def option(found: re.Match[str]) -> str:
        return f"{found[1]} --{found[2]} {shlex.quote(found[3])}" if f"--{found[2]}" in options else found[0]

    return re.sub(r"\b(with|use) ([a-z_]+)='([^']*)'", option, message)


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
