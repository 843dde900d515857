"""The HTML pages of ``grasp diff --html``: two adapters, or the matrix of many."""

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console

from synthetic.runner.results import write_atomically

from ..plots.overlap import heat_map
from ..tables.difference import matrix_blocks, show_difference
from .html import Part, blocks, facts, findings_part, heading, page, paragraph, picture, preformatted

if TYPE_CHECKING:
    from grasp_theory.identification.diff import Difference
    from grasp_theory.identification.matrix import OverlapMatrix
    from real_models.audit.findings import Finding


def write_difference(
    target: Path, found: Difference, said: Sequence[Finding], about: Sequence[tuple[str, str]], warnings: Sequence[str]
) -> None:
    """The page of two adapters; ``about``: what was read."""
    out = Console(file=io.StringIO(), width=150, no_color=True, markup=False, emoji=False, record=True)
    show_difference(found, out)
    parts = [*_opening(about, said, warnings), heading("Modules"), preformatted(out.export_text())]
    write_atomically(target, page("Difference of two adapters", parts).encode())


def write_matrix(target: Path, found: OverlapMatrix, said: Sequence[Finding], warnings: Sequence[str]) -> None:
    """The page of many runs, with their heat map."""
    parts = _opening([("runs", f"{len(found.names)}, {found.side} side, {found.k} leading directions")], said, warnings)
    caption = "Mean squared cosine between the leading directions of two runs: 1 the same directions, 0 orthogonal."
    parts += [heading("All pairs"), picture(heat_map(found), caption), heading("Table"), *blocks(matrix_blocks(found))]
    write_atomically(target, page("Overlap of fine-tunes", parts).encode())


def _opening(about: Sequence[tuple[str, str]], said: Sequence[Finding], warnings: Sequence[str]) -> list[Part]:
    return [facts(about), *(paragraph(f"Warning: {w}") for w in warnings), heading("Findings"), findings_part(said)]
