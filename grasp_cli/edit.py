"""``grasp edit``: a new adapter without a direction or a component, from an old one that stays as it is."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from .options import JsonOption, Name, check_targets
from .reading import counted


def edit(
    adapter: Annotated[Path, typer.Argument(help="A PEFT adapter folder. It is only read.")],
    output: Annotated[Path, typer.Option("-o", "--output", help="New folder for the edited adapter.")],
    directions: Annotated[
        Path | None, typer.Option(help="Directions to project out, a file of `grasp identify -o`.")
    ] = None,
    delete: Annotated[
        list[int] | None, typer.Option(min=0, help="Component of each module to delete (0-based, repeatable).")
    ] = None,
    keep: Annotated[int | None, typer.Option(min=1, help="Leading components of each module to keep.")] = None,
    scale: Annotated[float, typer.Option(help="Factor on what is left of the update.")] = 1.0,
    shrink: Annotated[
        float | None,
        typer.Option(help="Shrink component 0 for a task of this norm, as a share of the component's."),
    ] = None,
    strength: Annotated[
        float | None, typer.Option(help="With --shrink: the factor's strength, as a share of component 0's.")
    ] = None,
    threshold: Annotated[
        float,
        typer.Option(min=0.0, help="Share of each module's largest singular value that all of its values lose."),
    ] = 0.0,
    same_base: Annotated[
        bool, typer.Option("--same-base", help="The base model that the directions name is this adapter's.")
    ] = False,
    name: Name = None,
    json: JsonOption = None,
) -> None:
    """Take directions or components out; writes a new adapter.

    Projects directions out, deletes or shrinks components, keeps the top ones, scales. Needs no base model. Write
    directions are taken out of all modules that write the stream, read directions out of the modules they were
    identified on. --delete and --keep count the components of each module by itself, before the projection; a component
    of a pooled decomposition is removed by its directions. --shrink RHO takes a share of component 0 of each module
    that errs least in the worst case, if the task in it may have RHO of its norm: (1 − RHO²)/(2 − STRENGTH), and nearly
    all of it if the strength is unknown. --threshold is soft thresholding: small components go, strong ones lose the
    same amount.
    """
    from dataclasses import asdict

    from figures.tables import console, progress, show
    from figures.tables.edit import edit_blocks
    from figures.tables.identify import show_adapter
    from real_models import read_adapter
    from real_models.adapters.copy import check_new_folder, copy_adapter
    from real_models.audit.describe import provenance, summary
    from real_models.audit.edit_report import CAVEAT, check_origin, compare_edit
    from real_models.directions import load_directions
    from real_models.methods.edit import edit as edit_updates
    from real_models.methods.edit import edited_sides
    from synthetic.runner.results import write_json

    found = read_adapter(adapter, name)
    check_new_folder(output, found)
    check_targets(json, inputs=[*found.files, directions])
    chosen = load_directions(directions) if directions is not None else None
    notes = check_origin(chosen, found, same_base=same_base)
    options: dict[str, Any] = {"keep": keep, "scale": scale, "shrink": shrink, "strength": strength}
    options["threshold"] = threshold
    sides = edited_sides(found.updates, chosen)
    with progress("edit") as watch:
        updates = counted(found, watch)
        edited = edit_updates(updates, chosen, delete=tuple(delete or ()), **options)
        changed = [new for new, old in zip(edited, updates, strict=True) if new is not old]
        copy_adapter(output, found, changed)
        watch.says("reading it back")
        rows = compare_edit(found.updates, read_adapter(output).updates, sides, [u.name for u in changed])
    if json is not None:
        asked = {"directions": None if directions is None else str(directions), "delete": delete or [], **options}
        record = {"schema_version": 1, "adapter": provenance(found), "output": str(output), **asked}
        write_json(json, {**record, "notes": list(notes), "modules": [asdict(row) for row in rows]})
    if json != Path("-"):
        out = console()
        show_adapter(summary(found), found.warnings, (*found.notes, *notes), out)
        show(edit_blocks(rows), out)
        if chosen is not None:
            out.print(f"{'caveat:':9}{CAVEAT}", style="dim")
        out.print(f"{'written:':9}{output}")
