"""LoRA files of MLX and diffusers, brought under the names of peft's layout; their scaling rules differ from peft's.

Formats: mlx-lm (``LoRALinear``: y + scale (x a) b), diffusers (``pytorch_lora_weights.safetensors``, loaded by
``get_peft_kwargs``).
"""

from __future__ import annotations

import json
import math
import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np

from grasp_theory import AdapterError

from .config import LoraSettings, check_config
from .refusals import VARIANTS, unsupported
from .safetensors_file import SafetensorsFile
from .sides import EMBEDDINGS
from .tensors import TensorFile, TensorInfo
from .text import listing, parse_json_object

Format = Literal["peft", "mlx", "diffusers"]
MLX_KEYS = ("fine_tune_type", "lora_parameters")
METADATA = "lora_adapter_metadata"
FACTOR = r"(lora_A|lora_B|(?:lora|lora_linear_layer)\.(?:down|up))(?:\.default)?\.weight"
PARTS = r"(unet|prior|transformer(?:_\d)?|text_encoder(?:_\d)?)"
DIFFUSERS = re.compile(rf"{PARTS}\.(.+)\.{FACTOR}", re.DOTALL)
# Attention processors of 2023: attn1.processor.to_q_lora.down.weight holds the update of attn1.to_q
PROCESSOR = re.compile(rf"{PARTS}\.(.+)\.processor\.(to_[a-z]+)_lora\.(down|up)\.weight", re.DOTALL)
ALPHA = re.compile(rf"{PARTS}\.(.+)\.alpha", re.DOTALL)


@dataclass(frozen=True)
class Translated:
    """A weight file under other names: ``stored`` gives the name in the file; matrices of MLX are turned when read."""

    file: SafetensorsFile
    stored: Mapping[str, str]
    turned: bool = False

    @property
    def path(self) -> Path:
        return self.file.path

    @property
    def tensors(self) -> Mapping[str, TensorInfo]:
        infos = {name: self.file.tensors[key] for name, key in self.stored.items()}
        return {n: TensorInfo(i.dtype, i.shape[::-1] if self.turned else i.shape) for n, i in infos.items()}

    def read(self, name: str) -> np.ndarray:
        values = self.file.read(self.stored[name])
        return np.ascontiguousarray(values.T) if self.turned else values


@dataclass(frozen=True)
class Source:
    """What a weight file amounts to: factors under peft's names, the settings that give their scaling, remarks."""

    file: TensorFile
    settings: LoraSettings
    warnings: tuple[str, ...] = ()


def is_mlx(raw_config: bytes) -> bool:
    """Whether the bytes of an ``adapter_config.json`` are those of mlx-lm."""
    try:
        config = json.loads(raw_config)
    except (ValueError, RecursionError):
        return False
    return isinstance(config, dict) and "peft_type" not in config and any(key in config for key in MLX_KEYS)


def open_mlx(weights: Path, raw_config: bytes, what: str | Path) -> Source:
    """Law: dW = scale bᵀ aᵀ for ``lora_a`` (d_in, r) and ``lora_b`` (r, d_out); alpha has no part in it.

    Raises UnsupportedAdapterError for DoRA, experts and full fine-tunes, AdapterError for a damaged config.
    """
    config = parse_json_object(raw_config, what)
    kind, parameters = config.get("fine_tune_type", "lora"), config.get("lora_parameters")
    if kind != "lora":
        found = VARIANTS["use_dora"][:2] if kind == "dora" else (f"fine_tune_type {kind!r:.40}", "it is no LoRA")
        raise unsupported(what, *found)
    if not isinstance(parameters, dict):
        raise AdapterError(f"{what}: lora_parameters must be an object with rank and scale, got {parameters!r:.80}")
    rank, scale, alpha = (parameters.get(key) for key in ("rank", "scale", "alpha"))
    if type(rank) is not int or rank < 1:
        raise AdapterError(f"{what}: lora_parameters.rank must be a positive integer, got {rank!r:.80}")
    if not isinstance(scale, int | float) or isinstance(scale, bool) or not math.isfinite(scale) or not scale:
        raise AdapterError(f"{what}: lora_parameters.scale must be a number other than 0, got {scale!r:.80}")
    file = SafetensorsFile.open(weights)
    stored = {}
    for key, info in file.tensors.items():
        module, _, last = key.rpartition(".")
        if last == "m":
            raise unsupported(f"{weights}, tensor {key!r}", *VARIANTS["use_dora"][:2])
        if last in ("lora_a", "lora_b") and len(info.shape) != 2:
            why = "each expert has factors of its own in one tensor"
            raise unsupported(f"{weights}, tensor {key!r}", "experts (LoRASwitchLinear)", why)
        embedding = module.rpartition(".")[2] in EMBEDDINGS
        names = {"lora_a": "lora_embedding_A", "lora_b": "lora_embedding_B"} if embedding else _LINEAR
        stored[f"{module}.{names[last]}" if last in names else key] = key
    model = config.get("model")
    settings = LoraSettings(r=rank, base_model_name=model if isinstance(model, str) else None, scale=float(scale))
    warnings = ()
    if isinstance(alpha, int | float) and alpha != rank:
        warnings = (
            f"the config of MLX gives alpha {alpha:g} beside scale {scale:g}: mlx-lm uses scale alone, but versions "
            "before mid-2024 may have multiplied it by alpha over rank; all strengths would then change by that factor",
        )
    return Source(Translated(file, stored, turned=True), settings, warnings)


