"""Weights that were kept: read back only if they are whole, and what was expected."""

from __future__ import annotations

import warnings
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from synthetic.runner.code_version import code_version
from synthetic.runner.store import digest

if TYPE_CHECKING:
    import torch


def kept(path: Path) -> tuple[dict[str, torch.Tensor], dict[str, str]] | None:
    """Tensors and text of a safetensors file; None if it is not there or, with a warning, if it is not whole."""
    from safetensors import SafetensorError, safe_open

    if not path.exists():
        return None
    try:
        with safe_open(str(path), framework="pt") as file:
            found = {name: file.get_tensor(name) for name in file.keys()}, file.metadata() or {}  # noqa: SIM118
    except (OSError, ValueError, SafetensorError) as error:
        damaged(path, str(error))
        return None
    return found


def spec_key(spec: Any) -> str:
    """What is kept of a spec is named by its fields and the code of its module."""
    return digest([asdict(spec), code_version(type(spec).__module__)])[:16]


def damaged(path: Path, why: str) -> None:
    """The warning: what is made again has the place of the file."""
    warnings.warn(f"the kept weights {path} cannot be used ({why}); they are made again", stacklevel=3)
