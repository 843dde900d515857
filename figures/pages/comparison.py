"""The pictures and the HTML page of ``grasp compare``."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from real_models.comparison.study import Study
from synthetic.runner.results import write_atomically

from ..plots import comparison, comparison_fronts
from ..style import render
from ..tables.comparison import comparison_tables
from ..tables.naive_runs import naive_run_tables
from .html import blocks, heading, page, paragraph, picture

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def write_pages(made: Study, results: Path, notes: Sequence[str] = ()) -> None:
    """comparison.html, .png and .pdf in ``results``; ``notes``: what is to be said of the runs."""
    figure = comparison.build(made.runs)
    png = render(figure)
    write_atomically(results / "comparison.png", png)
    write_atomically(results / "comparison.pdf", render(figure, "pdf"))
    write_atomically(results / "comparison.html", study_page(made, figure, notes, png=png).encode())


def study_page(made: Study, figure: Figure, notes: Sequence[str] = (), *, png: bytes | None = None) -> str:
    """A self-contained page: what each method does at matched task score, what it trades, what naive runs give away.

    Args:
        figure: of its runs, as ``comparison`` builds it.
        png: what it is rendered to, where it has been rendered already.
    """
    parts = [paragraph(note) for note in notes]
    parts += [heading("At matched task score"), *blocks(comparison_tables(made.lines))]
    caption = "Above: drift over task along training. Below: drift where each method first reaches the task."
    parts += [picture(figure, caption, png=png)]
    if made.fronts:
        caption = (
            "Least mean drift among the methods of a class, where they first reach the task score asked for. The best "
            "method is chosen on the seeds it is shown on."
        )
        parts += [heading("Trade-off"), picture(comparison_fronts.build(made.fronts), caption)]
    if made.components:
        parts += [heading("What the naive runs give away"), *blocks(naive_run_tables(made.components))]
    return page("Comparison of removal methods", parts)
