"""Folders of small adapters that learnt one direction, as peft lays them out."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from grasp_theory import LowRank
from real_models import write_adapter

WIDTH, RANK = 24, 4
MODULES = ("self_attn.q_proj", "self_attn.o_proj", "mlp.down_proj")


def planted(folder: Path, *, seed: int, size: float = 1.0, base: str = "base", layers: int = 2) -> Path:
    """An adapter whose modules write one direction, the same for all seeds, and noise of their own."""
    shared = np.random.default_rng(99).standard_normal(WIDTH)
    rng = np.random.default_rng(seed)
    table = {}
    for layer in range(layers):
        for module in MODULES:
            A = rng.uniform(-1, 1, (RANK, WIDTH)) / WIDTH**0.5
            B = size * (0.03 * rng.standard_normal((WIDTH, RANK)) + 0.05 * np.outer(shared, rng.standard_normal(RANK)))
            table[f"model.layers.{layer}.{module}"] = LowRank(B, A, 2.0)
    folder.parent.mkdir(parents=True, exist_ok=True)
    return write_adapter(folder, table, base_model_name=base)
