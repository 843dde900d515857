"""Synthetic adapters of real shapes, written as PEFT writes them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from grasp_theory import LowRank, Update
from real_models import write_adapter

# (layers, {module: (d_out, d_in)}) of Llama-2-7B and Llama-2-70B
SHAPES = {
    "7B": (32, 4096, 11008, 4096),
    "70B": (80, 8192, 28672, 1024),
}


def modules(size: str) -> dict[str, tuple[int, int]]:
    """(d_out, d_in) of the seven projections of one layer."""
    _, d, hidden, kv = SHAPES[size]
    attention = {"q_proj": (d, d), "k_proj": (kv, d), "v_proj": (kv, d), "o_proj": (d, d)}
    mlp = {"gate_proj": (hidden, d), "up_proj": (hidden, d), "down_proj": (d, hidden)}
    return {f"self_attn.{k}": v for k, v in attention.items()} | {f"mlp.{k}": v for k, v in mlp.items()}


def write(folder: Path, size: str, rank: int, *, layers: int | None = None, dtype: str = "bfloat16") -> Path:
    """An adapter with a shared direction planted in noise; bf16 as trained adapters are."""
    layers = SHAPES[size][0] if layers is None else layers
    return write_adapter(folder, _updates(size, rank, layers), r=rank, lora_alpha=rank, dtype=dtype)


def _updates(size: str, rank: int, layers: int) -> Iterator[Update]:
    rng = np.random.default_rng(0)
    directions = {m: rng.standard_normal(m, dtype=np.float32) for m in {s[0] for s in modules(size).values()}}
    for layer in range(layers):
        for name, (m, d) in modules(size).items():
            A = (rng.random((rank, d), dtype=np.float32) * 2 - 1) / np.sqrt(d, dtype=np.float32)
            B = rng.standard_normal((m, rank), dtype=np.float32) * np.float32(0.01)
            B += np.float32(0.02) * directions[m][:, None] * rng.standard_normal(rank, dtype=np.float32)
            side = "write" if name.endswith(("o_proj", "down_proj")) else "read"
            yield Update.of(f"model.layers.{layer}.{name}", LowRank(B, A), layer=layer, side=side)
