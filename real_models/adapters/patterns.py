"""Many module names in a few words: by what they are in their block, such as "all 12 attn.qkv"."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable
from functools import lru_cache
from itertools import takewhile

from .sides import block_of
from .text import listing

PATTERNS_SHOWN = 6
_EXPERT = re.compile(r"\bexperts\.[0-9]+")


@lru_cache(maxsize=1 << 14)  # an audit asks for the same names in every finding
def kind(name: str) -> str:
    """What follows the block in a module's name: mlp.c_proj of transformer.h.3.mlp.c_proj; experts are one kind.

    Of a module outside the blocks it is the last component.
    """
    block = block_of(name)
    inside = name.rpartition(".")[2] if block is None else name[len(block) + 1 :]
    return _EXPERT.sub("experts.*", inside)


def by_pattern(names: Iterable[str], among: Iterable[str]) -> str:
    """``names`` by kind, beside how many of a kind ``among`` holds: "all 12 attn.qkv, 1 of 12 mlp.fc1 (…)".

    Where they are all that lies below one path, or in one expert of every layer: "all 24 modules of encoder".
    """
    chosen, every = list(names), list(among)
    total, counts = Counter(map(kind, every)), Counter(map(kind, chosen))
    place = _place_of(chosen, every) if any(count < total[what] for what, count in counts.items()) else None
    if place:
        return f"all {len(chosen)} modules of {place}"
    parts = []
    for what, count in counts.items():
        here = [name for name in chosen if kind(name) == what]
        if count == total[what]:
            parts.append(f"all {count} {what}" if count > 1 else here[0])
        else:
            parts.append(f"{count} of {total[what]} {what} ({listing(here, 2)})")
    return listing(parts, PATTERNS_SHOWN)


def _place_of(chosen: list[str], every: list[str]) -> str | None:
    """The path or the expert that two or more ``chosen``, and no others of ``every``, lie in."""
    path = ".".join(shared_path(chosen))
    experts = {found[0] if (found := _EXPERT.search(name)) else "" for name in chosen}
    for place in (path, *(experts if len(experts) == 1 else ())):
        if place and len(chosen) > 1 and sum(f".{place}." in f".{name}." for name in every) == len(chosen):
            return place
    return None


def shared_path(names: Iterable[str]) -> list[str]:
    """The components that all these paths begin with."""
    columns = zip(*(name.split(".") for name in names), strict=False)
    return [column[0] for column in takewhile(lambda column: len(set(column)) == 1, columns)]
