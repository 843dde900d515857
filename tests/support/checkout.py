"""Where the checkout lies that is tested, and new interpreters."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

SUPPORT = Path(__file__).parent
ROOT = SUPPORT.parents[1]
ROOMS = ["grasp_theory", "synthetic", "real_models", "figures", "grasp_cli"]  # each may import those before it


def sources(room: str) -> list[Path]:
    return sorted((ROOT / room).rglob("*.py"))


def python(*arguments: str, timeout: float = 300, **options: Any) -> subprocess.CompletedProcess[str]:
    """What a new interpreter says that ends well."""
    command = [sys.executable, *arguments]
    done = subprocess.run(command, capture_output=True, text=True, timeout=timeout, **options)
    assert done.returncode == 0, done.stderr[-4000:]
    return done
