"""All training in several processes: ``python processes.py MADE FOLDER``.

Forks of this one: what is imported takes a process ten seconds of a core, and the runs take two. Of ``accelerate
launch`` too, which is called here: configuration, environment and the agent that starts and watches are its own.
"""

from __future__ import annotations

import gc
import os
import sys
from argparse import Namespace
from pathlib import Path
from typing import Any
from unittest.mock import patch

import ddp_worker
import sharded_launch
import sharded_worker
from accelerate.commands.launch import launch_command, launch_command_parser
from checkout import SUPPORT
from made_files import BASE
from tiny_models import lora, tiny
from torch.distributed.run import config_from_args

from real_models.base import load_base

DDP, SHARDED, LAUNCHED = "ddp", "sharded", "launched"


def launch(made: Path, folder: Path) -> None:
    """``accelerate launch`` with its configuration, torchrun's agent told to fork."""

    def forked(args: Namespace) -> tuple[Any, ...]:
        config, *_ = config_from_args(args)
        config.start_method = "fork"
        return config, sharded_launch.main, (made, folder)

    command = ["--config_file", str(SUPPORT / "fsdp2.yaml"), "--main_process_port", "0", sharded_launch.__file__]
    with patch("torch.distributed.run.config_from_args", forked):
        launch_command(launch_command_parser().parse_args(command))


def main(made: Path, folder: Path) -> None:
    os.environ["GLOO_SOCKET_IFNAME"] = "lo"
    lora(tiny())  # what these import when they are first called
    load_base(made / BASE)
    gc.freeze()  # what is imported stays, and a Trainer asks for a collection in every run
    for name in (DDP, SHARDED, LAUNCHED):
        (folder / name).mkdir()
    ddp_worker.main(folder / DDP)
    sharded_worker.main(folder / SHARDED)
    launch(made, folder / LAUNCHED)


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
