"""The core statements, proved to a proof assistant (Coq): their files, and the record of the last build.

``KEY.v`` holds the formal statement of ``KEY`` and its proof: a ``Theorem`` is a part of the statement, a ``Lemma`` a
step; its first comment says what is covered and what is not. The other files are shared. ``python -m
grasp_theory.formal.build`` has Coq check them and writes ``record.json``. A statement counts as *machine-checked* only
while its text and its Coq files are those of the record.
"""

from __future__ import annotations

import hashlib
import inspect
import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..errors import GraspError

FOLDER = Path(__file__).parent
RECORD = FOLDER / "record.json"
# The statements that have a formal one.
KEYS = ("posterior-angle", "prior-angle", "minimax-angle", "control-contrast", "projection-invariance", "old-inputs")

_COMMENT = r"\(\*(?:(?!\*\)).)*\*\)"


def machine_checked(key: str, text: str, *, folder: Path = FOLDER) -> tuple[str, ...] | None:
    """Names of the theorems that Coq accepted for this statement; None where it has none, or none for this text.

    A record of another text, of other Coq files or of none gives None. Cost: reads a few files of some kilobytes.

    Args:
        key: the statement's.
        text: its own, the docstring of its folder.
        folder: of the Coq files and their record.
    """
    recorded = read_record(folder).get("statements", {}).get(key) if key in KEYS else None
    if recorded is None or recorded != entry(key, text, folder=folder):
        return None
    return tuple(recorded["theorems"])


def read_record(folder: Path = FOLDER) -> dict[str, Any]:
    """What the last build wrote; empty where there was none."""
    path = folder / RECORD.name
    return json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}


def entry(key: str, text: str, *, folder: Path = FOLDER) -> dict[str, Any]:
    """A statement's part of the record: SHA-256 of its text and of the files that it rests on, and its theorems."""
    own = file_of(key)
    files = {name: digest(_read(folder / name)) for name in sorted(needed(own, folder))}
    return {"text": digest(inspect.cleandoc(text)), "files": files, "theorems": list(theorems(_read(folder / own)))}


def file_of(key: str) -> str:
    """Name of the Coq file of a statement."""
    return f"{key.replace('-', '_')}.v"


def digest(text: str) -> str:
    """SHA-256 of a text."""
    return hashlib.sha256(text.encode()).hexdigest()


def needed(name: str, folder: Path = FOLDER) -> list[str]:
    """A Coq file and those that it requires, each after what it requires itself."""
    lines = re.findall(r"^From Grasp Require Import ([\w ]+)\.$", _read(folder / name), flags=re.MULTILINE)
    found = [part for other in " ".join(lines).split() for part in needed(f"{other}.v", folder)]
    return list(dict.fromkeys([*found, name]))


def theorems(source: str) -> dict[str, str]:
    """The theorems of a Coq file, name -> statement as written, with the comment above it."""
    found = re.finditer(rf"({_COMMENT}\n)?Theorem (\w+)\b.*?\.(?=\nProof\.)", source, flags=re.DOTALL)
    return {match[2]: match[0] for match in found}


def definitions(source: str) -> dict[str, str]:
    """The definitions of a Coq file, name -> definition as written, with the comment above it."""
    words = "(?:Definition|Fixpoint|Record) "
    end = rf"\.[^\n]*(?=\n\n|\nArguments|\n{words})"
    found = re.finditer(rf"({_COMMENT}\n)?{words}(\w+).*?{end}", source, flags=re.DOTALL)
    return {match[2]: match[0] for match in found}


def used(defined: Mapping[str, str], texts: Iterable[str]) -> list[str]:
    """Which of these definitions the texts, or others of those, name outside comments; in the order given."""
    found: set[str] = set()
    left = _named(texts) & defined.keys()
    while left:
        found |= left
        left = _named(defined[name] for name in left) & defined.keys() - found
    return [name for name in defined if name in found]


def _named(texts: Iterable[str]) -> set[str]:
    return set(re.findall(r"\w+", re.sub(_COMMENT, "", " ".join(texts), flags=re.DOTALL)))


@dataclass(frozen=True)
class Coverage:
    """How much of a statement its formal one says.

    Attributes:
        whole: whether it says all of its law.
        covered, missing: what it says, and what it does not.
    """

    whole: bool
    covered: str
    missing: str


def coverage(key: str) -> Coverage:
    """What the first comment of a statement's Coq file says is covered, and what is not.

    Raises GraspError where it says neither.
    """
    pattern = r"\(\* Covered( in part)?: (.*?)\n\s*Not covered: (.*?)\s*\*\)"
    found = re.match(pattern, _read(FOLDER / file_of(key)), flags=re.DOTALL)
    if found is None:
        raise GraspError(f'{file_of(key)} has to begin with "(* Covered: ... Not covered: ... *)"')
    return Coverage(found[1] is None, " ".join(found[2].split()), " ".join(found[3].split()))


def _read(path: Path) -> str:
    return path.read_text(encoding="utf-8")
