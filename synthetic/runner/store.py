"""A folder of JSON files, one a cell of long work: written whole, and read only if nothing about them changed."""

from __future__ import annotations

import hashlib
import json
import warnings
from collections import Counter
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar

from grasp_theory import InputError

from .results import json_text, write_atomically

FORMAT = 1
V = TypeVar("V")


class Store:
    """The files of ``folder``, which is created if missing; InputError if it cannot be. refused : reason -> how many
    were set aside."""

    def __init__(self, folder: Path) -> None:
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise InputError(f"cannot create the folder {folder}: {error.strerror or error}") from error
        self.folder = folder
        self.refused: Counter[str] = Counter()

    def write(self, name: str, head: Mapping[str, Any], values: Any) -> None:
        """head : what the values depend on, ``code`` among it. A killed process loses nothing, a power cut may."""
        content = _whole(head) | {"values": values}
        text = json_text(content | {"sha256": digest(content)}, indent=None)
        write_atomically(self.folder / name, text.encode(), durable=False)

    def read(self, name: str, head: Mapping[str, Any], parse: Callable[[Any], V]) -> V | None:
        """parse(values) if the file is whole and has this head; None if it is not there, or else is set aside."""
        path, expected = self.folder / name, _whole(head)
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
        except (OSError, ValueError, KeyError, TypeError, AttributeError):
            reason = "not a whole result file"
        self.refused[reason] += 1
        try:
            path.replace(path.with_suffix(".aside"))
        except FileNotFoundError:  # another process was faster
            return None
        except OSError as error:
            raise InputError(f"cannot set {path} aside: {error.strerror or error}; remove it") from error
        return None

    def warn(self) -> None:
        """One warning for all files that were set aside."""
        if self.refused:
            reasons = ", ".join(f"{n} {reason}" for reason, n in self.refused.items())
            total = self.refused.total()
            warnings.warn(
                f"{total} result files in {self.folder} are set aside (*.aside) and measured again: {reasons}",
                stacklevel=3,
            )


def digest(content: Mapping[str, Any]) -> str:
    """sha256 of the content as sorted JSON."""
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def _whole(head: Mapping[str, Any]) -> dict[str, Any]:
    """The head as JSON gives it back."""
    return json.loads(json.dumps({"format": FORMAT} | dict(head)))
