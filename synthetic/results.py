"""Result files: written whole or not at all, each beside a manifest that says how it came about."""

from __future__ import annotations

import contextlib
import csv
import io
import json
import os
import platform
import tempfile
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from grasp_theory import InputError


def write_atomically(path: str | Path, write: Callable[[BinaryIO], object]) -> Path:
    """Call ``write(file)`` on a temporary file beside ``path`` and rename it into place when that has succeeded.

    Whatever interrupts it (an exception, Ctrl-C, a full disk), ``path`` is either as it was or complete.
    Raises InputError if the folder is missing or not writable.
    """
    path = check_target(path)
    try:
        descriptor, temporary = tempfile.mkstemp(prefix=f".{path.name[:40]}.", suffix=".part", dir=path.parent)
    except OSError as error:
        raise InputError(f"cannot write {path}: {error.strerror or error}") from error
    try:
        with os.fdopen(descriptor, "wb") as file:
            write(file)
            file.flush()
            os.fsync(file.fileno())
        os.chmod(temporary, 0o666 & ~_umask())
        os.replace(temporary, path)
    except OSError as error:
        _remove(temporary)
        raise InputError(f"cannot write {path}: {error.strerror or error}") from error
    except BaseException:
        _remove(temporary)
        raise
    return path


def check_target(path: str | Path) -> Path:
    """The path, if a file could be written there; InputError otherwise. To be asked before long work."""
    path = Path(path)
    if path.is_dir():
        raise InputError(f"expected a file to write, got the folder {path}; name a file in it")
    if not path.parent.is_dir():
        raise InputError(f"cannot write {path}: the folder {path.parent} does not exist; create it first")
    if not os.access(path.parent, os.W_OK):
        raise InputError(f"cannot write {path}: no permission to write in {path.parent}")
    return path


def json_text(value: Mapping[str, Any]) -> str:
    """JSON with two-space indent; NaN and Inf are refused (None stands for what was not estimated)."""
    return json.dumps(value, indent=2, allow_nan=False, ensure_ascii=False) + "\n"


def write_json(path: str | Path, value: Mapping[str, Any]) -> Path:
    """:func:`json_text`, written whole or not at all."""
    text = json_text(value)
    return write_atomically(path, lambda file: file.write(text.encode()))


def write_csv(path: str | Path, rows: Iterable[Mapping[str, Any]]) -> Path:
    """Comma-separated values with a header line; every row has the columns of the first."""
    rows = list(rows)
    text = io.StringIO()
    writer = csv.DictWriter(text, fieldnames=list(rows[0]) if rows else [], lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return write_atomically(path, lambda file: file.write(text.getvalue().encode()))


def manifest(config: Mapping[str, Any]) -> dict[str, Any]:
    """What a result depends on: the configuration (seeds included) and the versions that computed it."""
    import scipy

    versions = {"python": platform.python_version(), "numpy": np.__version__, "scipy": scipy.__version__}
    return {"schema_version": 1, "config": dict(config), "versions": versions}


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


def _remove(path: str) -> None:
    with contextlib.suppress(OSError):
        os.unlink(path)
