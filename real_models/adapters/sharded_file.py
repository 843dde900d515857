"""Weights in several safetensors files and their index, as transformers writes large models: read as one file."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from grasp_theory import AdapterError

from .safetensors_file import SafetensorsFile
from .tensors import TensorInfo
from .text import listing, parse_json_object, read_bounded

MAX_INDEX = 100_000_000
MAX_NAME = 255  # bytes of a file's name, on most systems
AGAIN = "copy all files of one save again"


@dataclass(frozen=True)
class ShardedFile:
    """An index and its shards, of which the headers are read; every :meth:`read` reads one tensor of one of them.

    Attributes:
        path: of the index, ``{"weight_map": {tensor: file name}}``.
        shards: by file name.
    """

    path: Path
    tensors: Mapping[str, TensorInfo]
    shards: Mapping[str, SafetensorsFile]
    weight_map: Mapping[str, str]

    @classmethod
    def open(cls, path: Path) -> ShardedFile:
        """Read the index and the headers of all shards.

        Raises AdapterError for an index that is none, a shard that is missing or damaged, and shards that do not hold
        what the index says: they are of two saves.
        """
        weight_map = _weight_map(path)
        names = list(dict.fromkeys(weight_map.values()))
        missing = [name for name in names if not (path.parent / name).is_file()]
        if missing:
            raise AdapterError(
                f"{path} names {len(names)} shards, of which {len(missing)} are missing: {listing(missing)}; {AGAIN}"
            )
        shards = {name: SafetensorsFile.open(path.parent / name) for name in names}
        for name, shard in shards.items():
            promised = {tensor for tensor, where in weight_map.items() if where == name}
            absent, extra = sorted(promised - shard.tensors.keys()), sorted(shard.tensors.keys() - promised)
            if absent or extra:
                what = f"lacks {len(absent)} tensors that it names there" if absent else f"holds {len(extra)} more"
                raise AdapterError(
                    f"{shard.path} is not the shard that {path.name} describes: it {what} ({(absent or extra)[0]!r}); "
                    f"the shards are of different saves: {AGAIN}"
                )
        tensors = {tensor: shards[where].tensors[tensor] for tensor, where in weight_map.items()}
        return cls(path, tensors, shards, weight_map)

    @property
    def files(self) -> list[Path]:
        """The index and the shards."""
        return [self.path, *(shard.path for shard in self.shards.values())]

    def read(self, name: str) -> np.ndarray:
        """One tensor, as :meth:`SafetensorsFile.read`."""
        return self.shards[self.weight_map[name]].read(name)


def _weight_map(path: Path) -> dict[str, str]:
    found = parse_json_object(read_bounded(path, MAX_INDEX, "index of shards"), path).get("weight_map")
    if not isinstance(found, dict) or not found:
        raise AdapterError(f"{path}: expected a weight_map from tensors to the files of the shards; {AGAIN}")
    for tensor, name in found.items():
        if not isinstance(name, str) or not _beside(name):
            raise AdapterError(
                f"{path}: tensor {tensor!r} lies in {name!r:.80}; expected the name of a safetensors file beside it"
            )
    return found


def _beside(name: str) -> bool:
    """Whether this may be the name of a safetensors file in the same folder."""
    fits = name.isprintable() and len(name.encode()) <= MAX_NAME
    return fits and Path(name).name == name and name.endswith(".safetensors")
