"""``grasp compare``: every method, its knob and several seeds, at matched task score."""

from __future__ import annotations

import tomllib
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer

from .options import Jobs, JsonOption, Results, check_targets, make_folder


def compare(
    config: Annotated[
        Path | None, typer.Argument(help="TOML file with a [compare] table; the full study if none.")
    ] = None,
    quick: Annotated[
        bool, typer.Option("--quick", help="One variant, two seeds, the main rows at their presets.")
    ] = False,
    jobs: Jobs = 2,
    results: Results = Path("results"),
    json: JsonOption = None,
    show: Annotated[bool, typer.Option("--list", help="List the rows and exit.")] = False,
) -> None:
    """Compare removal methods on persona organisms: drift where each run first reaches the task.

    Rows are ranked within the information they use. The runs of RESULTS are kept, so an interrupted comparison goes on
    where it was.
    """
    from figures.comparing import show_comparison, study
    from figures.tables import console, progress
    from grasp_theory import InputError
    from real_models.comparison import cells
    from real_models.organisms.arms import ARMS
    from synthetic.results import write_json

    out = console()
    if show:
        for arm in ARMS:
            knobs = ", ".join(f"{k:g}{'*' if k == arm.preset else ''}" for k in arm.knobs)
            out.print(f"{arm.name} ({'control' if arm.control else arm.information}): {arm.knob} {knobs}")
        return
    check_targets(json)
    if quick and config is not None:
        raise InputError("--quick chooses the runs itself: leave it out, or the configuration")
    chosen = cells(quick) if config is None else _cells(config)
    make_folder(results)
    with progress("compare", out) as track:
        _, found = study(chosen, results, jobs=jobs, progress=track)
    if json is not None:
        write_json(json, {"schema_version": 1, "rows": [asdict(line) for line in found]})
    if json != Path("-"):
        show_comparison(found, out)


def _cells(path: Path) -> list[Any]:
    """variants, seeds (a number or a list), arms, presets_only, and fields of all cells."""
    from grasp_theory import InputError
    from real_models.comparison import Cell, make_cells
    from real_models.organisms.arms import ARMS

    try:
        table = tomllib.loads(path.read_text(encoding="utf-8"))["compare"]
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise InputError(f"cannot read the configuration {path}: {error}") from error
    except KeyError:
        raise InputError(f"{path} has no [compare] table") from None
    if not isinstance(table, dict):
        raise InputError(f"{path}: compare must be a table, [compare], got {table!r}")
    settings = dict(table)
    seeds = settings.pop("seeds", 3)
    seeds = list(range(seeds)) if type(seeds) is int else seeds
    presets_only = settings.pop("presets_only", False)
    lists = {"seeds": (seeds, int), "variants": (settings.pop("variants", ["style"]), str)}
    lists["arms"] = (settings.pop("arms", [arm.name for arm in ARMS]), str)
    for name, (values, kind) in lists.items():
        if not isinstance(values, list) or not values or any(type(value) is not kind for value in values):
            raise InputError(
                f"{path}: {name} must be a list of {'numbers' if kind is int else 'names'}, got {values!r}"
            )
    if min(seeds) < 0 or type(presets_only) is not bool:
        raise InputError(f"{path}: seeds must not be negative, presets_only true or false")
    for name, value in settings.items():
        if type(getattr(Cell, name, None)) is int and type(value) is not int:
            raise InputError(f"{path}: {name} must be a whole number, got {value!r}")
    try:
        return make_cells(
            *(list(dict.fromkeys(lists[name][0])) for name in ("variants", "seeds", "arms")),
            presets_only=presets_only,
            **{name: tuple(value) if isinstance(value, list) else value for name, value in settings.items()},
        )
    except TypeError as error:
        raise InputError(
            f"{path}: {error}; settings are variants, seeds, arms, presets_only and those of a run"
        ) from error
