"""``grasp survey``: what the adapters of a folder show, side by side, and what all pairs have in common."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from .options import Jobs, JsonOption, Results, SideOption, check_targets


def survey(
    folder: Annotated[Path, typer.Argument(help="A folder of adapters, at any depth.")],
    side: Annotated[
        SideOption, typer.Option(help="auto: of each the write modules if it has any, else the read ones.")
    ] = SideOption.auto,
    top: Annotated[int, typer.Option(min=1, max=64, help="Leading directions to compare, of each module.")] = 4,
    jobs: Jobs = 2,
    dask: Annotated[str | None, typer.Option(metavar="ADDRESS", help="Read the adapters on a Dask cluster.")] = None,
    results: Results = Path("results"),
    json: JsonOption = None,
) -> None:
    """Audit a folder of many adapters, and compare all pairs.

    Those that stand apart are named. Needs no base model. Of a run with checkpoints the final adapter counts, else the
    last checkpoint; an adapter that cannot be read becomes a row with its reason. Adapters are compared with those of
    the same base and side. Writes survey.csv, pairs.csv and survey.html to RESULTS; what was read is kept there, so
    that an interrupted survey goes on where it was, and only adapters that changed are read anew.
    """
    from figures.pages.survey import write_survey
    from figures.tables import console, progress, show
    from figures.tables.difference import matrix_rows
    from figures.tables.survey import survey_blocks, survey_record, survey_rows
    from real_models.audit.survey import survey as look
    from synthetic.runner.results import write_csv, write_json

    check_targets(json, results=results)
    out = console()
    with progress("survey") as track:
        found = look(folder, results / "survey", side=side.value, top=top, n_jobs=jobs, dask=dask, progress=track)
    write_csv(results / "survey.csv", survey_rows(found))
    pairs = [{"group": group, **row} for group, matrix in found.groups.items() for row in matrix_rows(matrix)]
    write_csv(results / "pairs.csv", pairs)
    write_survey(results / "survey.html", found)
    if json is not None:
        write_json(json, survey_record(found))
    if json != Path("-"):
        show(survey_blocks(found), out)
        out.print(
            f"{results / 'survey.html'}: all of it; survey.csv: one row for each adapter; pairs.csv: one for each pair"
        )
