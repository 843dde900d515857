"""The command line, called in this process, and the adapter that its tests read."""

from __future__ import annotations

import grasp_cli
from synthetic.generators.adapters import AdapterSpec

SPEC = AdapterSpec(layers=6, width=96, inputs=64, rank=16, strength=1.5)


def grasp(capsys, *arguments: object) -> tuple[int, str, str]:
    """Exit code, standard output and standard error."""
    code = grasp_cli.run(grasp_cli.app, [str(a) for a in arguments])
    out, err = capsys.readouterr()
    return code, out, err
