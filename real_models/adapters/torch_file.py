"""``adapter_model.bin``: a zipped pickle, opened by torch's restricted unpickler only (weights_only=True)."""

from __future__ import annotations

import warnings
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from grasp_theory import AdapterError

from .tensors import TensorInfo, check_readable
from .text import LFS_POINTER, require_printable

ZIP = b"PK\x03\x04"
CODES = {"float64": "F64", "float32": "F32", "float16": "F16", "bfloat16": "BF16"}


@dataclass(frozen=True)
class TorchFile:
    """The tensors of a .bin. A pickle has no random access: the whole file stays in memory for the object's life."""

    path: Path
    tensors: Mapping[str, TensorInfo]
    values: Mapping[str, Any]

    @classmethod
    def open(cls, path: Path) -> TorchFile:
        """Load with ``torch.load(weights_only=True)``, which builds tensors and calls nothing that a file names.

        Raises AdapterError if the file is damaged, holds anything but named tensors, or asks to run code.
        """
        values = _load(path)
        if not isinstance(values, dict) or not values:
            raise AdapterError(f"{path} must hold a dictionary of tensors, got {type(values).__name__}")
        return cls(path, {name: _info(name, value, path) for name, value in values.items()}, values)

    def read(self, name: str) -> np.ndarray:
        """One tensor as a fresh float32 array, or float64 if stored so.

        Raises UnsupportedAdapterError for another type.
        """
        import torch

        check_readable(self.path, name, self.tensors[name].dtype)
        value = self.values[name].detach()
        target = torch.float64 if value.dtype == torch.float64 else torch.float32
        return value.to(target, copy=True).contiguous().numpy()


def _load(path: Path) -> Any:
    _check_archive(path)
    try:
        import torch
    except ImportError:
        raise AdapterError(f"{path} is a .bin file, which needs torch: install it, or save as safetensors") from None
    try:
        with warnings.catch_warnings():  # of pickle protocols that torch does not write: the outcome says it all
            warnings.simplefilter("ignore")
            return torch.load(path, map_location="cpu", weights_only=True)
    except Exception as e:  # torch lets KeyError, EOFError, RuntimeError, … of its unpickler through
        if "unsupported global" in str(e).lower():
            raise AdapterError(
                f"{path} is a pickle that asks to run code beyond building tensors; it was not run. Do not load it "
                "elsewhere either; ask its author for safetensors"
            ) from None
        raise AdapterError(
            f"{path} cannot be read by torch.load(weights_only=True) ({type(e).__name__}): it is damaged, or a pickle "
            "of something else than tensors, of which nothing was run; save or download it again"
        ) from None


def _check_archive(path: Path) -> None:
    """Refuse what is no archive of stored records before torch sees it, so that no claimed size is allocated.

    torch saves zip archives since 1.6; the bare pickle of older versions is not opened at all.
    """
    try:
        with path.open("rb") as f:
            start = f.read(len(LFS_POINTER))
        if start == LFS_POINTER:
            raise AdapterError(f"{path} is a Git LFS pointer, not the weights: run `git lfs pull`")
        if not start.startswith(ZIP):  # zipfile forgives bytes in front of an archive, torch takes them for a pickle
            raise zipfile.BadZipFile
        with zipfile.ZipFile(path) as archive:
            claimed = sum(record.file_size for record in archive.infolist())
        if claimed > path.stat().st_size:
            raise AdapterError(f"{path} claims {claimed} bytes of records, more than it holds; it is damaged")
    except OSError as e:
        raise AdapterError(f"{path} cannot be read: {e.strerror or e}") from None
    except AdapterError:
        raise
    except Exception as e:  # zipfile lets struct.error, NotImplementedError, … of a damaged directory through
        raise AdapterError(
            f"{path} is not the zip archive that torch.save writes ({type(e).__name__}): it is damaged, or a bare "
            "pickle, of which nothing was run; save or download it again"
        ) from None


def _info(name: Any, value: Any, path: Path) -> TensorInfo:
    import torch

    dense = isinstance(value, torch.Tensor) and value.layout == torch.strided and not value.is_nested
    if not isinstance(name, str) or not dense:
        raise AdapterError(f"{path}: entry {name!r} is no dense named tensor but {type(value).__name__}")
    require_printable(name, path)
    if value.is_meta:
        raise AdapterError(
            f"{path}: tensor {name!r} has a shape and no values (torch's meta device): the model was offloaded when it "
            "was saved; load it whole and save again"
        )
    # A view may claim more elements than its storage holds (stride 0); copying it would allocate the claim.
    if value.is_quantized or value.numel() * value.element_size() > value.untyped_storage().nbytes():
        raise AdapterError(f"{path}: tensor {name!r} claims {tuple(value.shape)}, more than is stored for it")
    dtype = str(value.dtype).removeprefix("torch.")
    return TensorInfo(CODES.get(dtype, dtype), tuple(value.shape))
