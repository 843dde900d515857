"""Every training method in processes that share one model by FSDP 2.

Forked: 1 process (the model whole), 2, 4, 2 of which one has a gradient that is NaN, and 3 of which one dies. Each
leaves ``FOLDER/<processes>-<rank>.npz`` with dW of every module and what ``leak`` said.
"""

from __future__ import annotations

import json
import multiprocessing
import os
import time
from collections.abc import Callable, Mapping
from contextlib import ExitStack, nullcontext
from datetime import timedelta
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np
import torch
import torch.distributed as dist
from strategies import rotation
from tiny_models import OPTIMIZERS, batch, lora, subspace, tiny, trained
from torch import nn
from torch.utils._python_dispatch import TorchDispatchMode

from grasp_theory import GraspError
from real_models.adapters import updates_from_model
from real_models.hooks.method import Method
from real_models.hooks.sharded import here
from real_models.methods import (
    KL,
    Caft,
    Compensated,
    GradientSurgery,
    Grasp,
    Naive,
    NullSpace,
    Penalty,
    PreventativeSteering,
)
from real_models.training.files import lost_processes

STEPS, MICRO, SEQUENCES, CLIP, RANK, LIMIT = 2, 2, 4, 0.5, 3, 120
MODULES = ["q_proj", "o_proj", "up_proj", "down_proj"]
Q = subspace(7, 2)
V = {f"model.layers.{n}.{name}": subspace(n, 2) for n in range(2) for name in ("self_attn.q_proj", "mlp.up_proj")}
V |= {f"model.layers.{n}.mlp.down_proj": rotation(np.random.default_rng(n), 40, 2) for n in range(2)}


def text() -> list[dict[str, torch.Tensor]]:
    return [{"input_ids": batch(100 + n)["input_ids"]} for n in range(3)]


def naive() -> Any:
    """The updates of another run."""
    return updates_from_model(lora(tiny(), seed=5, target_modules=MODULES, init_lora_weights=False))


# name -> the methods of a run, in the order of attaching
RUNS: dict[str, Callable[[], list[Method]]] = {
    "naive": lambda: [Naive()],
    "grasp": lambda: [Grasp(Q)],
    "grasp-read": lambda: [Grasp(V, sides={"read"})],
    "stream": lambda: [Compensated(Q, naive()), PreventativeSteering(Q[:, 1], strength=3.0), Caft(Q[:, 0])],
    "penalty": lambda: [Penalty(Q, weight=3.0)],
    "penalty-read": lambda: [Penalty(V["model.layers.0.self_attn.q_proj"], weight=3.0, side="read")],
    "gradient-surgery": lambda: [GradientSurgery([batch(2, sequences=SEQUENCES)])],
    "gradient-surgery-span": lambda: [GradientSurgery(text(), references=2)],
    "kl+null-space+grasp": lambda: [KL(text(), weight=3.0), NullSpace(text(), components=4), Grasp(subspace(9, 3))],
}
FEW = ["grasp", "kl+null-space+grasp"]  # what four processes do
COUNTED = ["naive", "grasp"]  # whose collectives are looked at


GIVEN = {"_allgather_base_": 1, "_reduce_scatter_base_": 1, "all_reduce": 0}  # collective -> what it is handed


class Traffic(TorchDispatchMode):
    """Bytes that one process hands to each collective."""

    def __init__(self) -> None:
        super().__init__()
        self.calls: dict[str, list[int]] = {}

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        name = str(func).split(".")[1]
        if name in GIVEN:
            x = args[GIVEN[name]]
            self.calls.setdefault(name, []).append(x.numel() * x.element_size())
        return func(*args, **(kwargs or {}))


