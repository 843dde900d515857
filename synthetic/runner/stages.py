"""Long work in stages: each is done once, and again only if its code, its options or its outputs changed."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter
from typing import Any

from .code_version import code_version
from .results import file_sha256, write_json
from .store import digest

RECORD = "stages.json"


@dataclass(frozen=True)
class Stage:
    """run(folder) writes ``outputs`` (files or folders in it).

    Attributes:
        modules: the code that they depend on.
        reads: what of earlier stages' outputs they depend on.
    """

    name: str
    title: str
    modules: tuple[str, ...]
    outputs: tuple[str, ...]
    run: Callable[[Path], None]
    reads: tuple[str, ...] = ()


def run_stages(
    stages: Sequence[Stage], folder: Path, *, options: Mapping[str, Any], tell: Callable[[str], None]
) -> list[str]:
    """Run what is not current, in order; the names of those that ran.

    A stage is current if it ran with the same code and options, and what it read and its outputs are byte for byte as
    it left them. The record is written after the outputs, so a stage that was interrupted runs again (and goes on where
    its own cells are kept). timings.json says how long the stages that ran took; it is never read.
    """
    record = _read(folder / RECORD)
    seconds: dict[str, float] = {}
    for number, stage in enumerate(stages, start=1):
        key = _key(stage, options)
        known = record.get(stage.name, {})
        head = f"{number}/{len(stages)}  {stage.title}"
        if known.get("key") == key and known.get("outputs") == _digests(stage, folder):
            tell(f"{head}: current")
            continue
        tell(head)
        started = perf_counter()
        stage.run(folder)
        record[stage.name] = {"key": key, "outputs": _digests(stage, folder)}
        write_json(folder / RECORD, record)
        seconds[stage.name] = round(perf_counter() - started, 1)
        write_json(folder / "timings.json", {"seconds": seconds})
    return list(seconds)


def _key(stage: Stage, options: Mapping[str, Any]) -> str:
    return digest([stage.name, [code_version(m) for m in stage.modules], dict(options)])[:16]


def _digests(stage: Stage, folder: Path) -> dict[str, str | None]:
    return {name: _digest(folder / name) for name in (*stage.outputs, *stage.reads)}


def _digest(path: Path) -> str | None:
    """Of a file, or of all in a folder but those of writes that were cut off; None if nothing is there."""
    if path.is_dir():
        inside = sorted(p for p in path.rglob("*") if p.is_file() and p.suffix != ".part")
        text = "".join(f"{p.relative_to(path)}:{_digest(p)}\n" for p in inside)
        return hashlib.sha256(text.encode()).hexdigest()[:16] if inside else None
    return file_sha256(path)[:16] if path.is_file() else None


def _read(path: Path) -> dict[str, Any]:
    """The record; nothing if it is missing or damaged, so that everything runs again."""
    try:
        found = json.loads(path.read_bytes())
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}
