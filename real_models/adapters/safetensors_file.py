"""The safetensors format, read tensor by tensor into float32 without torch and without mapping the file.

Layout (https://huggingface.co/docs/safetensors): u64 little-endian header length, a JSON header
``{name: {"dtype", "shape", "data_offsets": [begin, end]}}`` with an optional ``__metadata__``, then the data.
The safetensors package reads bfloat16 only through a torch import that costs more than the whole identification, and
it maps the file, so that every page touched stays in resident memory. Hence these few lines, as strict as its parser.
"""

from __future__ import annotations

import math
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from grasp_theory import AdapterError

from .tensors import READABLE, TensorInfo, check_readable
from .text import LFS_POINTER, parse_json_object, require_printable, shortened

MAX_HEADER = 100_000_000  # the bound of the reference implementation
BITS = {
    **dict.fromkeys(("BOOL", "U8", "I8", "F8_E4M3", "F8_E5M2", "F8_E8M0", "F8_E4M3FNUZ", "F8_E5M2FNUZ"), 8),
    **dict.fromkeys(("U16", "I16", "F16", "BF16"), 16),
    **dict.fromkeys(("U32", "I32", "F32"), 32),
    **dict.fromkeys(("U64", "I64", "F64", "C64"), 64),
    **{"F4": 4, "F6_E2M3": 6, "F6_E3M2": 6},
}


@dataclass(frozen=True, slots=True)
class Entry(TensorInfo):
    """A tensor's type and shape, and its bytes [begin, end) within the data section."""

    begin: int
    end: int


@dataclass(frozen=True)
class SafetensorsFile:
    """A checked header. Every :meth:`read` opens the file, reads one tensor and closes it again."""

    path: Path
    tensors: Mapping[str, Entry]
    data_start: int
    metadata: Mapping[str, str]

    @classmethod
    def open(cls, path: Path) -> SafetensorsFile:
        """Read and check the header. Allocates nothing that the size of the file does not back.

        Raises AdapterError if the file is truncated, lies about sizes, repeats a name, or has overlaps or holes.
        """
        try:
            with path.open("rb") as f:
                size = os.fstat(f.fileno()).st_size
                length = int.from_bytes(_lead(f.read(64), path), "little")
                if length > min(size - 8, MAX_HEADER):
                    raise AdapterError(
                        f"{path}: the header claims {length} bytes in a file of {size}; it is truncated or not "
                        "safetensors: copy or download it again"
                    )
                f.seek(8)
                raw = f.read(length)
        except OSError as e:
            raise AdapterError(f"{path} cannot be read: {e.strerror or e}") from None
        header = parse_json_object(raw, f"the header of {path}")
        metadata = _check_metadata(header.pop("__metadata__", {}), path)
        tensors = {require_printable(name, path): _entry(name, item, path) for name, item in header.items()}
        _check_tiling(tensors, size - 8 - length, path)
        return cls(path, tensors, 8 + length, metadata)

    def read(self, name: str) -> np.ndarray:
        """One tensor as float32, or float64 if stored so. Peak memory: 1.5 times the result for bfloat16.

        Raises UnsupportedAdapterError for another type, AdapterError for a file that changed, cannot be read or does
        not fit in memory.
        """
        entry = self.tensors[name]
        check_readable(self.path, name, entry.dtype)
        try:
            stored = np.empty(math.prod(entry.shape), READABLE[entry.dtype])
            with self.path.open("rb") as f:
                f.seek(self.data_start + entry.begin)
                got = f.readinto(stored.data.cast("B")) if stored.size else 0
            if got != entry.end - entry.begin:
                raise AdapterError(f"{self.path} changed while it was read: tensor {name!r} ends early")
            return _widen(stored, entry.dtype).reshape(entry.shape)
        except OSError as e:
            raise AdapterError(f"{self.path} cannot be read: {e.strerror or e}") from None
        except MemoryError:
            raise AdapterError(f"{self.path}: tensor {name!r} of shape {entry.shape} does not fit in memory") from None


def _lead(start: bytes, path: Path) -> bytes:
    """The 8 bytes of the header length, once the two usual impostors are ruled out."""
    if start.startswith(LFS_POINTER):
        raise AdapterError(f"{path} is a Git LFS pointer, not the weights: run `git lfs pull` where it was cloned")
    if len(start) < 8:
        raise AdapterError(f"{path} holds {len(start)} bytes, too few for safetensors: copy or download it again")
    return start[:8]


def _widen(stored: np.ndarray, dtype: str) -> np.ndarray:
    if dtype == "BF16":  # bfloat16 is the upper half of a float32
        bits = stored.astype("<u4")
        bits <<= 16
        return bits.view("<f4")
    return stored.astype(np.float64 if dtype == "F64" else np.float32, copy=False)


def _check_metadata(metadata: Any, path: Path) -> dict[str, str]:
    if metadata is None:  # the reference reader takes null as absent
        return {}
    if not isinstance(metadata, dict) or not all(isinstance(v, str) for v in metadata.values()):
        raise AdapterError(f"{path}: __metadata__ must map text to text; the header is damaged")
    return metadata


def _is_size(value: Any) -> bool:
    return type(value) is int and 0 <= value < 2**63  # bool is an int, and a float may stand for one


def _entry(name: str, item: Any, path: Path) -> Entry:
    """The checked header entry of one tensor; sizes are Python integers, so no product overflows."""
    where = f"{path}: tensor {name!r}"
    if not isinstance(item, dict):
        raise AdapterError(f"{where} has no header entry but {type(item).__name__}; the header is damaged")
    dtype, shape, offsets = item.get("dtype"), item.get("shape"), item.get("data_offsets")
    if not isinstance(dtype, str) or dtype not in BITS:
        raise AdapterError(f"{where} has the unknown type {dtype!r}; the header is damaged or of a newer format")
    if not isinstance(shape, list) or len(shape) > 64 or not all(_is_size(n) for n in shape):
        raise AdapterError(f"{where} has no valid shape; expected a list of sizes, got {shortened(shape)}")
    if not isinstance(offsets, list) or len(offsets) != 2 or not all(_is_size(n) for n in offsets):
        raise AdapterError(f"{where} has no valid data_offsets; expected [begin, end], got {shortened(offsets)}")
    begin, end = offsets
    if (end - begin) * 8 != math.prod(shape) * BITS[dtype]:
        raise AdapterError(
            f"{where}: {dtype} of shape {shortened(shape)} does not take the {end - begin} bytes of its offsets; "
            "the header is damaged"
        )
    return Entry(dtype, tuple(shape), begin, end)


def _check_tiling(tensors: Mapping[str, Entry], available: int, path: Path) -> None:
    """The tensors must tile the data section: the reference reader refuses overlaps, holes and trailing bytes too."""
    position = 0
    for name, entry in sorted(tensors.items(), key=lambda kv: (kv[1].begin, kv[1].end)):
        if entry.begin != position:
            kind = "overlaps the one before it" if entry.begin < position else "leaves a hole before it"
            raise AdapterError(f"{path}: tensor {name!r} {kind}; the header is damaged")
        position = entry.end
    if position != available:
        raise AdapterError(
            f"{path}: the header describes {position} bytes of tensors but {available} follow it; the file is "
            "truncated or damaged: copy or download it again"
        )
