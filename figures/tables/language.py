"""The table of methods on the pretrained language model, from the committed results."""

from __future__ import annotations

from real_models.comparison.methods import find_compared
from real_models.comparison.table import Result, summarise

from ..rows import FOLDER, read_rows
from .comparison import times
from .table import Table


def language_model() -> Table:
    """One experiment, every method at its preset: naive first, controls last, least drift first."""
    found = summarise(read_rows(FOLDER / "language_model.csv"))
    order = sorted(found, key=lambda line: (line.method != "naive", line.control, not line.whole, line.drift))
    cells = [
        [
            find_compared(line.method).label(line.knob),
            "control" if line.control else line.information,
            f"{line.reached} of {line.seeds}",
            f"{line.drift:+.2f}",
            _excess(line),
            "" if line.method == "naive" or not line.whole else times(line),
            "" if line.conditional is None else f"{line.conditional:+.2f}",
            "" if line.kept is None else f"{line.kept:+.2f}",
            "" if line.neutral is None else f"{line.neutral:.3f}",
        ]
        for line in order
    ]
    heads = ["method", "uses", "task reached", "drift", "above the base", "less than naive"]
    heads += ["in the training format", "kept", "neutral loss"]
    return Table(heads, cells)


def _excess(line: Result) -> str:
    if line.excess is None or line.low is None or line.high is None:
        return "" if line.excess is None else f"{line.excess:+.2f}"
    return f"{line.excess:+.2f} ({line.low:+.2f} … {line.high:+.2f})"
