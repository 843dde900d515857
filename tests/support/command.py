"""The command line, called in this process, and what its tests change of a drawn adapter."""

from __future__ import annotations

from typing import Any

import grasp_cli

PLANTED: dict[str, Any] = {"layers": 6, "strength": 1.5}


def grasp(capsys, *arguments: object) -> tuple[int, str, str]:
    """Exit code, standard output and standard error."""
    code = grasp_cli.run(grasp_cli.app, [str(a) for a in arguments])
    out, err = capsys.readouterr()
    return code, out, err
