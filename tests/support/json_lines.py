"""Files of rows."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any


def write_lines(path: Path, *rows: Any) -> Path:
    """A line for each: text as it is, all else as JSON."""
    path.write_text("".join((row if isinstance(row, str) else json.dumps(row)) + "\n" for row in rows))
    return path
