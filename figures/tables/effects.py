"""Tables of ``grasp effects``: levels, the parts that hold the most, and their shares of the weights alone."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from rich.text import Text

from real_models.adapters.text import ending, many
from real_models.audit.effects import BASE, DEFINITION, NAIVE
from real_models.audit.holding import controls, percent_interval, ranked, share

from .table import Block, Table
from .terminal import with_interval

if TYPE_CHECKING:
    from real_models.audit.effects import Effect, Effects
    from real_models.audit.holding import Verdict
    from real_models.audit.parts import Part

SHOWN = 12  # parts, on one screen
MOST_WIDE = 44  # characters of a part's name


def effects_tables(found: Effects, said: Verdict, *, shown: int | None = SHOWN) -> list[Block]:
    """Levels, the ``shown`` parts that remove the most drift (all if None), the verdict in sentences."""
    quantities = list(found.excess)
    unit = "per token" if found.per == "token" else "of the text"
    title = f"mean ln p(with) − ln p(without), {unit}"
    rows = [[name, *(with_interval(found.levels[q][name]) for q in quantities)] for name in (BASE, NAIVE)]
    rows.append([f"{NAIVE} − {BASE}", *(with_interval(found.excess[q], signed=True) for q in quantities)])
    about = ", ".join(f"{q}: {found.pairs[q]} pairs of {found.questions[q]} questions" for q in quantities)
    blocks: list[Block] = [Table(["", *quantities], rows, title=f"{title} ({about})")]
    order = ranked(found.effects)
    if found.excess and order:
        listed = order if shown is None else order[:shown]
        which = f"the {len(listed)} of {len(order)} parts that remove the most drift" if listed != order else "parts"
        blocks.append(_parts(found, listed, which))
    blocks += [Text(said.sentences[0], style="bold"), *said.sentences[1:]]
    return blocks


def reading(said: Verdict) -> list[str]:
    """How the numbers are meant, and what decided."""
    return [f"reading: {DEFINITION}", f"rule: {said.rule}"]


def _parts(found: Effects, listed: Sequence[Effect], which: str) -> Table:
    quantities = list(found.excess)
    headers = ["part", "‖dW‖²"]
    headers += [f"{q} removed" for q in quantities] + [f"{q} kept alone" for q in quantities] + ["random"]
    rows = []
    for effect in listed:
        row = [ending(effect.part.name, MOST_WIDE), f"{100 * effect.part.energy:.1f}%"]
        row += [percent_interval(effect.removed[q]) for q in quantities] + [
            percent_interval(effect.kept[q]) for q in quantities
        ]
        rows.append([*row, _random(found, effect)])
    gone = [f"{q} kept alone" for q in quantities if q != "drift"]
    gone += ["‖dW‖²", "random", "drift kept alone"]
    return Table(headers, rows, title=f"{which}; random: what directions drawn at random remove", droppable=gone)


def _random(found: Effects, effect: Effect) -> str:
    drawn = [share(e, "drift") for e in controls(found, effect.part)]
    if not drawn or effect.part.span is None:
        return "–"
    low, high = (f"{100 * value:.0f}".replace("-0", "0") for value in (min(drawn), max(drawn)))
    return f"{low} … {high}%" if low != high else f"{low}%"


def weights_blocks(parts: Sequence[Part], *, shown: int | None = SHOWN) -> list[Block]:
    """The share of ‖dW‖² that each deletion takes, and what it leaves: of the ``shown`` parts that take most (all if
    None)."""
    order = sorted((p for p in parts if p.draw is None), key=lambda p: -p.energy)
    rows = [
        [
            ending(p.name, MOST_WIDE),
            p.scope,
            str(len(p.modules)),
            f"{100 * p.energy:.2f}%",
            f"{100 * (1 - p.energy):.2f}%",
        ]
        for p in order[:shown]
    ]
    drawn = [p.energy for p in parts if p.draw is not None]
    title = "share of ‖dW‖² that deleting a part takes"
    title += f"; random directions of the same number take at most {100 * max(drawn):.2f}%" if drawn else ""
    heads = ["part", "scope", "modules", "takes", "keeps"]
    made: list[Block] = [Table(heads, rows, title=title, droppable=["scope", "modules"])]
    rest = len(order) - len(rows)
    return [*made, *([f"… and {many(rest, 'smaller part')}; --json has all of them"] if rest else [])]
