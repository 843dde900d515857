"""What both file formats offer: names, stored types and shapes at once, the values one tensor at a time."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np

from grasp_theory import UnsupportedAdapterError

READABLE = {"F64": "<f8", "F32": "<f4", "F16": "<f2", "BF16": "<u2"}


@dataclass(frozen=True, slots=True)
class TensorInfo:
    """Stored type (the code of the safetensors format, e.g. "BF16") and shape of one tensor."""

    dtype: str
    shape: tuple[int, ...]


class TensorFile(Protocol):
    """A weight file, opened for as long as one read takes."""

    @property
    def path(self) -> Path: ...

    @property
    def tensors(self) -> Mapping[str, TensorInfo]: ...

    def read(self, name: str) -> np.ndarray:
        """One tensor as float32 (float64 if stored so)."""
        ...


def check_readable(path: Path, name: str, dtype: str) -> None:
    """UnsupportedAdapterError for a tensor of a type that no factor is read in."""
    if dtype not in READABLE:
        raise UnsupportedAdapterError(
            f"{path}: tensor {name!r} is stored as {dtype}; only {', '.join(READABLE)} factors can be read: save the "
            "adapter in one of these"
        )


DIVERGED = "the run that saved it diverged or the file is damaged: use an earlier checkpoint"


def not_finite(name: str, values: np.ndarray) -> str | None:
    """What is wrong with ``values`` if some are NaN or Inf, and how many; None if all are finite. Cost: one pass."""
    flat = values.ravel()
    with np.errstate(all="ignore"):
        total = flat @ flat
    # The sum of squares is finite only if every entry is; it may overflow although every entry is finite.
    if np.isfinite(total):
        return None
    bad = values.size - int(np.count_nonzero(np.isfinite(values)))
    if not bad:
        return None
    amount = "all" if bad == values.size else f"{bad} of"
    return f"tensor {name!r} holds NaN or Inf in {amount} {values.size} entries"
