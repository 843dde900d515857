"""A folder of JSON files, one a cell of long work: written whole, and read only if nothing about them changed."""

from __future__ import annotations

import hashlib
import json
import warnings
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any, TypeVar

from grasp_theory import InputError

from .results import json_text, write_atomically

FORMAT = 1
V = TypeVar("V")
Place = tuple[str, Mapping[str, Any]]  # file, and what its values depend on, ``code`` among it


class Store:
    """The files of ``folder``, which is created if missing; InputError if it cannot be."""

    def __init__(self, folder: Path) -> None:
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise InputError(f"cannot create the folder {folder}: {error.strerror or error}") from error
        self.folder = folder

    def write(self, name: str, head: Mapping[str, Any], values: Any) -> None:
        """Written whole: a killed process loses nothing, a power cut may."""
        content = _whole(head) | {"values": values}
        text = json_text(content | {"sha256": digest(content)}, indent=None)
        write_atomically(self.folder / name, text, durable=False)

    def read(self, places: Iterable[Place], parse: Callable[[Any], V]) -> list[V | None]:
        """Of each place parse(values), if its file is whole and has this head; None if it is not there.

        A file that is anything else is set aside (``*.aside``), with one warning for all of them.
        """
        refused: Counter[str] = Counter()
        found = [self._read(name, _whole(head), parse, refused) for name, head in places]
        if refused:
            reasons = ", ".join(f"{n} {reason}" for reason, n in refused.items())
            warnings.warn(
                f"{refused.total()} result files in {self.folder} are set aside (*.aside) and measured again: "
                f"{reasons}",
                stacklevel=3,
            )
        return found

    def _read(self, name: str, expected: dict[str, Any], parse: Callable[[Any], V], refused: Counter[str]) -> V | None:
        path = self.folder / name
        try:
            content = json.loads(path.read_bytes())
            checksum = content.pop("sha256")
            whole = checksum == digest(content)
            found = parse(content.pop("values"))
            if not whole:
                reason = "checksum does not match"
            elif content != expected:
                same = content | {"code": expected["code"]} == expected
                reason = "measured by other code" if same else "of another cell"
            else:
                return found
        except FileNotFoundError:
            return None
        except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError):
            reason = "not a whole result file"
        refused[reason] += 1
        try:
            path.replace(path.with_suffix(".aside"))
        except FileNotFoundError:  # another process was faster
            return None
        except OSError as error:
            raise InputError(f"cannot set {path} aside: {error.strerror or error}; remove it") from error
        return None


def digest(content: Any) -> str:
    """sha256 of the content as sorted JSON."""
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def _whole(head: Mapping[str, Any]) -> dict[str, Any]:
    """The head as JSON gives it back."""
    return json.loads(json.dumps({"format": FORMAT} | dict(head)))
