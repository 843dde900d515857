"""The same training in one process, or in each of two ranks."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.distributed as dist
import torch.multiprocessing as mp
import trainer_runs
from tiny_models import OPTIMIZERS, batch, deltas, lora, subspace, tiny, trained
from torch.nn.parallel import DistributedDataParallel

from real_models.hooks.method import Method
from real_models.methods.grasp import Grasp
from real_models.methods.naive import Naive

WORLD = 2
STEPS, SEQUENCES, CLIP = 5, 4, 0.5
Q = subspace(7, 2)
METHODS: dict[str, Any] = {"grasp": lambda: Grasp(Q), "naive": Naive}
# float64 for AdamW, which divides by √v: where a gradient is near 0, its rounding comes back at the size of the step
RUNS = {
    "momentum-grasp": ("momentum", torch.float32, "grasp"),
    "adamw-grasp": ("adamw", torch.float64, "grasp"),
    "adamw-naive": ("adamw", torch.float64, "naive"),
}


def loop(name: str, *, rank: int = 0, world: int = 1, share: int | None = None) -> dict[str, np.ndarray]:
    """dW after a plain loop; every rank takes its share of each global batch. share : only this one, in one process."""
    optimizer_name, dtype, method = RUNS[name]
    model = lora(tiny()).to(dtype)
    optimizer = OPTIMIZERS[optimizer_name](model)
    wrapped = DistributedDataParallel(model) if world > 1 else model
    mine = slice(rank, None, world) if share is None else slice(share, None, 2)
    made: Method = METHODS[method]()
    with made.attached(wrapped, optimizer):
        for step in range(STEPS):
            optimizer.zero_grad()
            rows = {key: x[mine] for key, x in batch(step, sequences=SEQUENCES).items()}
            wrapped(**rows).loss.backward()
            torch.nn.utils.clip_grad_norm_(trained(model), CLIP)
            optimizer.step()
    return deltas(model)


def trainer(folder: Path, *, world: int = 1) -> dict[str, np.ndarray]:
    """dW after the Trainer, with the callback; the global batch is the same for every number of processes."""
    model, rows = lora(tiny()).double(), trainer_runs.data(STEPS * SEQUENCES)
    settings = {"max_steps": STEPS, "per_device_train_batch_size": SEQUENCES // world, "gradient_accumulation_steps": 1}
    settings |= {"warmup_steps": 0, "lr_scheduler_type": "constant"}
    trainer_runs.trainer(folder, [Grasp(Q).callback()], model=model, rows=rows, **settings).train()
    return deltas(model)


def _rank(rank: int, folder: Path) -> None:
    """All runs in this rank of ``WORLD``, into one file a run."""
    # what torchrun tells a Trainer
    said = {"RANK": rank, "LOCAL_RANK": rank, "WORLD_SIZE": WORLD, "LOCAL_WORLD_SIZE": WORLD}
    os.environ |= {name: str(value) for name, value in said.items()}
    dist.init_process_group("gloo", init_method=f"file://{folder / 'store'}", rank=rank, world_size=WORLD)
    for name in RUNS:
        np.savez(folder / f"{name}-{rank}.npz", **loop(name, rank=rank, world=WORLD))
    np.savez(folder / f"trainer-{rank}.npz", **trainer(folder, world=WORLD))
    dist.destroy_process_group()


def main(folder: Path) -> None:
    mp.start_processes(_rank, (folder,), nprocs=WORLD, start_method="fork")
