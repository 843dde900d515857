"""``write_adapter``: updates to a LoRA folder that peft loads, with numpy alone and without a half-written state."""

from __future__ import annotations

import json
import math
import os
import re
from collections.abc import Iterable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import IO, Any, Literal

import numpy as np

from grasp_theory import AdapterError, InputError, LowRank, Update
from synthetic.runner.results import replacing

from .config import MAX_ALPHA
from .folder import CONFIG, SAFETENSORS
from .layout import PREFIX
from .sides import EMBEDDINGS, natural_key

DTYPES = {"float32": "F32", "bfloat16": "BF16", "float16": "F16"}
SPACING = {"float32": 2.0**-149, "bfloat16": 2.0**-133, "float16": 2.0**-24}  # of the numbers next to 0
DType = Literal["float32", "bfloat16", "float16"]


def write_adapter(
    path: str | os.PathLike[str],
    updates: Iterable[Update] | Mapping[str, LowRank],
    *,
    r: int | None = None,
    lora_alpha: float | None = None,
    target_modules: Iterable[str] | None = None,
    base_model_name: str | None = None,
    task_type: str | None = None,
    dtype: DType = "float32",
) -> Path:
    """Write an adapter: what peft loads from ``path`` merges into scaling * B @ A of every update.

    Ranks and scalings of single modules go into ``rank_pattern`` and ``alpha_pattern``, so that alpha / rank gives
    each scaling back (to one unit in the last place where no floating-point alpha gives it exactly).

    Args:
        path: folder to write; made if missing (its parent must be there). An adapter in it is replaced.
        updates: updates, or module name -> LowRank. Modules named like an embedding (``embed_tokens``, ``wte``, …) are
            written as embedding factors, all others as linear ones; the kernel shape of a convolution is not known
            here.
        r, lora_alpha: the defaults of the config; taken from the first update where not given.
        target_modules: as in LoraConfig; the full names of the modules where not given.
        base_model_name, task_type: as in the config of peft; left out where not given.
        dtype: stored type of the factors; bfloat16 is rounded to nearest even.

    Raises InputError for nothing to write, ranks of 0, doubled names, values that are not finite in ``dtype``, or so
    small that its rounding may change a factor by more than a 256th, a scaling whose alpha would not be read back;
    AdapterError if the folder cannot be written. Factors are read and written one module at a time; both files
    appear under their names only when they are complete.
    """
    table = _as_updates(updates)
    if dtype not in DTYPES:
        raise InputError(f"dtype must be one of {', '.join(DTYPES)}, got {dtype!r}")
    folder = Path(path)
    try:
        made = not folder.exists()
        folder.mkdir(exist_ok=True)
        try:
            with replacing(folder / SAFETENSORS) as f:
                scalings = _write_weights(f, table, dtype)
                config = _config(table, scalings, r, lora_alpha)
                config["target_modules"] = sorted(target_modules if target_modules is not None else table)
                config["base_model_name_or_path"], config["task_type"] = base_model_name, task_type
                with replacing(folder / CONFIG) as g:
                    g.write(json.dumps(config, indent=2, sort_keys=True).encode())
        except BaseException:
            if made:
                with suppress(OSError):
                    folder.rmdir()
            raise
    except OSError as e:
        raise AdapterError(f"{folder} cannot be written: {e.strerror or e}") from None
    return folder


def _as_updates(updates: Iterable[Update] | Mapping[str, LowRank]) -> dict[str, Update]:
    made = [Update.of(str(n), w) for n, w in updates.items()] if isinstance(updates, Mapping) else list(updates)
    table = {u.name: u for u in sorted(made, key=lambda u: natural_key(u.name))}
    if not made or len(table) < len(made):
        raise InputError("expected at least one update" if not made else "two updates have the same module name")
    for u in made:
        if not u.rank or 0 in u.shape:
            raise InputError(f"module {u.name!r} has shape {u.shape} and rank {u.rank}; peft stores no empty factors")
    return table


# --- config ----------------------------------------------------------------------------------------------------


