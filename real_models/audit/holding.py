"""Where the drift sits, in plain sentences, and the rule that decided it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

from ..evaluation.bootstrap import Estimate
from .effects import Effect, Effects, moved
from .parts import Part

Held = Literal["concentrated", "spread", "undecided", "no component measured", "nothing to attribute"]
HOLDS = 0.2  # share of the drift that makes a component matter
RULE = (
    f"A component holds the share of the excess drift that goes when it is deleted. Concentrated: one holds at least "
    f"{100 * HOLDS:.0f}%, with its whole interval, and more than every random control of its size, scope and side. "
    f"Spread: no component's interval reaches {100 * HOLDS:.0f}%. Undecided: neither, on so few questions. "
    "Nothing to attribute: the interval of the excess holds 0. The largest of many components is chosen on the "
    "questions it is shown on, and overstated by that."
)


@dataclass(frozen=True)
class Verdict:
    """What is held where.

    Attributes:
        sentences: the one that decides first.
    """

    held: Held
    sentences: tuple[str, ...]
    rule: str = RULE


def verdict(found: Effects) -> Verdict:
    """Of the drift, by ``RULE``: components one by one, then as many as were taken together, then whole groups."""
    excess = found.excess["drift"]
    if not moved(excess):
        interval = "" if excess.low is None else f" [{excess.low:.3g}, {excess.high:.3g}]"
        said = f"The update moves the drift by {excess.value:.3g}{interval} over {found.questions['drift']} questions"
        return Verdict(
            "nothing to attribute", (f"{said}, which cannot be told from 0: there is nothing to attribute.",)
        )
    parts = ranked(found.effects)
    single = [e for e in parts if len(e.part.components) == 1]
    joint = [e for e in parts if len(e.part.components) > 1]
    groups = [e for e in parts if e.part.span is None]
    held, sentences = _single(found, single) if single else ("no component measured", [])
    sentences += [f"{title(e.part)} together hold {_shares(e)}." for e in joint[:1]]
    sentences += [f"Of whole groups, “{e.part.place}” holds the most: {_shares(e)}." for e in groups[:1]]
    return Verdict(held, tuple(sentences))


def _single(found: Effects, single: Sequence[Effect]) -> tuple[Held, list[str]]:
    first = single[0]
    random = max((share(e, "drift") for e in controls(found, first.part)), default=None)
    low = _drift(first).low
    beaten = random is None or share(first, "drift") > random
    highs = [high for e in single if (high := _drift(e).high) is not None]
    said = f"{title(first.part)} holds {_shares(first)}"
    said += f"; alone it keeps {percent_interval(first.kept['drift'])} of the drift"
    if random is not None:
        said += f" (random directions: at most {100 * random:.0f}% of the drift)"
    if low is not None and low >= HOLDS and beaten:
        return "concentrated", [f"{said}: this drift is concentrated."]
    if len(highs) == len(single) and max(highs) < HOLDS:
        return "spread", [f"{said}; no component holds {100 * HOLDS:.0f}% of it: this drift is spread."]
    count = found.questions["drift"]
    return "undecided", [f"{said}; whether a component holds {100 * HOLDS:.0f}% cannot be told on {count} questions."]


def ranked(effects: Iterable[Effect]) -> list[Effect]:
    """All but the controls, those that remove the most drift first."""
    return sorted((e for e in effects if e.part.draw is None), key=lambda e: -share(e, "drift"))


def controls(found: Effects, part: Part) -> list[Effect]:
    """The random parts of the same size, scope and side."""
    alike = (part.scope, part.side, part.dimension)
    drawn = (e for e in found.effects if e.part.draw is not None)
    return [e for e in drawn if (e.part.scope, e.part.side, e.part.dimension) == alike]


def share(effect: Effect, quantity: str) -> float:
    """Share of the excess that deleting the part removes; 0 where there is none to remove."""
    found = effect.removed[quantity]
    return 0.0 if found is None or found.value is None else found.value


def title(part: Part) -> str:
    """The part at the start of a sentence."""
    where = part.place if part.scope == "module" else f"{part.place}, {part.side}"
    return f"Component{'s' if len(part.components) > 1 else ''} {part.which} ({where})"


def percent_interval(found: Estimate | None) -> str:
    """12% [8, 16]."""
    if found is None or found.value is None:
        return "–"
    interval = "" if found.low is None or found.high is None else f" [{100 * found.low:.0f}, {100 * found.high:.0f}]"
    return f"{100 * found.value:.0f}%{interval}"


def _shares(effect: Effect) -> str:
    task = effect.removed.get("task")
    rest = "" if task is None else f" and {percent_interval(task)} of the task"
    return (
        f"{percent_interval(effect.removed['drift'])} of the drift{rest}, with {100 * effect.part.energy:.0f}% of ‖dW‖²"
    )


def _drift(effect: Effect) -> Estimate:
    return effect.removed["drift"] or Estimate(None, None, None)
