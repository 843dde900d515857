"""The configuration of a comparison: a TOML file, and the cells that it stands for."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

from grasp_theory import InputError
from grasp_theory.errors import unknown_name

from ..organisms.text import TextSpec
from ..organisms.text_files import FILES
from ..training.config import TrainConfig, read_tables
from .experiment import Cell, TextCell, make_cells, make_text_cells, missing
from .language import configurations
from .methods import COMPARED


def read_cells(path: Path) -> tuple[list[Cell] | list[TextCell], list[str]]:
    """The runs of a configuration, and what is to be said of them.

    Args:
        path: a TOML file with a table [compare] or [text]; file names in it are relative to its folder.

    Raises InputError for what is not one, for settings that are unknown or of another type, and for files that cannot
    be trained on.
    """
    if not path.exists():
        raise unknown_name("file or experiment", [str(path)], configurations())
    tables = read_tables(path)
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
    if not isinstance(values, list) or not values or any(type(value) is not kind for value in values):
        raise InputError(f"{what} must be a list of {'numbers' if kind is int else 'names'}, got {values!r}")
    return list(dict.fromkeys(values))


def _personas(settings: dict[str, Any], path: Path) -> list[Cell]:
    """variants, seeds, methods, presets_only, and fields of all cells."""
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


def _text(table: dict[str, Any], path: Path) -> tuple[list[TextCell], list[str]]:
    """base and files (relative to the configuration), context, target, every, seeds, methods, presets_only; [train]
    aside."""
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


def _asked(spec: TextSpec) -> str:
    if spec.contrast:
        return "of all pairs; those of contrast"
    return "of every other question among the pairs; the rest"


def _unit(spec: TextSpec) -> str:
    if spec.scale == "probability":
        return "probability of the completion with the trait among the two of a pair"
    return f"{spec.scale} of the completion with the trait over the one without"


def _training(path: Path) -> TrainConfig:
    """The [train] table, as ``grasp train`` reads it; 200 steps where it does not say how many."""
    found = TrainConfig.read(path if "train" in read_tables(path) else None)
    return found if found.steps else replace(found, steps=200)
