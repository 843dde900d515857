"""A copy of an adapter folder with other factors in some modules, everything else as it was."""

from __future__ import annotations

import os
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from grasp_theory import AdapterError, InputError, LowRank, Update
from synthetic.runner.results import replacing

from .folder import CONFIG, INDEX, SAFETENSORS
from .layout import parse_layout
from .reader import Adapter
from .safetensors_file import SafetensorsFile
from .torch_file import TorchFile

if TYPE_CHECKING:
    import torch


def check_new_folder(path: str | os.PathLike[str], adapter: Adapter) -> Path:
    """The path, if :func:`copy_adapter` may write there: nothing is there yet, and it is not inside the adapter.

    Raises InputError otherwise.
    """
    if adapter.format != "peft":
        raise InputError(
            f"{adapter.weights} is in the format of {adapter.format}, and only PEFT folders are copied; "
            "write_adapter(path, updates) writes its updates as PEFT"
        )
    if adapter.weights.name == INDEX:
        raise InputError(
            f"the weights of {adapter.path} lie in shards, and one file is copied; write_adapter(path, updates) writes "
            "its updates into one"
        )
    new, old = Path(path).resolve(), adapter.path.resolve()
    if new == old or old in new.parents:
        raise InputError(f"{path} is the adapter's own folder, which is left as it is: name another one")
    if new.exists() and not new.is_dir():
        raise InputError(f"expected a folder to write, {path} is a file")
    if new.is_dir() and any(new.iterdir()):
        raise InputError(f"{path} holds something already; name a new or an empty folder")
    if not new.parent.is_dir():
        raise InputError(f"cannot write {path}: the folder {new.parent} does not exist; create it first")
    return Path(path)


def copy_adapter(path: str | os.PathLike[str], adapter: Adapter, updates: Iterable[Update]) -> Path:
    """Copy an adapter with other updates: peft merges what it loads into those given, and into the others as stored.

    The config is copied byte by byte: scaling rule, patterns, target modules, base model, task. So are all tensors but
    the factors of ``updates``, also biases and modules saved whole; those are stored in float32, in the shapes of the
    old ones. The old folder is only read.

    Args:
        path: a new or empty folder.
        adapter: as read.
        updates: of some of its modules, rank and scaling unchanged.

    Raises InputError for another rank, scaling or shape, or an unknown module, AdapterError if the folder cannot be
    written; it is then left as it was. Cost: all tensors of the adapter are in memory.
    """
    from safetensors.torch import save

    folder = check_new_folder(path, adapter)
    try:
        config = (adapter.path / CONFIG).read_bytes()
        data = save(_tensors(adapter, updates), {"format": "pt"})
        made = not folder.exists()
        folder.mkdir(exist_ok=True)
        try:
            for name, content in ((SAFETENSORS, data), (CONFIG, config)):
                with replacing(folder / name) as file:
                    file.write(content)
        except BaseException:
            with suppress(OSError):
                (folder / SAFETENSORS).unlink(missing_ok=True)
                if made:
                    folder.rmdir()
            raise
    except OSError as e:
        raise AdapterError(f"{folder} cannot be written: {e.strerror or e}") from None
    return folder


def _tensors(adapter: Adapter, updates: Iterable[Update]) -> dict[str, torch.Tensor]:
    import torch
    from safetensors.torch import load_file

    if adapter.weights.suffix == ".safetensors":
        stored, tensors = SafetensorsFile.open(adapter.weights), load_file(adapter.weights)
    else:
        stored = TorchFile.open(adapter.weights)
        tensors = {name: value.detach().contiguous().clone() for name, value in stored.values.items()}
    layout = parse_layout(stored.tensors, adapter.config, adapter.weights)
    modules, before = {m.name: m for m in layout.modules}, {u.name: u for u in adapter.updates}
    for update in updates:
        if update.name not in modules:
            raise InputError(f"the adapter does not adapt {update.name!r}")
        lowrank, old = update.lowrank, before[update.name]
        _check(update.name, lowrank, old)
        for key, factor in ((modules[update.name].B, lowrank.B), (modules[update.name].A, lowrank.A)):
            made = torch.from_numpy(_float32(factor, key)).reshape(tensors[key].shape)
            tensors[key] = made
    return tensors


def _check(name: str, lowrank: LowRank, old: Update) -> None:
    scaling = old.lowrank.scaling
    if (lowrank.shape, lowrank.rank, lowrank.scaling) != (old.shape, old.rank, scaling):
        raise InputError(
            f"{name}: expected shape {old.shape}, rank {old.rank} and scaling {scaling}, as in the config that is "
            f"copied, got {lowrank.shape}, {lowrank.rank} and {lowrank.scaling}; use write_adapter"
        )


def _float32(factor: Any, key: str) -> np.ndarray:
    with np.errstate(over="ignore"):
        values = np.array(factor, dtype=np.float32)
    if not np.isfinite(values).all():
        raise InputError(f"{key!r} would hold values that are not finite in float32; nothing was written")
    return values
