"""Where the two files of an adapter are: a folder, one of its files, or a folder of several adapters."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from pathlib import Path

from grasp_theory import AdapterError, InputError, UnsupportedAdapterError

from .foreign import Format, diffusers_parts
from .refusals import FILES, WAY_OUT, foreign_layout, unsupported
from .safetensors_file import SafetensorsFile
from .sides import natural_key
from .text import listing, read_bounded

CONFIG = "adapter_config.json"
SAFETENSORS = "adapter_model.safetensors"
TORCH = "adapter_model.bin"
INDEX = f"{SAFETENSORS}.index.json"
MLX = "adapters.safetensors"
DIFFUSERS = "pytorch_lora_weights.safetensors"
CHECKPOINT = re.compile(r"checkpoint-([0-9]{1,18})")
CHECKPOINTS = "checkpoints"  # where `grasp train` keeps them, in the folder of the run
MAX_CONFIG = 50_000_000
FULL_MODELS = ("model.safetensors", "pytorch_model.bin", "model.safetensors.index.json", "pytorch_model.bin.index.json")


@dataclass(frozen=True)
class Place:
    """The folder of one adapter, its weight file and format, and what the search has to say about its choice.

    Attributes:
        part: the model within a diffusers file.
    """

    folder: Path
    weights: Path
    format: Format = "peft"
    part: str = ""
    warnings: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()

    def read_config(self) -> bytes:
        """The bytes of the config; AdapterError if they cannot be had."""
        return read_bounded(self.folder / CONFIG, MAX_CONFIG, "adapter config")


def find_adapter(path: str | os.PathLike[str], name: str | None = None) -> Place:
    """The adapter at ``path``: a folder, or its config or weight file.

    ``name`` selects one of several subfolders, or one of the models of a diffusers file.
    Raises AdapterError if there is none, or several and no name; UnsupportedAdapterError for other tools' layouts.
    """
    if not isinstance(path, str | os.PathLike) or isinstance(os.fspath(path), bytes):
        raise InputError(f"the path of an adapter must be text or a Path, got {type(path).__name__}")
    try:
        folder = _folder_of(Path(path))
        diffusers = _diffusers_file(Path(path))
        if diffusers is not None:
            return _diffusers_place(diffusers, name)
        if name is not None:
            folder = _named(folder, name)
        elif not _is_file(folder / CONFIG):
            return _only_subfolder(folder)
        others = [] if name is not None else _subfolders(folder)
        notes = (
            (f"further adapters lie in subfolders, to be read by their own path: {listing(others)}",) if others else ()
        )
        return _place(folder, notes=notes)
    except (OSError, ValueError) as e:  # ValueError: a null byte in the path
        if isinstance(e, AdapterError | InputError):
            raise
        raise AdapterError(f"{os.fspath(path)!r} cannot be read: {getattr(e, 'strerror', None) or e}") from None


def find_checkpoints(path: str | os.PathLike[str]) -> list[tuple[int, Path]]:
    """The checkpoints of a training run: (step, folder) of every ``checkpoint-<step>`` that holds an adapter, by step.

    Raises AdapterError if ``path`` is no folder that can be listed.
    """
    try:
        folder = _folder_of(Path(path))
        found = [(CHECKPOINT.fullmatch(p.name), p) for p in folder.iterdir()]
        return sorted((int(m[1]), p) for m, p in found if m and _is_file(p / CONFIG))
    except (OSError, TypeError) as e:
        raise AdapterError(f"{path!r} cannot be listed: {getattr(e, 'strerror', None) or e}") from None


def find_runs(path: str | os.PathLike[str], *, whole: bool = True) -> list[Path]:
    """The folders below ``path`` that hold an adapter, in natural order; of a run's checkpoints only the last one.

    Args:
        whole: leave out folders that hold weights of an adapter and no config.

    A folder that holds an adapter of its own stands for the checkpoint-N folders in it, or in its folder
    ``checkpoints``. Raises AdapterError if ``path`` is no folder that can be listed.
    """
    top = _folder_of(Path(path))
    try:
        signs = (CONFIG, DIFFUSERS) if whole else (CONFIG, DIFFUSERS, SAFETENSORS, TORCH, INDEX)
        found = {p.parent for name in signs for p in top.rglob(name) if _is_file(p)}
    except OSError as e:
        raise AdapterError(f"{path!r} cannot be listed: {e.strerror or e}") from None
    by_run: dict[Path, list[Path]] = {}
    for folder in found:
        by_run.setdefault(_run_of(folder), []).append(folder)
    kept = [run if run in found else max(parts, key=lambda p: natural_key(p.name)) for run, parts in by_run.items()]
    return sorted(kept, key=lambda p: natural_key(str(p)))


def _run_of(folder: Path) -> Path:
    """The run of an adapter: Trainer puts checkpoints in its folder, ``grasp train`` in ``checkpoints`` there."""
    if not CHECKPOINT.fullmatch(folder.name):
        return folder
    return folder.parents[1] if folder.parent.name == CHECKPOINTS else folder.parent


def has_adapter(path: str | os.PathLike[str]) -> bool:
    """Whether ``path`` is, or lies in, a folder with a config of its own, whatever its subfolders hold."""
    return _is_file(_folder_of(Path(path)) / CONFIG)


def _folder_of(path: Path) -> Path:
    if path.is_dir():
        return path
    if not path.exists():
        broken = os.path.islink(path)
        why = f"is a symbolic link to {os.readlink(path)!r}, which does not exist" if broken else "does not exist"
        raise AdapterError(f"{path} {why}; give the folder that holds {CONFIG}")
    if path.name in (CONFIG, SAFETENSORS, TORCH, INDEX, MLX) or _diffusers_file(path) is not None:
        return path.parent
    if path.suffix == ".safetensors":
        _refuse_foreign_file(path)
    _refuse_foreign_name(path)
    raise AdapterError(
        f"{path} is no adapter folder and none of its files ({CONFIG}, {SAFETENSORS}, {TORCH}): "
        "give the folder that save_pretrained of peft wrote"
    )


def _named(folder: Path, name: str) -> Path:
    if not isinstance(name, str) or not name:
        raise InputError(f"name must be the name of a subfolder, got {name!r}")
    if _is_file(folder / name / CONFIG):
        return folder / name
    if name == "default" and _is_file(folder / CONFIG):
        return folder  # peft saves the adapter "default" at the top and the others in subfolders
    there = _subfolders(folder)
    raise AdapterError(
        f"{folder} holds no adapter named {name!r}; it holds {listing(there, 20) or 'none: give no name'}"
    )


def _only_subfolder(folder: Path) -> Place:
    there = _subfolders(folder)
    if len(there) == 1:
        chosen = folder / there[0]
        return _place(chosen, (f"{folder} holds no adapter itself; its only one, {there[0]!r}, is read",))
    if there:
        example = folder / there[0]
        raise AdapterError(
            f"{folder} holds {len(there)} adapters: {listing(there, 20)}; give the folder of one, such as {example}, "
            f"or choose it with name={there[0]!r}"
        )
    deeper = sorted(str(p.parent) for p in folder.glob(f"*/*/{CONFIG}"))  # a hub's cache, models--x--y/snapshots/…
    if deeper:
        raise AdapterError(f"{folder} holds no adapter itself; give the folder of one: {listing(deeper)}")
    _refuse_foreign_folder(folder)
    if os.path.islink(folder / CONFIG):
        raise AdapterError(f"{folder / CONFIG} is a symbolic link to a file that does not exist")
    if (folder / CONFIG).exists():
        raise AdapterError(f"{folder / CONFIG} is not a file; save the adapter again")
    what = "is empty" if not any(folder.iterdir()) else f"holds no {CONFIG}"
    deeper = "; `grasp survey` reads those that lie deeper" if any(path.is_dir() for path in folder.iterdir()) else ""
    raise AdapterError(f"{folder} {what}; expected a folder written by peft's save_pretrained{deeper}")


def _subfolders(folder: Path) -> list[str]:
    return sorted((p.name for p in folder.iterdir() if _is_file(p / CONFIG)), key=natural_key)


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except OSError:  # a folder that may not be entered holds nothing for us
        return False


def _place(folder: Path, warnings: tuple[str, ...] = (), notes: tuple[str, ...] = ()) -> Place:
    place = Place(folder, _weights_in(folder), warnings=warnings, notes=notes)
    return replace(place, format="mlx") if place.weights.name == MLX else place


def _diffusers_file(path: Path) -> Path | None:
    """The weight file, if ``path`` is one in the layout of diffusers or a folder that holds one and no config."""
    file = path / DIFFUSERS if path.is_dir() and not _is_file(path / CONFIG) else path
    if file.suffix != ".safetensors" or file.name in (SAFETENSORS, MLX) or not _is_file(file):
        return None
    try:
        return file if diffusers_parts(file) else None
    except AdapterError:
        return None


def _diffusers_place(file: Path, name: str | None) -> Place:
    parts = diffusers_parts(file)
    if name is None and len(parts) > 1:
        raise AdapterError(
            f"{file} adapts {len(parts)} models, whose streams have nothing in common: {listing(parts, 20)}; "
            f"choose one with name={parts[0]!r}"
        )
    if name is not None and name not in parts:
        raise AdapterError(f"{file} holds no adapter of {name!r}; it holds {listing(parts, 20)}")
    return Place(file.parent, file, format="diffusers", part=parts[0] if name is None else name)


def _weights_in(folder: Path) -> Path:
    """The weight file as peft chooses it, safetensors before .bin; else the index of several."""
    for name in (SAFETENSORS, TORCH, INDEX, MLX):
        weights = folder / name
        if weights.is_file():
            return weights
        if os.path.islink(weights) and not weights.exists():
            raise AdapterError(f"{weights} is a symbolic link to {os.readlink(weights)!r}, which does not exist")
        if weights.exists():
            raise AdapterError(f"{weights} is not a regular file; save the adapter again")
    pickled = folder / f"{TORCH}.index.json"
    if pickled.exists():
        raise UnsupportedAdapterError(
            f"{folder} holds pickled weights in several shards ({pickled.name}); save the adapter again as safetensors"
        )
    full = [name for name in FULL_MODELS if (folder / name).exists()]
    if full:
        raise AdapterError(
            f"{folder} holds an {CONFIG} but a full model ({full[0]}) instead of adapter weights: the factors were "
            "merged or never saved; save the adapter with PeftModel.save_pretrained"
        )
    _refuse_foreign_folder(folder)
    raise AdapterError(f"{folder} holds no weights; expected {SAFETENSORS} or {TORCH} beside {CONFIG}")


def _refuse_foreign_folder(folder: Path) -> None:
    for path in sorted(folder.glob("*.safetensors")):
        _refuse_foreign_file(path)
    for path in sorted(folder.iterdir()):
        _refuse_foreign_name(path)


def _refuse_foreign_name(path: Path) -> None:
    whose = next((tool for pattern, tool in FILES.items() if fnmatchcase(path.name, pattern)), None)
    if whose:
        raise unsupported(path, f"a file of {whose}", "names and scales are another tool's", WAY_OUT)


def _refuse_foreign_file(path: Path) -> None:
    """Refuse a safetensors file in the layout of another tool by the tool's name; say nothing of other files."""
    try:
        foreign = foreign_layout(list(SafetensorsFile.open(path).tensors))
    except AdapterError:
        return
    if foreign:
        raise unsupported(path, f"the layout of {foreign}", "names and scales are another tool's", WAY_OUT)
