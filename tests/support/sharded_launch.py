"""``grasp train``'s routine under FSDP 2: ``accelerate launch --config_file FILE sharded_launch.py MADE FOLDER``.

What accelerate is told is its own configuration. It shards nothing on a CPU, where it takes its kind of process to be
another one (accelerate 1.15: MULTI_CPU is not among the kinds that FSDP is put on); ``as_accelerator`` says otherwise.
"""

from __future__ import annotations

import json
import os
import shutil
import sys
import warnings
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import numpy as np
import torch
import torch.distributed as dist
from accelerate.state import PartialState
from accelerate.utils import DistributedType
from strategies import rotation
from training_runs import run

from grasp_theory import InputError
from real_models.methods import Grasp

LIMIT, STEPS = 120, 2
CHANGES = {"steps": STEPS, "save_every": 1, "target_modules": ("q_proj", "o_proj", "down_proj")}
Q = rotation(np.random.default_rng(3), 64, 2)


def as_accelerator() -> None:
    """Processes on the CPU count as such on devices that models are sharded over."""
    os.environ["ACCELERATE_TORCH_DEVICE"] = "cpu"
    PartialState._prepare_backend = lambda *_: ("gloo", DistributedType.MULTI_GPU)  # pyright: ignore


def train(made: Path, out: Path) -> str:
    """What went wrong, or the warnings."""
    from accelerate.state import AcceleratorState

    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            run(made, out, [Grasp(Q)], changes=CHANGES)
        except InputError as error:
            return f"{type(error).__name__}: {error}"
    assert AcceleratorState().distributed_type == DistributedType.FSDP  # else nothing was sharded
    return "\n".join(str(w.message) for w in caught if "checkpoint" in str(w.message))


def first(act: Callable[[], None]) -> None:
    """In one process, the other waiting."""
    if dist.get_rank() == 0:
        act()
    dist.barrier()


def copied(out: Path, new: Path, *, broken: bool) -> Path:
    """The run as it was before its end; of a broken one the last checkpoint has a part of the one before."""

    def copy() -> None:
        shutil.copytree(out / "checkpoints", new / "checkpoints")
        shutil.copy(out / "run.json", new)
        last, before = (new / "checkpoints" / f"checkpoint-{step}" for step in (STEPS, STEPS - 1))
        if broken:
            part = Path("pytorch_model_fsdp_0", "__1_0.distcp")
            shutil.copy(before / part, last / part)
        else:
            shutil.rmtree(last)

    first(copy)
    return new


def main(made: Path, folder: Path) -> None:
    dist.init_process_group("gloo", timeout=timedelta(seconds=LIMIT))
    as_accelerator()
    torch.set_num_threads(1)
    said = {}
    for kind in ("SHARDED", "FULL"):
        os.environ["FSDP_STATE_DICT_TYPE"] = f"{kind}_STATE_DICT"
        said[kind] = train(made, folder / kind)
        said[f"{kind} again"] = train(made, copied(folder / kind, folder / f"{kind}-again", broken=kind == "SHARDED"))
    other = folder / "other-world"

    def more() -> None:
        other.mkdir()
        shutil.copytree(folder / "FULL" / "checkpoints", other / "checkpoints")
        settings = json.loads((folder / "FULL" / "run.json").read_text())
        (other / "run.json").write_text(json.dumps(settings | {"processes": 3}))

    first(more)
    said["other world"] = train(made, other)
    (folder / f"said-{dist.get_rank()}.json").write_text(json.dumps(said))
    dist.barrier()
    dist.destroy_process_group()


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
