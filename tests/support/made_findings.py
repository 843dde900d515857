"""Made adapters, and the findings of an audit by their keys."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import numpy as np

from grasp_theory import LowRank, Update, identify
from real_models.audit.finding import Finding
from real_models.audit.findings import findings

WIDTH, BLOCKS, RANK = 96, 12, 4


def adapter(dtypes: tuple[str, ...] = ("F32",), updates: list[Update] | None = None) -> Any:
    return SimpleNamespace(dtypes=dtypes, updates=updates)


def trained(rng: np.random.Generator, m: int, d: int, *, size: float = 0.02, rank: int = RANK) -> LowRank:
    """A from peft's start, moved a little; B grown, with one leading column."""
    A = rng.uniform(-1, 1, (rank, d)) / np.sqrt(d) + 0.01 * rng.standard_normal((rank, d))
    B = size * rng.standard_normal((m, rank)) ** 3 * np.array([1.0, *[0.4] * (rank - 1)])
    return LowRank(B, A, 2.0)


def updates(rng: np.random.Generator, **options: Any) -> list[Update]:
    """o_proj writes, up_proj reads, in every block."""
    found = []
    for block in range(BLOCKS):
        for name, side, shape in (
            ("self_attn.o_proj", "write", (WIDTH, WIDTH)),
            ("mlp.up_proj", "read", (2 * WIDTH, WIDTH)),
        ):
            whole = f"model.layers.{block}.{name}"
            factors = trained(rng, *shape, **options)
            found.append(replace(Update.of(whole, factors, layer=block, side=side), block=f"model.layers.{block}"))
    return found


def found(these: list[Update], about: Any = None) -> dict[str, Finding]:
    return {f.key: f for f in findings(about or adapter(), identify(these))}


def changed(these: list[Update], which, change) -> list[Update]:
    return [replace(u, source=change(u.lowrank)) if which(u) else u for u in these]


def scaled(factor: float):
    return lambda low: LowRank(low.B * factor, low.A, low.scaling)
