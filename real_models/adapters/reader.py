"""``read_adapter``: a PEFT folder on disk to updates, without base model, network or unpickling."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Literal

import numpy as np

from grasp_theory import AdapterError, LowRank, Update
from synthetic.runner.results import file_sha256

from .config import LoraSettings, parse_config, zero_start
from .extras import Extra
from .folder import CONFIG, INDEX, Place, find_adapter
from .foreign import Format, Source, is_mlx, open_diffusers, open_mlx
from .layout import Layout, Module, parse_layout
from .patterns import by_pattern
from .refusals import START_NOTES
from .safetensors_file import SafetensorsFile
from .sharded_file import ShardedFile
from .sides import block_of, layer_of, side_of
from .tensors import DIVERGED, TensorFile, not_finite
from .text import listing
from .torch_file import TorchFile


@dataclass(frozen=True)
class Adapter:
    """A LoRA adapter: W_tuned - W_base of every adapted module, and what was saved beside it.

    Attributes:
        path, name: folder of the adapter, and its name (that of the folder).
        weights: the file that holds the factors, or the index of those that do.
        format: "peft", "mlx" or "diffusers".
        config: the checked fields of its config.
        updates: one per module, layer 2 before layer 10. The factors of a safetensors file are read anew whenever
            ``Update.lowrank`` is asked for, so that memory stays that of one module; those of a .bin stay in memory.
        extras: tensors saved beside the factors; their changes are in no update.
        dtypes: the stored types of the factors, e.g. ("BF16",).
        warnings, notes: what may be wrong, and what is worth knowing.
    """

    path: Path
    name: str
    weights: Path
    format: Format
    config: LoraSettings
    updates: tuple[Update, ...] = field(repr=False)
    extras: tuple[Extra, ...] = field(repr=False)
    dtypes: tuple[str, ...]
    warnings: tuple[str, ...]
    notes: tuple[str, ...]

    @property
    def files(self) -> list[Path]:
        """What it was read from, which no result may be written over."""
        return [*self._weight_files, self.path / "adapter_config.json"]

    @property
    def _weight_files(self) -> list[Path]:
        return ShardedFile.open(self.weights).files if self.weights.name == INDEX else [self.weights]

    @cached_property
    def sha256(self) -> str:
        """SHA-256 of the weight file as hexadecimal digits; the file is streamed when first asked.

        Of an index and its shards: of their own digests, one after the other. Raises AdapterError if it cannot be read.
        """
        try:
            digests = [file_sha256(path) for path in self._weight_files]
        except OSError as e:
            raise AdapterError(f"{self.weights} cannot be read: {e.strerror or e}") from None
        return digests[0] if len(digests) == 1 else hashlib.sha256("".join(digests).encode()).hexdigest()


def read_adapter(path: str | os.PathLike[str], name: str | None = None) -> Adapter:
    """Read an adapter: every update is W_tuned - W_base = scaling * B @ A of its module, (d_out, d_in).

    Folders of PEFT, also with weights in shards beside ``adapter_model.safetensors.index.json``, and of MLX
    (``adapters.safetensors``), files of diffusers (``pytorch_lora_weights.safetensors``).

    Args:
        path: folder written by peft's ``save_pretrained``, by mlx-lm or by diffusers, or the config or weight file in
            it.
        name: the subfolder to read, where ``path`` holds several adapters; the model, where a diffusers file has more.

    Raises:
        AdapterError: nothing readable is there, or it is damaged or contradicts itself. Factors that hold NaN or Inf
            are reported when they are read.
        UnsupportedAdapterError: a sound adapter for which the law above is false; the message says why.

    Cost: the headers of the two files. Source of the rules: peft 0.21, tested against it.
    """
    place = find_adapter(path, name)
    source = _open(place)
    file, settings = source.file, source.settings
    layout = parse_layout(file.tensors, settings, place.weights)
    dtypes = {file.tensors[key].dtype for module in layout.modules for key in (module.A, module.B)}
    return Adapter(
        path=place.folder,
        name=place.folder.resolve().name,
        weights=place.weights,
        format=place.format,
        config=settings,
        updates=tuple(_update(module, settings, file, layout.modules) for module in layout.modules),
        extras=layout.extras,
        dtypes=tuple(sorted(dtypes)),
        warnings=(*place.warnings, *source.warnings, *layout.warnings, *_scaling_warnings(layout, settings)),
        notes=(*place.notes, *_notes(layout, settings)),
    )


def _open(place: Place) -> Source:
    if place.format == "diffusers":
        return open_diffusers(place.weights, place.part)
    raw, what = place.read_config(), place.folder / CONFIG
    if place.format == "mlx" and is_mlx(raw):
        return open_mlx(place.weights, raw, what)
    settings, warnings = parse_config(raw, what)
    kind = {".safetensors": SafetensorsFile, ".json": ShardedFile}.get(place.weights.suffix, TorchFile)
    return Source(kind.open(place.weights), settings, warnings)


def _update(module: Module, settings: LoraSettings, file: TensorFile, every: tuple[Module, ...]) -> Update:
    side = "write" if module.embedding else side_of(module.name)
    source = _Source(module, settings.scaling(module.pattern_name, module.rank), file, every)
    start, name = zero_start(settings, embedding=module.embedding), module.name
    fixed, block = settings.fixed, block_of(name)
    return Update(name, layer_of(name), side, module.shape, module.rank, source, fixed, start, block)


@dataclass(frozen=True)
class _Source:
    """The factors of one module in the file; ``every`` module of it is named where values are not finite."""

    module: Module
    scaling: float
    file: TensorFile
    every: tuple[Module, ...]

    def __call__(self) -> LowRank:
        A, B = self.file.read(self.module.A), self.file.read(self.module.B)
        wrong = not_finite(self.module.A, A) or not_finite(self.module.B, B)
        if wrong:
            raise AdapterError(f"{self.file.path}: {wrong}{_further(self.file, self.every)}; {DIVERGED}")
        return LowRank(_as_matrix(B), _as_matrix(A), self.scaling)

    def factor(self, name: Literal["B", "A"]) -> np.ndarray:
        """One of them, of a module that has been read before and was finite."""
        return _as_matrix(self.file.read(self.module.A if name == "A" else self.module.B))


def _further(file: TensorFile, every: tuple[Module, ...]) -> str:
    """Which modules hold such values, where several do: the file is read through, once something is wrong with it."""
    bad = [m.name for m in every if any(not_finite(key, file.read(key)) for key in (m.A, m.B))]
    return f" ({len(bad)} of {len(every)} modules: {by_pattern(bad, (m.name for m in every))})" if len(bad) > 1 else ""


def _as_matrix(factor: np.ndarray) -> np.ndarray:
    return factor.reshape(factor.shape[0], -1)


def _scaling_warnings(layout: Layout, settings: LoraSettings) -> Iterator[str]:
    """One warning per kind of doubt about r and alpha, however many modules it concerns."""
    unclear = [module.name for module in layout.modules if settings.ambiguous(module.pattern_name)]
    if unclear:
        yield (
            "several keys of alpha_pattern match one module and give different values; peft takes the first, but "
            "sorts them when it saves, so the scaling of the training may have been another one: the first in the "
            f"file is taken for {listing(unclear)}"
        )
    groups: dict[tuple[int, int], list[str]] = {}
    for module in layout.modules:
        wanted = settings.rank(module.pattern_name)
        if wanted is not None and wanted != module.rank:
            groups.setdefault((wanted, module.rank), []).append(module.name)
    for (wanted, stored), names in groups.items():
        yield (
            f"the config says rank {wanted}, the file holds rank {stored}: the file decides, in the scaling too, "
            f"for {listing(names)}"
        )


def _notes(layout: Layout, settings: LoraSettings) -> Iterator[str]:
    if settings.start in START_NOTES:
        yield START_NOTES[settings.start].note
    counts: dict[str, int] = {}
    for extra in layout.extras:
        counts[extra.kind] = counts.get(extra.kind, 0) + 1
    biases = counts.pop("bias", 0) + counts.pop("lora_bias", 0)
    if biases:
        yield f"the fine-tune also changed {biases} biases, which no singular value sees"
    kinds = ", ".join(f"{count} {kind}" for kind, count in sorted(counts.items()))
    if kinds:
        yield f"tensors saved beside the factors, kept apart and not decomposed: {kinds}"