def _config(
    table: Mapping[str, Update], scalings: Mapping[str, float], r: int | None, lora_alpha: float | None
) -> dict[str, Any]:
    first = next(iter(table.values()))
    r = first.rank if r is None else r
    lora_alpha = alpha_for(scalings[first.name], first.rank) if lora_alpha is None else float(lora_alpha)
    if type(r) is not int or r < 1 or not math.isfinite(lora_alpha):
        raise InputError(f"r must be a positive integer and lora_alpha finite, got {r!r} and {lora_alpha!r}")
    huge = max((abs(alpha_for(scalings[n], u.rank)) for n, u in table.items()), default=0.0)
    if max(huge, abs(lora_alpha)) > MAX_ALPHA:
        raise InputError(
            f"a scaling needs an alpha of {max(huge, abs(lora_alpha)):.3g}, and none above {MAX_ALPHA:g} is read back: "
            "put a part of it into the factors"
        )
    # "^" keeps a name from matching the ending of a longer one; peft adds the "$"
    ranks = {f"^{re.escape(n)}": u.rank for n, u in table.items() if u.rank != r}
    alphas = {
        f"^{re.escape(n)}": _number(alpha_for(scalings[n], u.rank))
        for n, u in table.items()
        if lora_alpha / u.rank != scalings[n]
    }
    return {
        **{"peft_type": "LORA", "r": r, "lora_alpha": _number(lora_alpha), "lora_dropout": 0.0, "bias": "none"},
        **{"rank_pattern": ranks, "alpha_pattern": alphas, "use_rslora": False, "init_lora_weights": True},
        **{"fan_in_fan_out": False, "modules_to_save": None, "inference_mode": True},
    }


def alpha_for(scaling: float, rank: int) -> float:
    """alpha with alpha / rank == scaling, or the nearest one where rounding leaves none."""
    alpha = scaling * rank
    near = (alpha, math.nextafter(alpha, math.inf), math.nextafter(alpha, -math.inf))
    return min(near, key=lambda a: abs(a / rank - scaling))


def _number(value: float) -> float | int:
    return int(value) if value == int(value) else value


# --- weights ---------------------------------------------------------------------------------------------------


def _keys(u: Update) -> tuple[tuple[str, tuple[int, int]], tuple[str, tuple[int, int]]]:
    a, b = (u.rank, u.shape[1]), (u.shape[0], u.rank)
    if u.name.rpartition(".")[2] in EMBEDDINGS:
        return (f"{PREFIX}{u.name}.lora_embedding_A", a), (f"{PREFIX}{u.name}.lora_embedding_B", b)
    return (f"{PREFIX}{u.name}.lora_A.weight", a), (f"{PREFIX}{u.name}.lora_B.weight", b)


def _write_weights(f: IO[bytes], table: Mapping[str, Update], dtype: DType) -> dict[str, float]:
    """Header, then the factors in its order. Returns the scalings, known only once the factors are read."""
    itemsize = 4 if dtype == "float32" else 2
    header: dict[str, Any] = {"__metadata__": {"format": "pt"}}
    position = 0
    for u in table.values():
        for key, shape in _keys(u):
            end = position + math.prod(shape) * itemsize
            header[key] = {"dtype": DTYPES[dtype], "shape": list(shape), "data_offsets": [position, end]}
            position = end
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)  # the data section starts aligned, as the safetensors package writes it
    f.write(len(text).to_bytes(8, "little") + text)
    scalings = {}
    for u in table.values():
        lowrank = u.lowrank
        scalings[u.name] = lowrank.scaling
        for factor, (key, shape) in zip((lowrank.A, lowrank.B), _keys(u), strict=True):
            if factor.shape != shape:
                raise InputError(
                    f"module {u.name!r} gives a factor of shape {factor.shape} where {shape} was announced"
                )
            f.write(_encode(factor, dtype, key))
    return scalings


def _encode(factor: np.ndarray, dtype: DType, key: str) -> bytes:
    with np.errstate(over="ignore", invalid="ignore"):
        values = np.ascontiguousarray(factor, np.float16 if dtype == "float16" else np.float32)
    if dtype == "bfloat16":
        bits = values.view(np.uint32)
        # adding half a unit of the kept part, less one where it is even, rounds ties to even
        half = ((bits >> 16) & 1) + np.uint32(0x7FFF)
        values = ((bits + half) >> 16).astype("<u2")
        finite = np.all((values & 0x7F80) != 0x7F80)
    else:
        finite = np.isfinite(values).all()
    if not finite:
        raise InputError(f"{key!r} holds values that are not finite in {dtype}; nothing was written")
    wide = np.abs(factor, dtype=np.float64)
    largest = float(wide.max())
    size = largest * float(np.sqrt(np.mean((wide / largest) ** 2))) if largest else 0.0
    if 0 < size < 128 * SPACING[dtype]:
        raise InputError(
            f"{key!r} holds values of size {size:.1e}, which {dtype} rounds by up to {SPACING[dtype] / 2:.0e} each; "
            "nothing was written: choose a wider dtype, or put a part of the scaling into the factors"
        )
    return values.astype(values.dtype.newbyteorder("<"), copy=False).tobytes()
