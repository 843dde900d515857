"""Text that comes from a file of unknown origin, and text about it: strict JSON, printable names, short listings."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from grasp_theory import AdapterError

MAX_NAME = 2_000
LFS_POINTER = b"version https://git-lfs.github.com/spec/"


def read_bounded(path: Path, most: int, what: str) -> bytes:
    """The bytes of a text file; AdapterError if it cannot be had, is too long for a ``what``, or a pointer to one."""
    try:
        size = path.stat().st_size
        if size > most:
            raise AdapterError(f"{path} is {size} bytes long; that is no {what}")
        raw = path.read_bytes()
    except OSError as e:
        raise AdapterError(f"{path} cannot be read: {e.strerror or e}") from None
    if raw.startswith(LFS_POINTER):
        raise AdapterError(f"{path} is a Git LFS pointer, not the {what}: run `git lfs pull` where it was cloned")
    return raw


def parse_json_object(raw: bytes, what: str | Path) -> dict[str, Any]:
    """The JSON object in ``raw``; refuses what json alone lets pass: repeated keys, which hide one another.

    Raises AdapterError, naming ``what``, for anything that is not one UTF-8 JSON object.
    """

    def pairs(items: list[tuple[str, Any]]) -> dict[str, Any]:
        out = dict(items)
        if len(out) < len(items):
            seen: set[str] = set()
            twice = next(k for k, _ in items if k in seen or seen.add(k))
            raise AdapterError(f"{what} gives the key {twice!r} twice; nothing says which one holds")
        return out

    try:
        found = json.loads(raw.decode("utf-8"), object_pairs_hook=pairs)
    except AdapterError:
        raise
    except UnicodeDecodeError as e:
        raise AdapterError(f"{what} is not UTF-8 text (byte {e.start}); it is damaged or not JSON") from None
    except RecursionError:
        raise AdapterError(f"{what} nests its JSON too deeply to be read") from None
    except ValueError as e:  # JSONDecodeError, and Python's limit on the digits of an integer
        raise AdapterError(f"{what} is not valid JSON ({e}); save the adapter again") from None
    if not isinstance(found, dict):
        raise AdapterError(f"{what} must hold a JSON object, got {type(found).__name__}")
    return found


def require_printable(name: str, what: str | Path) -> str:
    """``name`` itself, or AdapterError: control characters and lone surrogates would reach terminals and files."""
    if len(name) > MAX_NAME:
        raise AdapterError(f"{what} holds a name of {len(name)} characters, {name[:60]!r}…; the file is damaged")
    if not name.isprintable():
        raise AdapterError(f"{what} holds the name {name!r} with unprintable characters; the file is damaged")
    return name


def printable(text: str) -> str:
    """The text with control characters and lone surrogates as Python writes them: a folder may have any name."""
    return "".join(c if c.isprintable() else repr(c)[1:-1] for c in text)


def shortened(value: object) -> str:
    """The value as Python writes it, in 80 characters at most."""
    text = repr(value)
    return text if len(text) <= 80 else text[:77] + "..."


def listing(names: Iterable[str], limit: int = 3) -> str:
    """The first ``limit`` names and how many more there are: an adapter can have thousands of modules."""
    names = list(names)
    more = f" and {len(names) - limit} more" if len(names) > limit else ""
    return ", ".join(names[:limit]) + more


def many(count: int, what: str) -> str:
    """The count with its noun: "1 module", "2 modules"."""
    return f"{count} {what}" if count == 1 else f"{count} {what}s"


def ending(name: str, limit: int) -> str:
    """The name, or its last characters behind "…" where it has more than ``limit``."""
    return name if len(name) <= limit else "…" + name[1 - limit :]


def percent(share: float) -> str:
    """Two digits: "12%", "1.2%", "0.12%"; "<0.01%" for less that is not 0."""
    if 0 < share < 1e-4:
        return "<0.01%"
    return f"{100 * share:.0f}%" if share >= 0.095 else f"{100 * share:.2g}%"
