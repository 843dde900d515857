"""Many module names in a few words: by what they are in their block, such as "all 12 attn.qkv"."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable
from functools import lru_cache

from .sides import block_of
from .text import listing

PATTERNS_SHOWN = 6


@lru_cache(maxsize=1 << 14)  # an audit asks for the same names in every finding
def kind(name: str) -> str:
    """What follows the block in a module's name: mlp.c_proj of transformer.h.3.mlp.c_proj; experts are one kind.

    Of a module outside the blocks it is the last component.
    """
    block = block_of(name)
    inside = name.rpartition(".")[2] if block is None else name[len(block) + 1 :]
    return re.sub(r"\bexperts\.[0-9]+", "experts.*", inside)


def by_pattern(names: Iterable[str], among: Iterable[str]) -> str:
    """``names`` by kind, beside how many of a kind ``among`` holds: "all 12 attn.qkv, 1 of 12 mlp.fc1 (…)"."""
    chosen = list(names)
    total, counts = Counter(map(kind, among)), Counter(map(kind, chosen))
    parts = []
    for what, count in counts.items():
        here = [name for name in chosen if kind(name) == what]
        if count == total[what]:
            parts.append(f"all {count} {what}" if count > 1 else here[0])
        else:
            parts.append(f"{count} of {total[what]} {what} ({listing(here, 2)})")
    return listing(parts, PATTERNS_SHOWN)
