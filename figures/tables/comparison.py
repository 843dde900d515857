"""The comparison's tables: every method at matched task score, ranked within what information it uses."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from rich.text import Text

from real_models.adapters.text import many
from real_models.comparison.compared import CLASSES
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
    "conditional",
    "kept",
    "facts",
    "neutral",
]


def least(found: Sequence[Result], variant: str, information: str) -> Result | None:
    """The preset method with least drift of those of a class that reach the task in every seed."""
    among = (x for x in found if x.variant == variant and x.preset and x.whole and x.group == information)
    return min(among, key=lambda x: x.drift, default=None)


def short_table(found: Sequence[Result]) -> Table:
    """Of each variant the naive run and, within what information is used, the method with least drift."""
    rows = []
    for variant in dict.fromkeys(x.variant for x in found):
        naive = [x for x in found if x.variant == variant and x.method == "naive"]
        best = [least(found, variant, information) for information in CLASSES]
        for x in (*naive, *(x for x in best if x is not None and x.method != "naive")):
            kind = "naive fine-tuning" if x.method == "naive" else f"least drift with {x.information}"
            shown = f"{x.drift:.3f}" if x.whole else f"({x.drift:.3f})"
            rows.append(
                [variant, kind, x.method, shown, "" if x.method == "naive" else times(x), f"{x.reached}/{x.seeds}"]
            )
    title = "drift where each first reaches the task score; presets that reach it in all seeds, chosen on these seeds"
    headers = ["variant", "what", "method", "drift", "times less than naive", "seeds"]
    return Table(headers, rows, title=title, left=3)


def comparison_tables(found: Sequence[Result]) -> Iterator[Block]:
    """One table for each variant and class, least drift first; controls last.

    Oracle knobs (best drift among those reached) are marked. Columns of what is not measured are left out.
    """
    for variant in dict.fromkeys(result.variant for result in found):
        of = [result for result in found if result.variant == variant]
        why, seeds = void(found, variant), many(max(x.seeds for x in of), "seed")
        head = f"VOID, {why}" if why else ", ".join(filter(None, [seeds, weak(of, variant)]))
        yield Text(f"{variant}: {head}", style="bold")
        for group in GROUPS:
            among = ranked(result for result in of if result.group == group)
            if among:
                title = group if group == "controls" else f"uses {group}"
                yield _without_empty([*HEADERS, "cost", "per token"], [_row(x, among) for x in among], title)
    scores = " or ".join(dict.fromkeys(f"{result.task:.3g}" for result in found))
    yield (
        f"At the first crossing of a task score of {scores}, by interpolation. excess: drift above the base model's; "
        "less: how many times smaller than naive's (≥: where the interval holds 0, its upper end). In brackets: not in "
        "all seeds. ∘: knob not chosen beforehand, ∗: the best of those (an oracle)."
    )
    if any(result.cost is not None for result in found):
        yield (
            "cost: arithmetic until there, in units of the naive run's; preparation and a naive run that comes first "
            "included."
        )


def _without_empty(headers: Sequence[str], rows: Sequence[Sequence[str]], title: str) -> Table:
    there = [n for n, column in enumerate(zip(*rows, strict=True)) if any(column)]
    return Table([headers[n] for n in there], [[row[n] for n in there] for row in rows], title=title)


def _row(result: Result, among: Sequence[Result]) -> list[str]:
    best = min((x for x in among if x.method == result.method and x.whole), key=lambda x: x.drift, default=None)
    mark = "" if result.preset else (" ∗" if result is best else " ∘")

    def plain(x: float | None, digits: int = 3) -> str:
        return "" if x is None else (f"{x:.{digits}f}" if result.whole else f"({x:.{digits}f})")

    return [
        result.method,
        f"{result.knob:g}{mark}",
        f"{result.reached}/{result.seeds}",
        plain(result.steps, 0),
        plain(result.drift),
        "–" if result.low is None or not result.whole else f"{result.low:.3f} … {result.high:.3f}",
        times(result) if result.whole else "–",
        "–" if result.below is None or not result.whole else f"{result.below:.3f} … {result.above:.3f}",
        *(plain(x) for x in (result.conditional, result.kept, result.facts, result.neutral)),
        "" if result.cost is None else f"{result.cost:.2g}x",
        plain(result.per_token),
    ]


def times(result: Result) -> str:
    """How many times smaller the excess is than naive's: a bound where it cannot be told from 0, "–" if not known."""
    sure = result.less is not None and (result.low is None or result.low > 0)
    ratio = result.less if sure else result.bound
    return "–" if ratio is None else f"{'' if sure else '≥'}{ratio:.{0 if ratio >= 10 else 1}f}x"
