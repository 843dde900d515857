"""Where the checkout lies that is tested."""

from __future__ import annotations

from pathlib import Path

SUPPORT = Path(__file__).parent
ROOT = SUPPORT.parents[1]
ROOMS = ["grasp_theory", "synthetic", "real_models", "figures", "grasp_cli"]  # each may import those before it


def sources(room: str) -> list[Path]:
    return sorted((ROOT / room).rglob("*.py"))
