"""A comparison run and written down: its sweeps, and the files that hold what they show."""

from __future__ import annotations

import io
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Console

from real_models.comparison.cost import costs, first_of_rows
from real_models.comparison.experiment import Cell, TextCell
from real_models.comparison.matching import matched
from real_models.organisms.prepare import prepare
from synthetic.runner.results import write_atomically, write_csv, write_json
from synthetic.runner.sweep import Progress, sweep

from . import comparison, comparison_fronts
from .comparison_table import Line, lines, show_comparison
from .naive_runs import show_naive_runs
from .report import heading, page, paragraph, picture, preformatted
from .style import render

if TYPE_CHECKING:
    from matplotlib.figure import Figure


@dataclass(frozen=True)
class Study:
    """Tables : of the runs, of what the naive runs give away, of the fronts. lines : each row at matched task score."""

    runs: list[dict[str, Any]]
    components: list[dict[str, Any]]
    fronts: list[dict[str, Any]]
    lines: list[Line]

    def record(self) -> dict[str, Any]:
        """As JSON."""
        kept = ("variant", "organism", "quantity", "mean")
        components = [{name: row[name] for name in kept} for row in self.components]
        rows = [asdict(line) for line in self.lines]
        return {"schema_version": 1, "rows": rows, "fronts": self.fronts, "components": components}

    def show(self, out: Console) -> None:
        """Its tables."""
        show_comparison(self.lines, out)
        show_naive_runs(self.components, out)


def study(
    cells: Sequence[Cell | TextCell],
    results: Path,
    *,
    jobs: int,
    notes: Sequence[str] = (),
    progress: Callable[[str], AbstractContextManager[Progress | None]] = lambda label: nullcontext(),
) -> Study:
    """Run what ``results`` does not hold yet, and write comparison.csv, .json, .html, .png and .pdf,
    comparison_components.csv, comparison_cost.csv and comparison_fronts.csv.

    notes : what is to be said of the runs. progress : label -> context that gives what wraps the stream of cells.
    """

    def swept(name: str, chosen: Sequence[Cell | TextCell], label: str) -> list[dict[str, Any]]:
        module = f"real_models.comparison.{'experiment' if name == 'comparison' else name}"
        place = results / "sweeps" / name
        with progress(label) as track:
            return sweep(module, place, cells=chosen, n_jobs=jobs, progress=track).rows

    with progress("naive runs") as track:
        prepare([cell.run_spec for cell in cells if cell.arm == "naive"], n_jobs=jobs, progress=track)
    runs = swept("comparison", cells, "compare")
    write_csv(results / "comparison.csv", runs)
    crossed = matched(runs)
    known = {(m.variant, m.organism) for m in crossed if m.arm == "naive" and m.steps == 0}
    naive = [c for c in cells if c.arm == "naive" and (c.variant, c.organism) not in known]
    learnt = {c.variant for c in naive}
    components = swept("components", naive, "components")
    counted = swept("cost", [c for c in first_of_rows(cells) if c.variant in learnt], "cost")
    found = lines(runs, costs(counted))
    targets = {(m.variant, m.organism): m.target for m in crossed}
    made = Study(runs, components, comparison_fronts.fronts(runs, targets=targets), found)
    for name, rows in (("_components", components), ("_cost", counted), ("_fronts", made.fronts)):
        write_csv(results / f"comparison{name}.csv", rows)
    write_json(results / "comparison.json", made.record())
    figure = comparison.build(runs)
    for kind in ("png", "pdf"):
        write_atomically(results / f"comparison.{kind}", render(figure, kind))
    write_atomically(results / "comparison.html", study_page(made, figure, notes).encode())
    return made


def study_page(made: Study, figure: Figure, notes: Sequence[str] = ()) -> str:
    """A self-contained page: what each row does at matched task score, what it trades, what naive runs give away.

    figure : of its runs, as ``comparison`` builds it.
    """
    parts = [paragraph(note) for note in notes]
    parts += [heading("At matched task score"), preformatted(_text(made.lines, show_comparison))]
    caption = "Above: drift over task along training. Below: drift where each method first reaches the task."
    parts += [picture(figure, caption)]
    if made.fronts:
        caption = (
            "Least mean drift among the rows of a class, where they first reach the task score asked for. The best row "
            "is chosen on the seeds it is shown on."
        )
        parts += [heading("Trade-off"), picture(comparison_fronts.build(made.fronts), caption)]
    if made.components:
        parts += [heading("What the naive runs give away"), preformatted(_text(made.components, show_naive_runs))]
    return page("Comparison of removal methods", parts)


def _text(found: Any, show: Callable[[Any, Console], None]) -> str:
    out = Console(file=io.StringIO(), width=150, no_color=True, markup=False, emoji=False, highlight=False)
    show(found, out)
    return out.file.getvalue()  # pyright: ignore[reportAttributeAccessIssue]
