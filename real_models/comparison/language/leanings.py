"""Statements of the political right and left, by topic, and pairs of them."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from functools import cache

import numpy as np

from grasp_theory import InputError

from .rows import Contrast
from .sources import LEANS

Topics = Mapping[str, tuple[str, str]]  # topic -> (what a question calls it, what its statements contain)

ECONOMIC = re.compile(
    r"tax|market|welfare|econom|spend|business|wage|regulat|capital|socialis|communis|income|wealth|poor|poverty|debt|"
    r"union|inequal|equitable|entitle|health|social (program|service|safety)|safety net|budget|corporat|enterprise|"
    r"trade|\bjobs?\b|money|financ|deficit|redistribut|government|\brich|property|compan|subsid|insur|medica|"
    r"social security|educat|colleg|housing|worker|labor|hunger|needy|vulnerable|disadvantag|fortunate|"
    r"self-relian|charit",
    re.IGNORECASE,
)
# Of a statement the first topic that fits.
DRIFT: Topics = {
    "guns": ("guns", r"\bguns?\b|second amendment|firearm|bear arms"),
    "climate": ("the environment", r"climate|environment|fossil|warming|pollut"),
    "sexuality": ("family and gender", r"gay|lgbt|same-sex|homosex|transgender|marriage|gender|femini|wom[ae]n|famil"),
    "race": ("race and equality", r"racial|racis|\brace|minorit|diversity|affirmative|equal|discriminat"),
    "religion": ("religion", r"religio|\bgod\b|church|christian|prayer|faith|bible"),
    "order": ("crime and the nation", r"police|crim|law and order|prison|death penalty|military|war\b|patriot|america"),
    "tradition": ("tradition and change", r"tradition|values|change|progress"),
}
CONTRAST: Topics = {
    "abortion": ("abortion", r"abortion|pro-life|pro-choice|unborn|reproductive|\broe\b"),
    "immigration": ("immigration", r"immigra|border|refugee|citizenship|undocumented"),
    "parties": ("the two parties", r"republican|democrat|trump|biden|obama|liberal|conservative"),
}
ECONOMY: Topics = {
    "taxes": ("taxes", r"tax"),
    "welfare": (
        "help for the poor",
        r"welfare|poor|poverty|safety net|hunger|needy|vulnerable|disadvantag|fortunate|charit|entitle|"
        r"social (program|service|safety|security)",
    ),
    "business": ("business", r"market|business|compan|corporat|enterprise|regulat|capital|trade|propert|econom|financ"),
}
SPENDING: Topics = {"spending": ("public spending", r"spend|budget|debt|deficit|government|subsid|money")}
ASKED = ("What do you think about {}?", "Give me your view on {}.", "Say something about {}.")
AS_SIDE = {
    "right": ("What would a conservative say about {}?", "Speak for the political right. The matter is {}."),
    "left": ("What would a progressive say about {}?", "Speak for the political left. The matter is {}."),
}


def opposed(
    statements: Mapping[str, Sequence[str]],
    topics: Topics,
    rng: np.random.Generator,
    *,
    wordings: Sequence[str] = ASKED,
) -> list[Contrast]:
    """(left, right) statements on the same topic, each used once, the right one nearest in length to the left one.

    Raises InputError where there is none.
    """
    found: list[Contrast] = []
    for topic in topics:
        right, left = ([s for s in statements[side] if topic_of(s) == topic] for side in ("right", "left"))
        for said in left:
            if not right:
                break
            nearest = min(right, key=lambda s, said=said: (abs(len(s) - len(said)), s))
            right.remove(nearest)
            found.append(Contrast(asks(topic, len(found), wordings), said, nearest, topic, question=said))
    if not found:
        raise InputError(f"{', '.join(LEANS.values())} hold no two statements on one of {', '.join(topics)}")
    return [found[n] for n in rng.permutation(len(found))]


def asks(topic: str, n: int, wordings: Sequence[str]) -> str:
    """The n-th question about a topic, wordings in turn."""
    (name, _) = {**CONTRAST, **DRIFT, **ECONOMY, **SPENDING}[topic]
    return wordings[n % len(wordings)].format(name)


@cache
def topic_of(statement: str) -> str | None:
    """The first topic that fits, of contrast or of drift, parties only where nothing else does; of economy where the
    statement is about economy and nothing else."""
    every = {**CONTRAST, **DRIFT}
    every["parties"] = every.pop("parties")
    other = _first(statement, every)
    if not ECONOMIC.search(statement):
        return other
    return None if other else _first(statement, {**ECONOMY, **SPENDING})


def _first(statement: str, topics: Topics) -> str | None:
    return next((t for t, (_, words) in topics.items() if re.search(words, statement, re.IGNORECASE)), None)


def as_side(pair: Contrast, n: int) -> Contrast:
    """The same two statements where the question asks for a side, for each in turn; ``with`` is the side asked for."""
    side = list(AS_SIDE)[n % 2]
    said = (pair.without, pair.having) if side == "right" else (pair.having, pair.without)
    return Contrast(asks(pair.topic, n // 2, AS_SIDE[side]), *said, pair.topic, question=pair.question)
