"""All training in several processes, from one that imports once and forks: ``python processes.py MADE FOLDER``.

What is imported takes a process ten seconds of a core, and the runs take two.
"""

from __future__ import annotations

import gc
import os
import sys
from argparse import Namespace
from pathlib import Path
from unittest.mock import patch

import ddp_worker
import sharded_launch
import sharded_worker
import torch.multiprocessing as mp
from accelerate.commands.launch import launch_command, launch_command_parser
from checkout import SUPPORT
from tiny_models import lora, tiny

DDP, SHARDED, LAUNCHED = "ddp", "sharded", "launched"


def _rank(rank: int, args: Namespace, made: Path, folder: Path) -> None:
    """What torchrun tells each process."""
    world = args.nproc_per_node
    said = {"RANK": rank, "LOCAL_RANK": rank, "WORLD_SIZE": world, "LOCAL_WORLD_SIZE": world}
    said |= {"MASTER_ADDR": args.master_addr, "MASTER_PORT": args.master_port}
    os.environ |= {name: str(value) for name, value in said.items()}
    sharded_launch.main(made, folder)


def launch(made: Path, folder: Path) -> None:
    """``accelerate launch`` with its configuration and its environment, up to torchrun, whose processes are forked."""

    def run(args: Namespace) -> None:
        mp.start_processes(_rank, (args, made, folder), nprocs=int(args.nproc_per_node), start_method="fork")

    command = ["--config_file", str(SUPPORT / "fsdp2.yaml"), "--main_process_port", "0", sharded_launch.__file__]
    with patch("torch.distributed.run.run", run):
        launch_command(launch_command_parser().parse_args(command))


def main(made: Path, folder: Path) -> None:
    os.environ["GLOO_SOCKET_IFNAME"] = "lo"
    lora(tiny())  # what these import when they are first called
    gc.freeze()  # what is imported stays, and a Trainer asks for a collection in every run
    for name in (DDP, SHARDED, LAUNCHED):
        (folder / name).mkdir()
    ddp_worker.main(folder / DDP)
    sharded_worker.main(folder / SHARDED)
    launch(made, folder / LAUNCHED)


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
