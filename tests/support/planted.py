"""Drawn and random updates shared by the tests of identify."""

from __future__ import annotations

import numpy as np
from strategies import update
from tolerance import backward

from grasp_theory import (
    LowRank,
    Subspace,
    Update,
)
from synthetic.generators.adapters import AdapterSpec, draw_adapter

SPEC = AdapterSpec(layers=8, width=96, inputs=64, rank=16)


def drawn(seed: int = 0, **changes) -> tuple[list[Update], np.ndarray]:
    spec = AdapterSpec(**{**vars(SPEC), **changes})
    return draw_adapter(spec, rng=np.random.default_rng(seed))


def dense(u: Update) -> np.ndarray:
    p = u.lowrank
    return p.scaling * p.B.astype(float) @ p.A.astype(float)


def random_update(
    rng: np.random.Generator, m: int, r: int, d: int, layer: int | None = 0, side="write", **fields
) -> Update:
    return update(LowRank(rng.standard_normal((m, r)), rng.standard_normal((r, d)), 0.5), layer, side, **fields)


def sine(component, direction: np.ndarray) -> float:
    return float(np.sin(component.subspace.angles(Subspace.span(direction)).max()))


F32 = backward((64,), np.float32, 1.0)  # directions are kept in float32
