"""``grasp compare``: every method, its knob and several seeds, at matched task score."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Annotated, Any

import typer

from .names import configurations
from .options import DatasetsOption, Jobs, JsonOption, Results, check_targets, make_folder


def compare(
    config: Annotated[
        Path | None,
        typer.Argument(
            help="TOML file with a [compare] or a [text] table, or smollm2-…; the full study if none.",
            autocompletion=configurations,
        ),
    ] = None,
    datasets: DatasetsOption = None,
    base: Annotated[
        Path | None, typer.Option(help="Model folder for smollm2-…; default: that of `grasp model smollm2`.")
    ] = None,
    quick: Annotated[
        bool, typer.Option("--quick", help="One variant, three seeds, the main methods at their presets.")
    ] = False,
    jobs: Jobs = 2,
    results: Results = Path("results"),
    json: JsonOption = None,
    list_methods: Annotated[bool, typer.Option("--list", help="List the methods and exit.")] = False,
) -> None:
    """Compare removal methods where each run first reaches the task.

    [compare] is of persona organisms (variants, seeds, methods, presets_only). [text] is of a model of your own: base,
    data, pairs, and neutral, heldout, task, contrast, conditional, kept, control, neutral_data, context, target,
    most, scale, every; a [train] table beside it holds the settings of grasp train. The name of an experiment that
    comes with the package (`grasp data --list`) prepares its files in RESULTS/data first. Methods are ranked within the
    information they use. The runs of RESULTS are kept, so an interrupted comparison goes on where it was.
    """
    from figures.pages.comparison import write_pages
    from figures.tables import console, progress, show
    from figures.tables.comparison import comparison_tables
    from figures.tables.naive_runs import naive_run_tables
    from grasp_theory import InputError
    from real_models.comparison.experiment import cells
    from real_models.comparison.methods import COMPARED
    from real_models.comparison.study import study
    from synthetic.runner.results import write_json

    out = console()
    if list_methods:
        for method in COMPARED.values():
            knobs = ", ".join(f"{k:g}{'*' if k == method.preset else ''}" for k in method.knobs)
            out.print(f"{method.name} ({'control' if method.control else method.information}): {method.knob} {knobs}")
        return
    check_targets(json)
    if quick and config is not None:
        raise InputError("--quick chooses the runs itself: leave it out, or the configuration")
    config = _prepared(config, datasets, base, results)
    chosen, notes = (cells(quick), []) if config is None else _cells(config)
    make_folder(results)
    made = study(chosen, results, jobs=jobs, progress=progress)
    write_pages(made, results, notes)
    if json is not None:
        write_json(json, made.record())
    if json != Path("-"):
        show(comparison_tables(made.lines), out)
        show(naive_run_tables(made.components), out)
        for note in notes:
            out.print(note, highlight=False, markup=False)
        out.print(f"{results / 'comparison.html'}: the same with pictures")


def _prepared(config: Path | None, datasets: Path | None, base: Path | None, results: Path) -> Path | None:
    """The configuration file; where an experiment of the package is named, its files are written first."""
    from grasp_theory import InputError
    from real_models.comparison.language import write_experiment
    from real_models.language_model import model_folder

    if config is None or str(config) not in configurations() or config.is_file():
        if datasets is not None or base is not None:
            raise InputError(f"--datasets and --base go with an experiment by name: {', '.join(configurations())}")
        return config
    name = str(config)
    if datasets is None:
        raise InputError(f"{name} is made from public data sets: name their folder, --datasets FOLDER")
    base = base or model_folder()
    if not base.is_dir():
        raise InputError(f"there is no model in {base}: run `grasp model smollm2`, or name one with --base")
    make_folder(results / "data")
    write_experiment(name, datasets, results / "data", base=base)
    return results / "data" / f"{name}.toml"


def _cells(path: Path) -> tuple[list[Any], list[str]]:
    """The runs of a configuration, and what is to be said of them."""
    from grasp_theory import InputError
    from grasp_theory.errors import unknown_name

    if not path.exists():
        raise unknown_name("file or experiment", [str(path)], configurations())
    try:
        tables = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        why = getattr(error, "strerror", None) or error
        raise InputError(f"cannot read the configuration {path}: {why}; expected a TOML file") from error
    named = [name for name in ("compare", "text") if name in tables]
    if not named:
        raise InputError(f"{path} has no [compare] table, and no [text] table; see grasp compare --help")
    if len(named) == 2:
        raise InputError(f"{path} has a [compare] and a [text] table; give each a file of its own")
    (name,) = named
    settings = tables[name]
    if not isinstance(settings, dict):
        raise InputError(f"{path}: {name} must be a table, [{name}], got {settings!r}")
    return _text(settings, path) if name == "text" else (_personas(dict(settings), path), [])


def _chosen(settings: dict[str, Any], path: Path) -> tuple[list[int], list[str], bool]:
    """seeds (a number or a list), methods, presets_only, taken out of the settings."""
    from grasp_theory import InputError
    from real_models.comparison.methods import COMPARED

    seeds = settings.pop("seeds", 3)
    seeds = list(range(seeds)) if type(seeds) is int else seeds
    presets_only = settings.pop("presets_only", False)
    seeds = _list(seeds, int, f"{path}: seeds")
    methods = _list(settings.pop("methods", list(COMPARED)), str, f"{path}: methods")
    if min(seeds) < 0 or type(presets_only) is not bool:
        raise InputError(f"{path}: seeds must not be negative, presets_only true or false")
    return seeds, methods, presets_only


def _list(values: Any, kind: type, what: str) -> list[Any]:
    """The values, each once."""
    from grasp_theory import InputError

    if not isinstance(values, list) or not values or any(type(value) is not kind for value in values):
        raise InputError(f"{what} must be a list of {'numbers' if kind is int else 'names'}, got {values!r}")
    return list(dict.fromkeys(values))


def _personas(settings: dict[str, Any], path: Path) -> list[Any]:
    """variants, seeds, methods, presets_only, and fields of all cells."""
    from grasp_theory import InputError
    from real_models.comparison.experiment import Cell, make_cells

    seeds, methods, presets_only = _chosen(settings, path)
    variants = _list(settings.pop("variants", ["style"]), str, f"{path}: variants")
    for name, value in settings.items():
        if type(getattr(Cell, name, None)) is int and type(value) is not int:
            raise InputError(f"{path}: {name} must be a whole number, got {value!r}")
    values = {name: tuple(value) if isinstance(value, list) else value for name, value in settings.items()}
    try:
        return make_cells(variants, seeds, methods, presets_only=presets_only, **values)
    except TypeError as error:
        raise InputError(
            f"{path}: {error}; settings are variants, seeds, methods, presets_only and those of a run"
        ) from error


def _text(table: dict[str, Any], path: Path) -> tuple[list[Any], list[str]]:
    """base and files (relative to the configuration), context, target, every, seeds, methods, presets_only; [train]
    aside."""
    from grasp_theory import InputError
    from grasp_theory.errors import unknown_name
    from real_models.comparison.experiment import make_text_cells, missing
    from real_models.organisms.text import FILES, TextSpec

    settings = dict(table)
    seeds, methods, presets_only = _chosen(settings, path)
    paths = {"base": "model"} | {name: name for name in FILES}
    kinds = dict.fromkeys([*paths, "context", "scale"], str) | {"target": float, "every": int, "most": int}
    unknown = sorted(set(settings) - set(kinds))
    if unknown:
        what = unknown_name("setting of [text]", unknown, [*kinds, "seeds", "methods", "presets_only"])
        raise InputError(f"{path}: {what}; settings of the training go into a [train] table, as for grasp train")
    for name, value in settings.items():
        if type(value) is not kinds[name] and not (kinds[name] is float and type(value) is int):
            what = {str: "text", int: "a whole number", float: "a number"}[kinds[name]]
            raise InputError(f"{path}: {name} must be {what}, got {value!r}")
    absent = [name for name in ("base", "data", "pairs") if not settings.get(name)]
    if absent:
        raise InputError(f"{path}: [text] needs {', '.join(absent)}: a model folder, training rows, contrastive pairs")
    files = {paths[name]: str(path.parent / value) for name, value in settings.items() if name in paths and value}
    rest = {name: value for name, value in settings.items() if name not in paths}
    if "target" in rest:
        rest["target"] = float(rest["target"])
    spec = TextSpec(**files, **rest, settings=_training(path))
    left_out = missing(spec, methods)
    kept = [name for name in methods if name not in left_out]
    if not kept:
        raise InputError(f"{path}: all methods are left out; they need {', '.join(dict.fromkeys(left_out.values()))}")
    spec.check()
    notes = [
        "text: one organism. Seeds redraw the LoRA start and the data order alone, so intervals are over runs, not "
        f"over organisms. drift: {_asked(spec)} make the supervised directions.",
        f"drift, conditional and kept are in {_unit(spec)}; the task score is a probability.",
    ]
    if spec.target is None:
        notes.append("The task score to match is nine tenths of the way from the naive run's start to its end.")
    for need in dict.fromkeys(left_out.values()):
        notes.append(f"left out for want of {need}: {', '.join(x for x in left_out if left_out[x] == need)}")
    cells, unfit = make_text_cells(spec, seeds, kept, presets_only=presets_only)
    if spec.target is None and not any(cell.method == "naive" for cell in cells):
        raise InputError(f"{path}: the task score to match is the naive run's: add naive to methods, or give a target")
    return cells, notes + [f"left out: {why}" for why in unfit]


def _asked(spec: Any) -> str:
    if spec.contrast:
        return "of all pairs; those of contrast"
    return "of every other question among the pairs; the rest"


def _unit(spec: Any) -> str:
    if spec.scale == "probability":
        return "probability of the completion with the trait among the two of a pair"
    return f"{spec.scale} of the completion with the trait over the one without"


def _training(path: Path) -> Any:
    """The [train] table, as ``grasp train`` reads it; 200 steps where it does not say how many."""
    from dataclasses import replace

    from real_models.training.config import TrainConfig

    found = TrainConfig.read(path if "train" in tomllib.loads(path.read_text(encoding="utf-8")) else None)
    return found if found.steps else replace(found, steps=200)
