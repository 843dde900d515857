"""A comparison run and written down: its sweeps, and the tables of what they show."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from synthetic.runner.results import write_csv, write_json
from synthetic.runner.sweep import Progress, sweep

from ..organisms.naive_runs import make_naive_runs
from .cost import costs, first_of_methods
from .experiment import Cell, TextCell
from .fronts import fronts
from .matching import matched
from .methods import find_compared
from .table import Result, summarise


@dataclass(frozen=True)
class Study:
    """What a comparison found.

    Attributes:
        runs, components, fronts: tables of the runs, of what the naive runs give away, and of the fronts.
        results: each method at matched task score.
    """

    runs: list[dict[str, Any]]
    components: list[dict[str, Any]]
    fronts: list[dict[str, Any]]
    results: list[Result]

    def record(self) -> dict[str, Any]:
        """The study as JSON values."""
        kept = ("variant", "organism", "quantity", "mean")
        components = [{name: row[name] for name in kept} for row in self.components]
        rows = [asdict(result) for result in self.results]
        return {"schema_version": 1, "rows": rows, "fronts": self.fronts, "components": components}


def study(
    cells: Sequence[Cell | TextCell],
    results: Path,
    *,
    jobs: int,
    progress: Callable[[str], AbstractContextManager[Progress | None]] = lambda label: nullcontext(),
) -> Study:
    """Run what ``results`` does not hold yet, and write comparison.csv, .json, _components.csv, _cost.csv, _fronts.csv.

    Args:
        progress: label -> context that gives what wraps the stream of cells.
    """

    def swept(name: str, chosen: Sequence[Cell | TextCell], label: str) -> list[dict[str, Any]]:
        place = results / "sweeps" / ("comparison" if name == "experiment" else name)
        with progress(label) as track:
            return sweep(f"{__package__}.{name}", place, cells=chosen, n_jobs=jobs, progress=track).rows

    with progress("naive runs") as track:
        specs = [cell.run_spec for cell in cells if cell.method == "naive"]
        specs += [cell.run_spec.control_run() for cell in cells if find_compared(cell.method).needs_control]
        make_naive_runs(specs, n_jobs=jobs, progress=track)
    runs = swept("experiment", cells, "compare")
    write_csv(results / "comparison.csv", runs)
    crossed = matched(runs)
    known = {(m.variant, m.organism) for m in crossed if m.method == "naive" and m.steps == 0}
    naive = [c for c in cells if c.method == "naive" and (c.variant, c.organism) not in known]
    learnt = {c.variant for c in naive}
    components = swept("components", naive, "components")
    counted = swept("cost", [c for c in first_of_methods(cells) if c.variant in learnt], "cost")
    targets = {(m.variant, m.organism): m.target for m in crossed}
    made = Study(runs, components, fronts(runs, targets=targets), summarise(runs, costs(counted)))
    for name, rows in (("components", components), ("cost", counted), ("fronts", made.fronts)):
        write_csv(results / f"comparison_{name}.csv", rows)
    write_json(results / "comparison.json", made.record())
    return made
