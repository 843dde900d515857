"""``grasp identify``: what LoRA weights say by themselves, and beside those of control runs."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from .options import MODEL, WRITTEN, AdapterPath, HtmlOption, JsonOption, Name, PoolOption, SideOption, check_targets
from .reading import counted

if TYPE_CHECKING:
    from grasp_theory.identification.trajectory import Checkpoint

Checkpoints = list[tuple[int, Path]]


def identify(
    adapter: AdapterPath,
    side: Annotated[
        SideOption, typer.Option(help="auto: write modules if there are any, else read.")
    ] = SideOption.auto,
    pool: Annotated[
        PoolOption, typer.Option(help="auto: write modules pooled over layers, read ones apart.")
    ] = PoolOption.auto,
    top: Annotated[int, typer.Option(min=1, max=64, help="Components to report.")] = 8,
    normalize: Annotated[
        bool, typer.Option("--normalize", help="Divide modules by their norm before pooling.")
    ] = False,
    name: Name = None,
    trajectory: Annotated[
        bool | None,
        typer.Option(help="Only the trajectory of the checkpoint-N folders, or none. Default: beside the report."),
    ] = None,
    component: Annotated[
        list[int] | None,
        typer.Option(help="Component to save with -o (0-based, repeatable).", rich_help_panel=WRITTEN),
    ] = None,
    module: Annotated[
        str | None,
        typer.Option(
            help="Which decomposition -o saves from, if there are several; default: the strongest.",
            rich_help_panel=WRITTEN,
        ),
    ] = None,
    explain: Annotated[
        bool, typer.Option("--explain", help="How each finding was decided, the rule, its notes, every module.")
    ] = False,
    json: JsonOption = None,
    html: HtmlOption = None,
    output: Annotated[
        Path | None,
        typer.Option("-o", "--output", help="Write chosen directions as safetensors.", rich_help_panel=WRITTEN),
    ] = None,
    base: Annotated[
        Path | None,
        typer.Option(help="Folder of the base model: with --data, identify from dW X.", rich_help_panel=MODEL),
    ] = None,
    data: Annotated[
        Path | None, typer.Option(help="Unlabelled fine-tuning data (JSON lines or text).", rich_help_panel=MODEL)
    ] = None,
    against: Annotated[
        list[Path] | None,
        typer.Option(help="A control run, trained without the factor you look for, to compare with (repeatable)."),
    ] = None,
) -> None:
    """What a LoRA adapter learnt, in words and in components.

    Needs no base model, no data and no network. Each component has its strength, noise floor, agreement of the layers
    and certificate. A folder of checkpoint-N folders gives the trajectory of the run; one that holds the final adapter
    too gives its report first. With --base and --data, dW X is decomposed too, what the update writes on these data,
    and -o saves directions of that. --against names controls, fine-tunes on neutral data of the same format: how much
    of each component these learnt too, which numbers are unlike theirs, and the components of what is left once the
    controls are taken away.
    """
    from figures.tables import console, progress, show
    from figures.tables.identify import show_adapter, show_both, show_findings, show_report, show_trajectory
    from grasp_theory import InputError
    from grasp_theory import identify as decompose
    from real_models import find_checkpoints, read_adapter
    from real_models.adapters.folder import has_adapter
    from real_models.audit.describe import different_bases, summary
    from real_models.audit.findings import findings

    if output is not None and not component:
        raise InputError("-o saves an explicit choice: add --component 0 (repeat it for several components)")
    if output is None and component:
        raise InputError("--component chooses what -o saves: add -o FILE.safetensors")
    if output is None and module is not None:
        raise InputError("--module chooses what -o saves: add -o FILE.safetensors")
    if (base is None) != (data is None):
        raise InputError("--base and --data go together: the inputs of the adapted modules come from both")
    if base is not None and side is SideOption.read:
        raise InputError("dW X tells the write side; leave --side out, or --base and --data")
    if against and base is not None:
        raise InputError("--against compares weights: leave it out, or --base and --data")
    if Path("-") in (html, output):
        raise InputError("only --json can go to standard output: name a file for --html and -o")
    check_targets(html, output, json)
    checkpoints = find_checkpoints(adapter) if name is None and trajectory is not False else []
    if trajectory and not checkpoints:
        raise InputError(f"{adapter} holds no checkpoint-N folders to draw a trajectory of; leave --trajectory out")
    single = not checkpoints or has_adapter(adapter)
    if trajectory or not single:
        if html or output or normalize or base or against or pool is not PoolOption.auto:
            last = checkpoints[-1][1]
            raise InputError(
                "--html, -o, --pool, --base, --against and --normalize need one adapter, and this is the trajectory of "
                f"{len(checkpoints)} checkpoints: try {'--no-trajectory' if single else last}"
            )
        _trajectory(adapter, checkpoints, side, json, final=single)
        return
    found = read_adapter(adapter, name)
    check_targets(html, output, json, inputs=found.files)
    beside, seen, saved, steps, trouble = None, None, None, None, None
    with progress("identify") as watch:
        report = decompose(counted(found, watch), side=side.value, pool=pool.value, top=top, normalize=normalize)
        shown = findings(found, report)
        if against:
            from real_models.audit.against import against as compare

            watch.says("controls")
            beside = compare(found, report, [read_adapter(path) for path in against], top=top, pool=pool.value)
            report = beside.report
        if base is not None and data is not None:
            from real_models.audit.activations import identify_activations

            watch.says("dW X on the data")
            seen = identify_activations(found, base=base, data=data, top=top, pool=pool.value)
        if output is not None and component:
            from real_models.directions import choose_directions, save_directions

            chosen = (seen or report).decomposition(module)
            save_directions(output, choose_directions(found, chosen, tuple(component)))
            saved = f"saved: {output}, component {', '.join(map(str, component))} of {chosen.name} ({chosen.side} side)"
        if checkpoints:
            watch.says(f"{len(checkpoints)} checkpoints")
            steps, trouble = _try_trajectory(adapter, checkpoints, side)
        if json is not None or html is not None:
            from figures.pages.identify import write_results

            watch.says("writing")
            write_results(found, report, shown, json, html, activations=seen, trajectory=steps, against=beside)
    if json != Path("-"):
        out = console()
        show_adapter(summary(found), found.warnings, found.notes, out)
        for control in () if beside is None else beside.controls:
            bases = different_bases(found, control)
            show_adapter([("control", str(control.path))], [*bases, *control.warnings], control.notes, out)
        show_findings(shown, out, explain=explain)
        if beside is not None:
            from figures.tables.against import against_blocks

            show(against_blocks(beside, explain=explain), out)
            out.print()
        show_report(report, out, explain=explain)
        if seen is not None:
            out.print()
            show_report(seen, out, explain=explain)
            show_both(report, seen, out)
        if steps is not None:
            out.print(f"\n{_beside(adapter, checkpoints)}; --no-trajectory is without")
            show_trajectory(steps, out)
        if trouble is not None:
            out.print(f"\n{_beside(adapter, checkpoints)}, but give no trajectory: {trouble}")
        if saved is not None:
            out.print(saved)


def _beside(folder: Path, checkpoints: Checkpoints) -> str:
    count = len(checkpoints)
    return f"{count} checkpoint{'s lie' if count > 1 else ' lies'} beside the final adapter in {folder}"


def _steps(folder: Path, checkpoints: Checkpoints, side: SideOption, *, final: bool) -> list[Checkpoint]:
    from grasp_theory import trajectory
    from real_models import read_adapter

    places: list[tuple[int | None, Path]] = [*checkpoints, *([(None, folder)] if final else [])]
    adapters = [(step, read_adapter(path).updates) for step, path in places]
    return trajectory(adapters, side=side.value)


def _try_trajectory(
    folder: Path, checkpoints: Checkpoints, side: SideOption
) -> tuple[list[Checkpoint] | None, str | None]:
    """(the trajectory, why there is none): a damaged checkpoint is no reason to withhold the final adapter's report."""
    from grasp_theory import GraspError

    try:
        return _steps(folder, checkpoints, side, final=True), None
    except GraspError as error:
        return None, str(error)


def _trajectory(folder: Path, checkpoints: Checkpoints, side: SideOption, json: Path | None, *, final: bool) -> None:
    from dataclasses import asdict

    from figures.tables import console, progress
    from figures.tables.identify import show_trajectory
    from grasp_theory.identification.report import SCHEMA_VERSION
    from synthetic.runner.results import write_json

    with progress(f"{len(checkpoints)} checkpoints"):
        rows = _steps(folder, checkpoints, side, final=final)
    if json is not None:
        value = {"schema_version": SCHEMA_VERSION, "folder": str(folder), "checkpoints": [asdict(r) for r in rows]}
        write_json(json, value)
    if json != Path("-"):
        out = console()
        last = shlex.quote(str(checkpoints[-1][1]))
        audit = "--no-trajectory audits the final adapter" if final else f"`grasp identify {last}` audits the last one"
        out.print(f"{folder}: {len(checkpoints)} checkpoints; {audit}")
        show_trajectory(rows, out)
