"""``grasp diff``: what two fine-tunes have in common, or all pairs of many."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from .options import WRITTEN, HtmlOption, JsonOption, SideOption, check_targets
from .reading import counted

if TYPE_CHECKING:
    from real_models import Adapter


def diff(
    adapters: Annotated[list[Path], typer.Argument(help="Two or more PEFT adapter folders, or one folder of many.")],
    side: Annotated[
        SideOption, typer.Option(help="auto: write modules if there are any, else read.")
    ] = SideOption.auto,
    top: Annotated[int, typer.Option(min=1, max=64, help="Leading directions to compare.")] = 8,
    name: Annotated[
        list[str] | None,
        typer.Option(help="Which adapter, if a folder holds several: one for both folders, or twice."),
    ] = None,
    explain: Annotated[
        bool, typer.Option("--explain", help="The scope of each finding, how it was decided, every module.")
    ] = False,
    json: JsonOption = None,
    csv: Annotated[
        Path | None, typer.Option(help="Write all pairs of many runs, one a line.", rich_help_panel=WRITTEN)
    ] = None,
    html: HtmlOption = None,
) -> None:
    """Compare two fine-tunes, or all pairs of many.

    Findings in plain words, then principal angles beside those of random subspaces. Two adapters are compared module by
    module and pooled. More, or a folder whose subfolders hold more, give the overlap of every pair; of a run with
    checkpoints its final adapter counts, else the last checkpoint.
    """
    from grasp_theory import InputError

    if name and len(name) > 2:
        raise InputError(f"--name goes with the first and the second adapter, got {len(name)} names")
    if Path("-") in (html, csv):
        raise InputError("only --json can go to standard output: name a file for --html and --csv")
    check_targets(json, csv, html)
    if len(adapters) == 1 or len(adapters) > 2:
        if name:
            raise InputError("--name goes with two adapters; give the folder of each")
        runs, warnings = _many(adapters)
        if len(runs) > 2:
            _matrix(runs, warnings, side, top, explain=explain, json=json, csv=csv, html=html)
            return
    else:
        from real_models import read_adapter

        names = (name[0], name[-1]) if name else (None, None)
        runs = {str(n): read_adapter(path, which) for n, (path, which) in enumerate(zip(adapters, names, strict=True))}
        warnings = []
    if csv is not None:
        raise InputError("--csv is for the pairs of three or more runs; --json has the modules of two")
    first, second = runs.values()
    _two(first, second, warnings, side, top, explain=explain, json=json, html=html)


def _two(
    a: Adapter,
    b: Adapter,
    warnings: list[str],
    side: SideOption,
    top: int,
    *,
    explain: bool,
    json: Path | None,
    html: Path | None,
) -> None:
    from dataclasses import asdict

    from figures.pages.difference import write_difference
    from figures.tables import console, progress
    from figures.tables.difference import show_difference
    from figures.tables.identify import show_adapter, show_findings
    from grasp_theory import InputError
    from grasp_theory import diff as compare
    from real_models.audit.describe import different_bases, provenance, summary
    from real_models.audit.difference import difference_findings
    from synthetic.runner.results import write_json

    check_targets(json, html, inputs=[*a.files, *b.files])
    bases = [*warnings, *different_bases(a, b)]
    try:
        with progress(f"{len(a.updates)} modules beside {len(b.updates)}") as watch:
            found = compare(counted(a, watch), b.updates, side=side.value, top=top)  # b's are read beside a's
    except InputError as error:
        raise InputError("; ".join([str(error), *bases])) from None
    said = difference_findings(found)
    about = [(letter, [("", str(x.path)), *summary(x)[1:]], x) for letter, x in (("A", a), ("B", b))]
    if json is not None:
        both = {"first": provenance(a), "second": provenance(b), "warnings": bases}
        write_json(json, {"findings": [asdict(f) for f in said], **found.to_dict(), **both})
    if html is not None:
        rows = [(f"{letter} {label}".strip(), value) for letter, facts, _ in about for label, value in facts]
        notes = [*bases, *(w for x in (a, b) for w in x.warnings)]
        write_difference(html, found, said, rows, notes)
    if json != Path("-"):
        out = console()
        for letter, facts, adapter in about:
            show_adapter([(letter, facts[0][1]), *facts[1:]], adapter.warnings, adapter.notes, out)
        show_adapter([], bases, [], out)
        show_findings(said, out, explain=explain)
        show_difference(found, out, explain=explain)


def _matrix(
    runs: dict[str, Adapter],
    warnings: list[str],
    side: SideOption,
    top: int,
    *,
    explain: bool,
    json: Path | None,
    csv: Path | None,
    html: Path | None,
) -> None:
    from dataclasses import asdict

    from figures.pages.difference import write_matrix
    from figures.tables import console, progress, show
    from figures.tables.difference import matrix_blocks, matrix_rows
    from figures.tables.identify import show_adapter, show_findings
    from grasp_theory.identification.matrix import overlap_matrix
    from real_models.audit.describe import different_bases, provenance
    from real_models.audit.difference import matrix_findings
    from synthetic.runner.results import write_csv, write_json

    check_targets(json, csv, html, inputs=[file for a in runs.values() for file in a.files])
    warnings = [*different_bases(*runs.values()), *warnings]
    with progress(f"modules of {len(runs)} runs") as watch:
        found = overlap_matrix({name: a.updates for name, a in runs.items()}, side=side.value, top=top, progress=watch)
    said = matrix_findings(found)
    if json is not None:
        about: dict[str, Any] = {"runs": [provenance(a) for a in runs.values()], "warnings": warnings}
        write_json(json, {"findings": [asdict(f) for f in said], **found.to_dict(), **about})
    if csv is not None:
        write_csv(csv, matrix_rows(found))
    if html is not None:
        write_matrix(html, found, said, warnings)
    if json != Path("-"):
        out = console()
        show_adapter([("runs", str(len(runs)))], warnings, [], out)
        show_findings(said, out, explain=explain)
        show(matrix_blocks(found), out)


def _many(paths: Sequence[Path]) -> tuple[dict[str, Adapter], list[str]]:
    """(the adapters by a name each, what was left out): those given, or those in the subfolders of the one given.

    What lies in a folder and cannot be read is left out with its reason; what was named has to be readable.
    """
    from grasp_theory import GraspError, InputError
    from real_models import read_adapter
    from real_models.adapters.folder import find_runs

    if len(paths) > 1:
        names = [str(path) for path in paths]
        if len(set(names)) < len(names):
            raise InputError(f"{max(names, key=names.count)} is given twice; give each adapter once")
        return {name: read_adapter(path) for name, path in zip(names, paths, strict=True)}, []
    runs: dict[str, Adapter] = {}
    warnings = []
    places = find_runs(paths[0])
    for place in places:
        label = place.name if place == paths[0] else place.relative_to(paths[0]).as_posix()
        try:
            runs[label] = read_adapter(place)
        except GraspError as error:
            warnings.append(f"left out: {error}")
    if len(runs) < 2:
        left = "; ".join(["", *warnings])
        raise InputError(
            f"{paths[0]} is one folder, and {len(runs) or 'no'} readable adapter was found in it: give two adapters, "
            f"or a folder whose subfolders hold two or more (checkpoints of one run are one: see identify){left}"
        )
    return runs, warnings
