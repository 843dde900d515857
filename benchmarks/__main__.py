"""``python -m benchmarks``: all claims, one table, exit code 1 if one does not hold."""

from __future__ import annotations

import platform
import sys
import tempfile
from pathlib import Path

import numpy as np

from figures.tables import Table, console

from . import decompose, kills, lab, language_model, methods, processes, survey, training


def main() -> int:
    """Measure, print, say whether everything holds."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        found = decompose.claims(folder, 16, decomposing=6, everything=14, necessary=6)
        found += decompose.claims(folder, 64, decomposing=10, everything=14, necessary=4, repeats=3)
        found += decompose.pickled(folder) + processes.claims(folder)
        found += survey.claims(folder / "survey")
        found += lab.claims(folder)
        found += training.claims(folder)
        found += language_model.claims(folder)
        found += kills.claims(folder / "kills")
    found += methods.claims()
    rows = [[c.name, f"{c.measured:.3g}", c.bound, "yes" if c.holds else "NO", c.detail] for c in found]
    out = console()
    title = f"Python {platform.python_version()}, numpy {np.__version__}, {platform.machine()}; medians, interleaved"
    out.print(Table(["claim", "measured", "bound", "holds", "detail"], rows, title=title))
    return 0 if all(c.holds for c in found) else 1


if __name__ == "__main__":
    sys.exit(main())
