"""The table of methods on the pretrained language model, from the committed results."""

from __future__ import annotations

from real_models.comparison.methods import find_compared
from real_models.comparison.table import Result, summarise

from ..rows import FOLDER, read_rows
from .comparison import times
from .table import Table


def language_model(experiment: str | None = None, *, study: str = "language_model") -> Table:
    """Every method at its preset on one experiment, or on all of them in turn: naive first, controls last, least drift
    first.

    Args:
        study: name of the committed results.
    """
    rows = read_rows(FOLDER / f"{study}.csv")
    found = summarise([r for r in rows if experiment in (None, r["variant"])])
    place = {variant: n for n, variant in enumerate(dict.fromkeys(r["variant"] for r in rows))}
    order = sorted(found, key=lambda x: (place[x.variant], x.method != "naive", x.control, not x.whole, x.drift))
    cells = [
        [
            find_compared(x.method).label(x.knob),
            "control" if x.control else x.information,
            f"{x.reached} of {x.seeds}",
            f"{x.drift:+.2f}",
            _excess(x),
            "" if x.method == "naive" or not x.whole else times(x),
            "" if x.conditional is None else f"{x.conditional:+.2f}",
            "" if x.kept is None else f"{x.kept:+.2f}",
            "" if x.neutral is None else f"{x.neutral:.3f}",
        ]
        for x in order
    ]
    heads = ["method", "uses", "task reached", "drift", "above the base", "less than naive"]
    heads += ["in the training format", "kept", "neutral loss"]
    if experiment is None and len(place) > 1:
        cells = [[x.variant.removeprefix("smollm2-"), *cell] for x, cell in zip(order, cells, strict=True)]
        heads = ["experiment", *heads]
    return Table(heads, cells)


def _excess(result: Result) -> str:
    if result.excess is None or result.low is None or result.high is None:
        return "" if result.excess is None else f"{result.excess:+.2f}"
    return f"{result.excess:+.2f} ({result.low:+.2f} … {result.high:+.2f})"
