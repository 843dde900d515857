"""The pictures and the HTML page of ``grasp compare``."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from real_models.comparison.study import Study
from synthetic.runner.results import write_atomically

from ..plots import comparison, comparison_fronts, language_frontier
from ..style import render
from ..tables.comparison import comparison_tables, short_table
from ..tables.naive_runs import naive_run_tables
from .html import page, picture

if TYPE_CHECKING:
    from matplotlib.figure import Figure

DRIFT = "Above: drift over task along training. Below: drift where each method first reaches the task."
FRONTS = (
    "Least mean drift among the methods of a class, where they first reach the task score asked for. The best method "
    "is chosen on the seeds it is shown on."
)
COSTS = (
    "Drift above the base model where each method reaches the task, with 95% intervals over seeds, over the arithmetic "
    "of its training until there, a naive run that comes first included. Hollow: controls. What a method costs at "
    "every answer afterwards is not counted."
)


def write_pages(made: Study, results: Path, notes: Sequence[str] = ()) -> None:
    """comparison.html, .png and .pdf in ``results``; ``notes``: what is to be said of the runs."""
    figure = comparison.build(made.runs)
    # the page first: each rendering lays the figure out anew from where the last one left it
    write_atomically(results / "comparison.html", study_page(made, figure, notes))
    for kind in ("png", "pdf"):
        write_atomically(results / f"comparison.{kind}", render(figure, kind))


def study_page(made: Study, figure: Figure, notes: Sequence[str] = ()) -> str:
    """A self-contained page: what each method does at matched task score, what it trades, what naive runs give away.

    Args:
        figure: of its runs, as ``comparison`` builds it.
    """
    fronts = None
    if made.fronts:
        alt = "Chart of the least drift of each class of methods over the task score asked for"
        fronts = picture(comparison_fronts.build(made.fronts), alt=alt, caption=FRONTS)
    costs, results = None, made.record()["rows"]
    if language_frontier.shown(results):
        alt = "Chart of the drift that each method leaves over the arithmetic it takes"
        costs = picture(language_frontier.build(results), alt=alt, caption=COSTS)
    return page(
        "comparison.html",
        title="Comparison of removal methods",
        configuration=_asked(made),
        notes=notes,
        short=short_table(made.results),
        picture=picture(figure, alt="Chart of the drift of every method at the same task score", caption=DRIFT),
        tables=list(comparison_tables(made.results)),
        fronts=fronts,
        costs=costs,
        naive_runs=list(naive_run_tables(made.components)),
    )


def _asked(made: Study) -> list[tuple[str, str]]:
    """Which runs there are."""
    kept = {name: dict.fromkeys(str(row[name]) for row in made.runs) for name in ("variant", "organism", "method")}
    names = {"variant": "variants", "organism": "seeds", "method": "methods"}
    tasks = dict.fromkeys(f"{result.task:.3g}" for result in made.results)
    rows = [(names[name], ", ".join(values)) for name, values in kept.items()]
    return [*rows, ("task score", ", ".join(tasks))]
