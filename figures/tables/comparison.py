"""The comparison's tables: a row at matched task score each, ranked within what information it uses."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from rich.text import Text

from real_models.comparison.table import GROUPS, Result, ranked, void, weak

from .table import Block, Table

HEADERS = [
    "method",
    "knob",
    "reached",
    "steps",
    "drift",
    "excess, 95%",
    "less",
    "vs naive, 95%",
    "kept",
    "facts",
    "neutral",
]


def comparison_tables(found: Sequence[Result]) -> Iterator[Block]:
    """One table for each variant and class, least drift first; controls last.

    Oracle knobs (best drift among those reached) are marked. Columns of what is not measured are left out.
    """
    for variant in dict.fromkeys(line.variant for line in found):
        of = [line for line in found if line.variant == variant]
        why, seeds = void(found, variant), f"{max(x.seeds for x in of)} seeds"
        head = f"VOID, {why}" if why else ", ".join(filter(None, [seeds, weak(of, variant)]))
        yield Text(f"{variant}: {head}", style="bold")
        for group in GROUPS:
            among = ranked(line for line in of if line.group == group)
            if among:
                title = group if group == "controls" else f"uses {group}"
                yield _without_empty([*HEADERS, "cost", "per token"], [_row(x, among) for x in among], title)
    scores = " or ".join(dict.fromkeys(f"{line.task:.3g}" for line in found))
    yield (
        f"At the first crossing of a task score of {scores}, by interpolation. excess: drift above the base model's; "
        "less: how many times smaller than naive's (≥: where the interval holds 0, its upper end). In brackets: not in "
        "all seeds. ∘: knob not chosen beforehand, ∗: the best of those (an oracle)."
    )
    if any(line.cost is not None for line in found):
        yield (
            "cost: arithmetic until there, in units of the naive run's; preparation and a naive run that comes first "
            "included."
        )


def _without_empty(headers: Sequence[str], rows: Sequence[Sequence[str]], title: str) -> Table:
    there = [n for n, column in enumerate(zip(*rows, strict=True)) if any(column)]
    return Table([headers[n] for n in there], [[row[n] for n in there] for row in rows], title=title)


def _row(line: Result, among: Sequence[Result]) -> list[str]:
    best = min((x for x in among if x.method == line.method and x.whole), key=lambda x: x.drift, default=None)
    mark = "" if line.preset else (" ∗" if line is best else " ∘")

    def plain(x: float | None, digits: int = 3) -> str:
        return "" if x is None else (f"{x:.{digits}f}" if line.whole else f"({x:.{digits}f})")

    return [
        line.method,
        f"{line.knob:g}{mark}",
        f"{line.reached}/{line.seeds}",
        plain(line.steps, 0),
        plain(line.drift),
        "–" if line.low is None or not line.whole else f"{line.low:.3f} … {line.high:.3f}",
        times(line) if line.whole else "–",
        "–" if line.below is None or not line.whole else f"{line.below:.3f} … {line.above:.3f}",
        *(plain(x) for x in (line.kept, line.facts, line.neutral)),
        "" if line.cost is None else f"{line.cost:.2g}x",
        plain(line.per_token),
    ]


def times(line: Result) -> str:
    """How many times smaller the excess is than naive's: a bound where it cannot be told from 0, "–" if not known."""
    sure = line.less is not None and (line.low is None or line.low > 0)
    ratio = line.less if sure else line.bound
    return "–" if ratio is None else f"{'' if sure else '≥'}{ratio:.{0 if ratio >= 10 else 1}f}x"
