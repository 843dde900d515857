"""Drawn and random updates, and the drawn ones saved."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
from strategies import update
from tolerance import backward

from grasp_theory import LowRank, Subspace, Update
from real_models import write_adapter
from synthetic.generators.adapters import AdapterSpec, draw_adapter

SPEC = AdapterSpec(layers=8, width=96, inputs=64, rank=16)


def drawn(seed: int = 0, **changes) -> tuple[list[Update], np.ndarray]:
    """(updates, the planted direction)."""
    return draw_adapter(replace(SPEC, **changes), rng=np.random.default_rng(seed))


def saved(folder: Path, seed: int = 0, **changes) -> Path:
    """The same on disk, in a folder that is made."""
    return write_adapter(folder, drawn(seed, **changes)[0])


def dense(u: Update) -> np.ndarray:
    p = u.lowrank
    return p.scaling * p.B.astype(float) @ p.A.astype(float)


def random_update(
    rng: np.random.Generator, m: int, r: int, d: int, layer: int | None = 0, side: str | None = "write", **fields
) -> Update:
    return update(LowRank(rng.standard_normal((m, r)), rng.standard_normal((r, d)), 0.5), layer, side, **fields)


def adapter(seed: int, *, side: str | None = "write", L: int = 3, m: int = 40, d: int = 30, r: int = 4) -> list[Update]:
    """One module a layer."""
    rng = np.random.default_rng(seed)
    return [random_update(rng, m, r, d, layer, side) for layer in range(L)]


def mapped(updates: list[Update], change: Callable[[LowRank], LowRank]) -> list[Update]:
    return [replace(u, source=change(u.lowrank)) for u in updates]


def sine(component, direction: np.ndarray) -> float:
    return float(np.sin(component.subspace.angles(Subspace.span(direction)).max()))


F32 = backward((64,), np.float32, 1.0)  # directions are kept in float32
