"""The command line, called in this process or in one of its own, and the adapter that its tests read."""

from __future__ import annotations

import subprocess
import sys

import grasp_cli
from synthetic.generators.adapters import AdapterSpec

SPEC = AdapterSpec(layers=6, width=96, inputs=64, rank=16, strength=1.5)


def grasp(capsys, *arguments: object) -> tuple[int, str, str]:
    """Exit code, standard output and standard error."""
    code = grasp_cli.run(grasp_cli.app, [str(a) for a in arguments])
    out, err = capsys.readouterr()
    return code, out, err


def process(*arguments: object, **options) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "grasp_cli", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=120, **options)
