"""Result files: written whole or not at all, each beside a manifest that says how it came about."""

from __future__ import annotations

import contextlib
import csv
import hashlib
import io
import json
import os
import platform
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, BinaryIO

from grasp_theory import InputError


@contextlib.contextmanager
def replacing(path: Path, *, durable: bool = True) -> Iterator[BinaryIO]:
    """A new file in the same folder that takes the place of ``path`` when the block ends well, and else goes.

    It has the permissions of any new file there: those of ``open``, which the umask takes away from. A symbolic link
    is replaced itself: what it points to may be of a cache that others use.

    Args:
        durable: wait until the disk has it. Without, a killed process loses nothing, a power cut may.
    """
    descriptor, temporary = tempfile.mkstemp(prefix=f".{path.name[:40]}.", suffix=".part", dir=path.parent)
    os.close(descriptor)
    try:
        os.unlink(temporary)  # its name was wanted; as mkstemp makes it, nobody else could ever read it
        with open(temporary, "xb") as file:
            yield file
            file.flush()
            if durable:
                os.fsync(file.fileno())
        os.replace(temporary, path)
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(temporary)
        raise


def write_atomically(path: str | Path, data: bytes | str, *, durable: bool = True) -> Path:
    """Write a file whole or not at all; ``durable`` as in :func:`replacing`.

    A symbolic link stays one, as with ``open``: the file that it points to is written.

    Args:
        data: a text is written as UTF-8; what is no text in it, such as a file's name in other bytes, as "?".

    Whatever interrupts it (an exception, Ctrl-C, a full disk), ``path`` is either as it was or complete.
    Raises InputError if the folder is missing or not writable, or the disk is full.
    """
    path = check_target(path)
    try:
        with replacing(Path(os.path.realpath(path)), durable=durable) as file:
            file.write(data.encode(errors="replace") if isinstance(data, str) else data)
    except OSError as error:
        raise InputError(f"cannot write {path}: {error.strerror or error}") from error
    return path


def check_target(path: str | Path) -> Path:
    """The path, if a file could be written there; InputError otherwise. To be asked before long work."""
    path = Path(path)
    if path.is_symlink():
        target = Path(os.path.realpath(path))
        if target.is_symlink():
            raise InputError(f"cannot write {path}: it is a symbolic link to itself; name another file")
        check_target(target)
    if path.is_dir():
        raise InputError(f"expected a file to write, got the folder {path}; name a file in it")
    if path.parent.exists() and not path.parent.is_dir():
        raise InputError(f"cannot write {path}: {path.parent} is a file; name a folder")
    if not path.parent.is_dir():
        raise InputError(f"cannot write {path}: the folder {path.parent} does not exist; create it first")
    if path.exists() and not path.is_file():
        raise InputError(f"cannot write {path}: it is no regular file; use --json - for standard output")
    if not os.access(path.parent, os.W_OK):
        raise InputError(f"cannot write {path}: no permission to write in {path.parent}")
    return path


def check_targets(targets: Iterable[Path | None], inputs: Iterable[Path] = ()) -> None:
    """:func:`check_target` of each, and no two alike, and none that is an input. Raises InputError otherwise."""
    seen = {path.resolve() for path in inputs}
    for path in targets:
        if path is None:
            continue
        if check_target(path).resolve() in seen:
            raise InputError(f"refused to write {path}: it is read or written twice by this command")
        seen.add(path.resolve())


def json_text(value: Mapping[str, Any], *, indent: int | None = 2, encoding: str = "utf-8") -> str:
    """JSON with two-space indent; NaN and Inf are refused (None stands for what was not estimated).

    Args:
        encoding: what it is to be written in; where that has no place for a character, all but ASCII is escaped.
    """
    text = json.dumps(value, indent=indent, allow_nan=False, ensure_ascii=False) + "\n"
    try:
        text.encode(encoding)
    except UnicodeEncodeError:
        return json.dumps(value, indent=indent, allow_nan=False) + "\n"
    return text


def json_lines(rows: Iterable[Mapping[str, Any]]) -> str:
    """One line of JSON for each row."""
    return "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)


def write_json(path: str | Path, value: Mapping[str, Any]) -> Path:
    """:func:`json_text`, written whole or not at all; to standard output if ``path`` is "-".

    Raises InputError as :func:`write_atomically`, and if standard output is closed.
    """
    if str(path) == "-":
        if sys.stdout is None:
            raise InputError("standard output is closed, so nothing can be written to it; name a file")
        sys.stdout.write(json_text(value, encoding=sys.stdout.encoding or "utf-8"))
        return Path("-")
    return write_atomically(path, json_text(value))


def file_sha256(path: str | Path) -> str:
    """SHA-256 of a file as hexadecimal digits, read in pieces. OSError as ``open``."""
    with Path(path).open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def write_csv(path: str | Path, rows: Iterable[Mapping[str, Any]]) -> Path:
    """Comma-separated values with a header line; every row has the columns of the first."""
    rows = list(rows)
    text = io.StringIO()
    writer = csv.DictWriter(text, fieldnames=list(rows[0]) if rows else [], lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return write_atomically(path, text.getvalue())


def manifest(config: Mapping[str, Any]) -> dict[str, Any]:
    """What a result depends on: the configuration (seeds included), the commit and the versions that computed it."""
    versions = {name: _version(name) for name in ("grasp-toolkit", "numpy", "scipy")}
    versions["python"] = platform.python_version()
    return {"schema_version": 1, "config": dict(config), "commit": _commit(), "versions": versions}


def _version(name: str) -> str | None:
    """None of a checkout that is not installed."""
    try:
        return version(name)
    except PackageNotFoundError:
        return None


def _commit() -> str | None:
    """The commit of the checkout that this file lies in, if it lies in one."""
    command = ["git", "-C", str(Path(__file__).parent), "rev-parse", "HEAD"]
    try:
        return subprocess.run(command, capture_output=True, text=True, check=True, timeout=10).stdout.strip()  # noqa: S603
    except (OSError, subprocess.SubprocessError):
        return None
