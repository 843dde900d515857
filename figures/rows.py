"""The committed results that figures and README are made of."""

from __future__ import annotations

import csv
from functools import lru_cache
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).parent / "data"


def read_rows(path: Path) -> list[dict[str, Any]]:
    """A CSV file with numbers turned into int or float."""
    with path.open(newline="", encoding="utf-8") as file:
        return [{name: _value(text) for name, text in row.items()} for row in csv.DictReader(file)]


@lru_cache(2**16)
def _value(text: str) -> Any:
    if text == "":
        return None
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    return text
