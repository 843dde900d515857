"""All training in several processes: ``python processes.py MADE FOLDER``.

DDP and FSDP 2 in forks of this one: what is imported takes a process ten seconds of a core, and the runs take two.
"""

from __future__ import annotations

import gc
import os
import subprocess
import sys
from pathlib import Path

import ddp_worker
import sharded_worker
from checkout import SUPPORT
from tiny_models import lora, tiny

DDP, SHARDED, LAUNCHED = "ddp", "sharded", "launched"
LIMIT = 300  # seconds, of what takes twenty


def launch(made: Path, folder: Path) -> None:
    """``accelerate launch`` with its configuration, whose processes are torchrun's own."""
    command = [sys.executable, "-m", "accelerate.commands.accelerate_cli", "launch"]
    command += ["--config_file", str(SUPPORT / "fsdp2.yaml"), "--main_process_port", "0"]
    subprocess.run([*command, str(SUPPORT / "sharded_launch.py"), str(made), str(folder)], check=True, timeout=LIMIT)


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
