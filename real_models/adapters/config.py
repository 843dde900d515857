"""``adapter_config.json``: the fields that decide what the update is, and the one scaling rule."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

from grasp_theory import AdapterError
from grasp_theory.updates import Side

from .refusals import KNOWN_FIELDS, START_NOTES, refuse_config
from .targets import Targets, compile_pattern, endless, parse_targets
from .text import listing, parse_json_object, require_printable, shortened

MAX_RANK = 1_000_000
MAX_ALPHA = 1e9
PATTERN = r"(.*\.)?({})$"  # peft: the whole name, or an ending of it after a dot
DEFAULT_ALPHA = 8


@dataclass(frozen=True)
class LoraSettings:
    """The checked fields of a LoRA config.

    Attributes:
        r: rank, None if the config gives none (the file then decides).
        lora_alpha: numerator of the scaling.
        rank_pattern, alpha_pattern: regular expression -> value, in the order of the config, which decides.
        use_rslora: alpha / √r instead of alpha / r.
        start: how the factors were initialised: "default", "none" (init_lora_weights=False), "gaussian", …
        bias, modules_to_save, base_model_name: as in the config.
        targets: the modules that the config names.
        alphas: alpha of single modules by their whole names, where the weight file stores it (diffusers).
        scale: the scaling of all modules, where the format stores that instead of alpha (MLX).
    """

    r: int | None = None
    lora_alpha: float = DEFAULT_ALPHA
    rank_pattern: Mapping[str, int] = field(default_factory=dict)
    alpha_pattern: Mapping[str, float] = field(default_factory=dict)
    use_rslora: bool = False
    start: str = "default"
    bias: str = "none"
    modules_to_save: tuple[str, ...] = ()
    base_model_name: str | None = None
    targets: Targets = field(default_factory=Targets)
    alphas: Mapping[str, float] = field(default_factory=dict)
    scale: float | None = None

    @property
    def fixed(self) -> Side | None:
        """The side that the start fixed by construction, so that it says nothing about the fine-tune."""
        return START_NOTES[self.start].fixed if self.start in START_NOTES else None

    @cached_property
    def _ranks(self) -> list[tuple[re.Pattern[str], float]]:
        return [(compile_pattern("rank_pattern", key, PATTERN), value) for key, value in self.rank_pattern.items()]

    @cached_property
    def _alphas(self) -> list[tuple[re.Pattern[str], float]]:
        return [(compile_pattern("alpha_pattern", key, PATTERN), value) for key, value in self.alpha_pattern.items()]

    def rank(self, module: str) -> int | None:
        """The rank that the config gives ``module``; None if it gives none."""
        found = _first_match(self._ranks, module)
        return self.r if found is None else int(found)

    def scaling(self, module: str, rank: int) -> float:
        """The factor of B A: alpha / rank, or alpha / √rank for rsLoRA.

        alpha is the value of the first pattern, in the order of the config, that matches the whole module name or
        an ending of it that starts after a dot; ``lora_alpha`` if none does. Source: peft, ``get_pattern_key`` and
        ``LoraLayer.update_layer``. ``rank`` is that of the stored factors, which is what the training used.
        """
        if self.scale is not None:
            return self.scale
        found = self.alphas[module] if module in self.alphas else _first_match(self._alphas, module)
        alpha = self.lora_alpha if found is None else found
        return alpha / (math.sqrt(rank) if self.use_rslora else rank)

    def tells_scaling(self, module: str) -> bool:
        """Whether the config speaks of ``module`` at all: names it as a target, or gives it a rank or an alpha."""
        return self.targets.names(module) or any(p.match(module) for p, _ in (*self._ranks, *self._alphas))

    def ambiguous(self, module: str) -> bool:
        """Whether several alpha patterns of different value match ``module``.

        peft takes the first in the order of the config, but sorts the config when it saves it: the order of the
        training, and with it the scaling of the training, is then lost.
        """
        return len({value for pattern, value in self._alphas if pattern.match(module)}) > 1


def zero_start(settings: LoraSettings, *, embedding: bool) -> Literal["B", "A"] | None:
    """The factor that starts at zero: B, but A where B is frozen (MiCA) and in embeddings; None if neither does."""
    if settings.start in ("none", "orthogonal"):
        return None
    # MLX starts the embeddings' B at zero too
    return "A" if (embedding and settings.scale is None) or settings.fixed == "write" else "B"


def _first_match(patterns: list[tuple[re.Pattern[str], float]], module: str) -> float | None:
    return next((value for pattern, value in patterns if pattern.match(module)), None)


def parse_config(raw: bytes, what: str | Path) -> tuple[LoraSettings, tuple[str, ...]]:
    """The settings in the bytes of an ``adapter_config.json``, and the warnings they call for.

    Raises AdapterError for what is not a sane config and UnsupportedAdapterError where scaling * B @ A would not be
    the change of the weights.
    """
    return check_config(parse_json_object(raw, what), what)


def check_config(config: Mapping[str, Any], what: str | Path) -> tuple[LoraSettings, tuple[str, ...]]:
    """:func:`parse_config` for a config that is a mapping already."""
    start, alpha = refuse_config(config, what), config.get("lora_alpha")
    settings = LoraSettings(
        r=None if config.get("r") is None else _rank("r", config["r"], what),
        lora_alpha=DEFAULT_ALPHA if alpha is None else _alpha("lora_alpha", alpha, what),
        rank_pattern={k: _rank(f"rank_pattern[{k!r}]", v, what) for k, v in _table("rank_pattern", config, what)},
        alpha_pattern={k: _alpha(f"alpha_pattern[{k!r}]", v, what) for k, v in _table("alpha_pattern", config, what)},
        use_rslora=_flag("use_rslora", config, what),
        start=start,
        bias=_text("bias", config, what) or "none",
        modules_to_save=_names("modules_to_save", config, what),
        base_model_name=_text("base_model_name_or_path", config, what),
        targets=parse_targets(config, what),
    )
    _ = settings._ranks, settings._alphas  # a pattern that does not compile is refused here, before any weights
    return settings, tuple(_warnings(config))


def _warnings(config: Mapping[str, Any]) -> list[str]:
    out = []
    if config.get("lora_alpha") is None:
        out.append(f"the config gives no lora_alpha; peft's default {DEFAULT_ALPHA} is used")
    if config.get("r") is None:
        out.append("the config gives no rank r; the ranks of the stored factors are used")
    if isinstance(config.get("target_modules"), str) and endless(config["target_modules"]):
        out.append("target_modules is a pattern that could take for ever: which modules it names was not checked")
    unknown = [
        key for key, value in config.items() if key not in KNOWN_FIELDS and value not in (None, False, "", [], {})
    ]
    if unknown:
        out.append(
            f"the config sets fields that this reader does not know ({listing(map(repr, unknown))}); a newer peft may "
            "mean something by them that changes the update"
        )
    return out


# --- one field each: the type, the range, the message ----------------------------------------------------------


def _bad(key: str, expected: str, value: Any, what: str | Path) -> AdapterError:
    return AdapterError(
        f"{what}: {key} must be {expected}, got {shortened(value)}; correct the config or save it again"
    )


def _rank(key: str, value: Any, what: str | Path) -> int:
    if type(value) is not int or not 0 < value <= MAX_RANK:  # bool is an int
        raise _bad(key, f"an integer from 1 to {MAX_RANK}", value, what)
    return value


def _alpha(key: str, value: Any, what: str | Path) -> float:
    # An integer is compared before it is converted: float() overflows on 400 digits. NaN fails every comparison.
    if type(value) not in (int, float) or not -MAX_ALPHA <= value <= MAX_ALPHA:
        raise _bad(key, f"a number of size at most {MAX_ALPHA:g}", value, what)
    return float(value)


def _flag(key: str, config: Mapping[str, Any], what: str | Path) -> bool:
    value = config.get(key)
    if value is not None and type(value) is not bool:
        raise _bad(key, "true or false", value, what)
    return bool(value)


def _text(key: str, config: Mapping[str, Any], what: str | Path) -> str | None:
    value = config.get(key)
    if value is not None and not isinstance(value, str):
        raise _bad(key, "text or null", value, what)
    return None if value is None else require_printable(value, what)


def _names(key: str, config: Mapping[str, Any], what: str | Path) -> tuple[str, ...]:
    value = config.get(key)
    if value is None:
        return ()
    names = [value] if isinstance(value, str) else value
    if not isinstance(names, list | tuple | set) or not all(isinstance(n, str) and n for n in names):
        raise _bad(key, "a list of module names or null", value, what)
    return tuple(sorted(names))


def _table(key: str, config: Mapping[str, Any], what: str | Path) -> list[tuple[str, Any]]:
    value = config.get(key)
    if value is None:
        return []
    if not isinstance(value, dict):
        raise _bad(key, "an object of patterns and values", value, what)
    return list(value.items())
