"""The HTML pages of ``grasp diff --html``: two adapters, or the matrix of many."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from synthetic.runner.results import write_atomically

from ..plots.overlap import heat_map, module_overlaps
from ..tables.difference import difference_blocks, matrix_blocks
from .html import page, picture

if TYPE_CHECKING:
    from grasp_theory.identification.diff import Difference
    from grasp_theory.identification.matrix import OverlapMatrix
    from real_models.audit.finding import Finding


def write_difference(
    target: Path, found: Difference, said: Sequence[Finding], about: Sequence[tuple[str, str]], warnings: Sequence[str]
) -> None:
    """The page of two adapters; ``about``: what was read."""
    caption = (
        f"Mean cos² of the {found.k} leading directions of each module, weighted by energy: 1 the same directions, 0 "
        "orthogonal. Line: what independent directions would have."
    )
    alt = "Chart of the overlap of the two adapters, module by module"
    drawn = module_overlaps(found)
    made = page(
        "difference.html",
        title="Difference of two adapters",
        configuration=[*about, ("side", found.side), ("leading directions", str(found.k))],
        warnings=warnings,
        findings=said,
        map=None if drawn is None else picture(drawn, alt=alt, caption=caption),
        heading="Modules",
        tables=list(difference_blocks(found)),
    )
    write_atomically(target, made)


def write_matrix(target: Path, found: OverlapMatrix, said: Sequence[Finding], warnings: Sequence[str]) -> None:
    """The page of many runs, with their heat map."""
    caption = (
        f"Mean squared cosine between the {found.k} leading directions of two runs, weighted by energy, {found.side} "
        "side: 1 the same directions, 0 orthogonal."
    )
    about = [("runs", ", ".join(found.names)), ("side", found.side), ("leading directions", str(found.k))]
    made = page(
        "difference.html",
        title="Overlap of fine-tunes",
        configuration=about,
        warnings=warnings,
        findings=said,
        map=picture(heat_map(found), alt="Heat map of the overlap of all pairs of runs", caption=caption),
        heading="All pairs",
        tables=matrix_blocks(found),
    )
    write_atomically(target, made)