_LINEAR = {"lora_a": "lora_A.weight", "lora_b": "lora_B.weight"}
_SIDES = {"down": "lora_A", "up": "lora_B"}


def diffusers_parts(weights: Path) -> list[str]:
    """The models that a diffusers file adapts, such as unet and text_encoder; none if it is in another layout."""
    keys = SafetensorsFile.open(weights).tensors
    return sorted({m[1] for key in keys if (m := DIFFUSERS.fullmatch(key) or PROCESSOR.fullmatch(key))})


def open_diffusers(weights: Path, part: str) -> Source:
    """Law: dW = (alpha/r) B A of the model ``part`` (its prefix is left out of the names).

    alpha and patterns are those of ``lora_adapter_metadata``, else of the ``.alpha`` tensors; where neither is stored
    alpha is the rank, as diffusers loads it. Raises AdapterError for alphas that are stored twice, or not at all beside
    several ranks.
    """
    file = SafetensorsFile.open(weights)
    stored, alphas = {}, {}
    for key in file.tensors:
        name = _diffusers_name(key)
        if not key.startswith(f"{part}."):
            continue
        if name is None and ALPHA.fullmatch(key):
            alphas[key.removeprefix(f"{part}.").removesuffix(".alpha")] = _alpha(file, key)
        else:
            stored[key.removeprefix(f"{part}.") if name is None else name] = key
    translated = Translated(file, stored)
    metadata = _metadata(file, part)
    if metadata and alphas:
        raise AdapterError(f"{weights} stores alphas twice, as tensors and as metadata; diffusers refuses it too")
    if metadata:
        settings, warnings = check_config({"peft_type": "LORA", **metadata}, weights)
        return Source(translated, settings, warnings)
    ranks = {
        info.shape[0] for name, info in translated.tensors.items() if name.endswith(".lora_A.weight") and info.shape
    }
    if not alphas and len(ranks) > 1:
        raise AdapterError(
            f"{weights} stores factors of ranks {listing(map(str, sorted(ranks)), 6)} but no alpha, so that their "
            "scaling cannot be told; save it again with a diffusers that writes lora_adapter_metadata (0.35 or newer)"
        )
    common = Counter(alphas.values()).most_common(1)[0][0] if alphas else float(max(ranks, default=1))
    missing = () if alphas else ("the file stores no alpha; the rank is taken for it, as diffusers does: scaling 1",)
    return Source(translated, LoraSettings(lora_alpha=common, alphas=alphas), missing)


def _diffusers_name(key: str) -> str | None:
    """The name of a factor in peft's layout, without the model; None for other tensors."""
    if found := PROCESSOR.fullmatch(key):
        module = f"{found[2]}.{found[3]}{'.0' if found[3] == 'to_out' else ''}"
        return f"{module}.{_SIDES[found[4]]}.weight"
    if found := DIFFUSERS.fullmatch(key):
        return f"{found[2]}.{_SIDES.get(found[3].rpartition('.')[2], found[3])}.weight"
    return None


def _alpha(file: SafetensorsFile, key: str) -> float:
    values = file.read(key)
    if values.size != 1 or not np.isfinite(values).all():
        raise AdapterError(f"{file.path}: {key!r} must hold one finite number, got shape {values.shape}")
    return float(values.reshape(-1)[0])


def _metadata(file: SafetensorsFile, part: str) -> dict[str, Any]:
    if METADATA not in file.metadata:
        return {}
    every = parse_json_object(file.metadata[METADATA].encode(), f"{METADATA} of {file.path}")
    return {key.removeprefix(f"{part}."): value for key, value in every.items() if key.startswith(f"{part}.")}