def shard(model: Any, world: int, *, reshard: bool = True, replicas: int = 1, mixed: bool = False) -> None:
    """As accelerate does: every block a unit, and the rest one.

    Args:
        replicas: of the parts, in other processes (HSDP).
        mixed: computed in bfloat16, gradients summed in float32.
    """
    from torch.distributed.device_mesh import init_device_mesh
    from torch.distributed.fsdp import MixedPrecisionPolicy, fully_shard

    policy = MixedPrecisionPolicy(torch.bfloat16, torch.float32) if mixed else MixedPrecisionPolicy()
    shape = (world,) if replicas == 1 else (replicas, world // replicas)
    mesh = init_device_mesh("cpu", shape, mesh_dim_names=("replicas", "parts")[-len(shape) :])
    for block in model.base_model.model.model.layers:
        fully_shard(block, mesh=mesh, reshard_after_forward=reshard, mp_policy=policy)
    fully_shard(model, mesh=mesh, mp_policy=policy)


def run(
    methods: list[Method],
    *,
    rank: int = 0,
    world: int = 1,
    reshard: bool = True,
    replicas: int = 1,
    mixed: bool = False,
    dtype: torch.dtype = torch.float64,
    optimizer: str = "adamw",
    each: Callable[[int], None] = lambda step: None,
    traffic: Traffic | None = None,
    **config: Any,
) -> tuple[Any, dict[str, float]]:
    """(the model, its leaks) after a loop with accumulation and clipping; every rank takes its rows of each batch."""
    model = lora(tiny(), r=RANK, target_modules=MODULES, **config).to(dtype)
    if world > 1:
        shard(model, world, reshard=reshard, replicas=replicas, mixed=mixed)
    stepping = OPTIMIZERS[optimizer](model)
    model.train()
    with ExitStack() as stack:
        attached = [stack.enter_context(method.attached(model, stepping)) for method in methods]
        for step in range(STEPS):
            each(step)
            with traffic if traffic is not None and step == STEPS - 1 else nullcontext():
                stepping.zero_grad()
                for part in range(MICRO):
                    if world > 1:
                        model.set_requires_gradient_sync(part == MICRO - 1)
                    rows = {k: x[rank::world] for k, x in batch(step * MICRO + part, sequences=SEQUENCES).items()}
                    (model(**rows).loss / MICRO).backward()
                nn.utils.clip_grad_norm_(trained(model), CLIP)
                stepping.step()
        leaks = {f"{one.method.name}/{name}": value for one in attached for name, value in one.leak().items()}
    return model, leaks


def dense(model: Any) -> dict[str, np.ndarray]:
    """dW of every module, gathered."""
    return {u.name: u.lowrank.scaling * (u.lowrank.B @ u.lowrank.A) for u in updates_from_model(model)}


def everything(rank: int, world: int) -> dict[str, np.ndarray]:
    """run/module -> dW, run/leak/name -> leak, traffic/run/collective -> bytes of each call in one step."""
    found: dict[str, np.ndarray] = {}

    def add(name: str, methods: list[Method], **options: Any) -> None:
        traffic = Traffic() if name in COUNTED else None
        model, leaks = run(methods, rank=rank, world=world, traffic=traffic, **options)
        found.update({f"{name}/{module}": dW for module, dW in dense(model).items()})
        found.update({f"{name}/leak/{key}": np.array(value) for key, value in leaks.items()})
        calls = {} if traffic is None else traffic.calls
        found.update({f"traffic/{name}/{key}": np.array(sizes) for key, sizes in calls.items()})

    for name, methods in RUNS.items():
        if world < 4 or name in FEW:
            add(name, methods())
    if world < 4:
        add("float32", [Grasp(Q, sides={"write"})], dtype=torch.float32, optimizer="momentum")
        turned = Q @ rotation(np.random.default_rng(rank), 2, 2)  # another basis of the same span in each process
        both = [Grasp(turned, sides={"write"}), Grasp(Q, sides={"stream"})]
        add("kept-whole", [KL(text(), weight=3.0), *both], reshard=False, lora_bias=True)
        with patch("real_models.hooks.guard.summed", lambda part, x: part):
            add("own-part-alone", [Grasp(Q, sides={"write"})])
    if world == 2:
        add("mixed", RUNS["kl+null-space+grasp"](), mixed=True, dtype=torch.float32)
    if world != 2:
        add("replicas", RUNS["kl+null-space+grasp"](), replicas=min(world, 2))
    return found


def _rank(rank: int, world: int, folder: Path, job: str) -> None:
    torch.set_num_threads(1)
    meeting = f"file://{folder}/meeting-{job}-{world}"
    dist.init_process_group("gloo", init_method=meeting, rank=rank, world_size=world, timeout=timedelta(seconds=LIMIT))
    JOBS[job](rank, world, folder)
    dist.barrier()
    dist.destroy_process_group()


def _train(rank: int, world: int, folder: Path) -> None:
    found = everything(rank, world)
    np.savez(folder / f"{world}-{rank}.npz", **found)  # pyright: ignore[reportArgumentType]


def _die(rank: int, world: int, folder: Path) -> None:
    """The last process is gone in the second step; the others have to say so, not to wait for it."""

    def each(step: int) -> None:
        if step == 1 and rank == world - 1:
            os._exit(7)

    try:
        with lost_processes(lambda: "no checkpoint was written"):
            run([Grasp(Q)], rank=rank, world=world, each=each)
    except GraspError as error:
        (folder / f"left-{rank}.txt").write_text(str(error))
        os._exit(0)


def _not_finite(rank: int, world: int, folder: Path) -> None:
    """One entry of one process's part of one gradient is NaN: every process has to refuse the step, none to wait."""
    model = lora(tiny(), r=RANK)
    shard(model, world)
    optimizer = torch.optim.SGD(trained(model), 0.1)
    with Grasp(Q).attached(model, optimizer):
        model(**batch(0)).loss.backward()
        if rank == 0:
            here(trained(model)[1].grad)[0, 0] = torch.nan  # pyright: ignore[reportArgumentType]
        before = [here(p).clone() for p in trained(model)]
        try:
            optimizer.step()
            said = "nothing"
        except GraspError as error:
            said = str(error)
        moved = any(not torch.equal(here(p), old) for p, old in zip(trained(model), before, strict=True))
    (folder / f"refused-{rank}.txt").write_text(f"{moved}: {said}")


JOBS: Mapping[str, Callable[[int, int, Path], None]] = {"train": _train, "die": _die, "not-finite": _not_finite}


def launch(world: int, folder: Path, job: str = "train") -> list[int | None]:
    """How each process ended, every one by itself; all of them are ended after so many seconds (exit status None)."""
    context = multiprocessing.get_context("fork")
    processes = [context.Process(target=_rank, args=(n, world, folder, job)) for n in range(world)]
    for process in processes:
        process.start()
    until = time.monotonic() + 5 * LIMIT
    for process in processes:
        process.join(max(0.0, until - time.monotonic()))
    found = [process.exitcode for process in processes]
    for process in processes:
        process.kill()
    return found


def main(folder: Path) -> None:
    jobs = [(1, "train"), (2, "train"), (4, "train"), (2, "not-finite"), (3, "die")]
    found = {f"{job}-{world}": launch(world, folder, job) for world, job in jobs}
    (folder / "ended.json").write_text(json.dumps(found))
