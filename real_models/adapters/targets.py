"""Which modules a config says are adapted: peft loads the factors of no other ones, whatever the file holds."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from grasp_theory import AdapterError

from .extras import TIED_HEADS

MAX_PATTERN = 2_000
NESTED = re.compile(r"[+*|?}][^()]*\)\s*[+*{]")
EVERY = "all-linear"


def endless(pattern: str) -> bool:
    """Whether it could take exponential time on a name that does not match, as ([a-z]+)+ does."""
    return NESTED.search(pattern) is not None


def compile_pattern(field: str, key: str, template: str = "{}") -> re.Pattern[str]:
    """The regular expression ``key`` inside ``template``; AdapterError if it is none, or could take for ever.

    Keys are user text: everything that re raises on a bad or huge expression is an error of the config.
    """
    try:
        if len(key) > MAX_PATTERN:
            raise ValueError(f"longer than {MAX_PATTERN} characters")
        if endless(key):
            raise ValueError("a repeated group that itself repeats or branches can take for ever")
        return re.compile(template.format(key))
    except (re.error, ValueError, OverflowError, RecursionError, MemoryError, IndexError, KeyError) as e:
        raise AdapterError(
            f"{field} holds {key[:80]!r}, which is no valid regular expression ({e}); correct the config"
        ) from None


@dataclass(frozen=True)
class Targets:
    """The modules that a config names, by peft's rule (``check_target_module_exists``).

    Attributes:
        modules, excluded: a regular expression for the whole name, or names and endings of names after a dot; None for
            modules: the config does not say, and every module counts as named.
        layers, lists: of modules named by their ending, only those in blocks of these numbers of these lists.
        tied: the head whose weight is that of the embeddings shares their factors, and no list names it
            (``ensure_weight_tying``).
    """

    modules: re.Pattern[str] | tuple[str, ...] | None = None
    excluded: re.Pattern[str] | tuple[str, ...] = ()
    layers: tuple[int, ...] | None = None
    lists: tuple[str, ...] = ()
    tied: bool = False

    def names(self, module: str) -> bool:
        """Whether the config names ``module`` (its name within the base model)."""
        if _matches(self.excluded, module):
            return False
        if self.modules is None or (self.tied and module.rpartition(".")[2] in TIED_HEADS):
            return True
        if not _matches(self.modules, module):
            return False
        if isinstance(self.modules, re.Pattern) or module in self.modules or self.layers is None:
            return True
        return self._layer(module) in self.layers

    def _layer(self, module: str) -> int | None:
        """The number of the block as peft counts it: the first number after one of the lists, or after any name."""
        names = [rf"(?:^|.*?\.){re.escape(name)}" for name in self.lists] or [r".*?\.[^.]*"]
        found = next((m for n in names if (m := re.match(rf"{n}\.(\d{{1,9}})\.", module))), None)
        return None if found is None else int(found[1])


def _matches(rule: re.Pattern[str] | tuple[str, ...], module: str) -> bool:
    if isinstance(rule, re.Pattern):
        return rule.fullmatch(module) is not None
    parts = module.split(".")
    return any(".".join(parts[n:]) in rule for n in range(len(parts)))


def parse_targets(config: Mapping[str, Any], what: str | Path) -> Targets:
    """The targets of a config. AdapterError where a field has another type than peft writes."""
    modules = _rule("target_modules", config, what)
    layers, lists = config.get("layers_to_transform"), config.get("layers_pattern")
    numbers = [layers] if isinstance(layers, int) else layers or None
    if numbers is not None and not (isinstance(numbers, list) and all(type(n) is int for n in numbers)):
        raise AdapterError(f"{what}: layers_to_transform must be a list of numbers, got {layers!r:.80}")
    names = [lists] if isinstance(lists, str) and lists else lists or []
    if not isinstance(names, list) or not all(isinstance(n, str) for n in names):
        raise AdapterError(f"{what}: layers_pattern must be a list of names, got {lists!r:.80}")
    excluded = _rule("exclude_modules", config, what) or ()
    tied = config.get("ensure_weight_tying") is True
    return Targets(modules, excluded, None if numbers is None else tuple(numbers), tuple(names), tied)


def _rule(field: str, config: Mapping[str, Any], what: str | Path) -> re.Pattern[str] | tuple[str, ...] | None:
    value = config.get(field)
    if isinstance(value, str):
        return None if value == EVERY or not value or endless(value) else compile_pattern(field, value)
    if not value:
        return None
    if not isinstance(value, list | tuple | set) or not all(isinstance(n, str) and n for n in value):
        raise AdapterError(f"{what}: {field} must be a list of module names or a pattern, got {value!r:.80}")
    return tuple(sorted(value))
