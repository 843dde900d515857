"""The HTML page of ``grasp sweep --html``: how well theory and measurement agree, then every experiment."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from grasp_theory import InputError
from synthetic.runner.results import write_atomically

from ..catalogue import FIGURES, csv_name, drawn
from ..rows import read_rows
from ..tables import Table
from ..tables.deviation import deviation_tables
from .html import page, picture

SHOWN = 200  # rows of a table; the CSV has all


def write_sweeps(
    target: Path, results: Path, records: Mapping[str, Sequence[Mapping[str, Any]]], asked: Sequence[tuple[str, str]]
) -> None:
    """The page of the figures' tables in ``results``.

    Args:
        records: figure -> how well each of its experiments agrees with theory, as ``grasp sweep`` records it.
        asked: what was asked for: trials, settings.
    """
    found = [record for of in records.values() for record in of]
    compared, off = (sum(record[key] for record in found) for key in ("compared", "violations"))
    made = page(
        "sweep.html",
        title="Experiments of the linear lab",
        configuration=[*asked, ("experiments", ", ".join(records)), ("results", str(results))],
        verdict=f"{compared} measured means have a law; {off} of them are off by more than 5 standard errors and the "
        "stated finite-size term.",
        agreement=list(deviation_tables(found)),
        experiments=[_experiment(name, results / csv_name(name)) for name in records],
    )
    write_atomically(target, made)


def _experiment(name: str, source: Path) -> dict[str, Any]:
    """Its claim, its picture or why there is none, its numbers."""
    rows, claim = read_rows(source), FIGURES[name].caption
    found: dict[str, Any] = {"name": name, "claim": claim, "table": _table(rows, source), "picture": None}
    try:
        shown = picture(drawn(name, source), alt=f"Figure {name}: {claim}", caption=f"Drawn from {source.name}.")
    except InputError as error:
        return found | {"trouble": f"No picture: {error}."}
    return found | {"picture": shown}


def _table(rows: Sequence[Mapping[str, Any]], source: Path) -> Table:
    names = list(rows[0]) if rows else []
    words = [name for name in names if any(isinstance(row[name], str) for row in rows)]
    headers = [*words, *(name for name in names if name not in words)]
    cells = [[_cell(row[h]) for h in headers] for row in rows[:SHOWN]]
    which = f"the first {SHOWN} of {len(rows)} rows" if len(rows) > SHOWN else f"{len(rows)} rows"
    return Table(headers, cells, title=f"{which} of {source.name}", left=len(words))


def _cell(value: Any) -> str:
    return "" if value is None else f"{value:.4g}" if isinstance(value, float) else str(value)
