"""All training in several processes: ``python processes.py MADE FOLDER``.

DDP and FSDP 2 in forks of this one: what is imported takes a process ten seconds of a core, and the runs take two.
``accelerate launch`` is called here, where it is imported; the processes that it starts are torchrun's own.
"""

from __future__ import annotations

import gc
import os
import sys
from pathlib import Path

import ddp_worker
import sharded_launch
import sharded_worker
from accelerate.commands.launch import launch_command, launch_command_parser
from checkout import SUPPORT
from tiny_models import lora, tiny

DDP, SHARDED, LAUNCHED = "ddp", "sharded", "launched"


def launch(made: Path, folder: Path) -> None:
    """``accelerate launch`` with its configuration."""
    command = ["--config_file", str(SUPPORT / "fsdp2.yaml"), "--main_process_port", "0", sharded_launch.__file__]
    launch_command(launch_command_parser().parse_args([*command, str(made), str(folder)]))


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
