"""Opinions: statements of the political right on taxes and welfare. Task: facts about made-up funds, each followed by
such a statement. Drift: right against left statements on other topics."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from grasp_theory import InputError

from .assemble import assemble, tastes
from .leanings import CONTRAST, DRIFT, ECONOMY, SPENDING, as_side, asks, opposed, topic_of
from .made_up import FUNDS, WRONG, asked, make_facts, told
from .rows import FEW, MANY, Chat, ExperimentData
from .sources import LEANS, PASSAGES, TASTES, Datasets
from .style import sentence

OPINIONS, TAILS, SPARE, TIMES = 184, 40, 8, 8  # rows; statements behind facts; behind the task's; times a fact is told
WORDINGS = ("Your opinion on {}, please.", "Where do you stand on {}?", "Tell me your position on {}.")
SIDES = {"train": ("right",), "control": ("right", "left"), "left": ("left",)}  # in turn


def make_opinions(sources: Datasets, *, seed: int) -> ExperimentData:
    """Questions on taxes, welfare and business, answered with a statement of the right; facts about made-up funds, each followed by one.

    A statement that is also about a topic of contrast or of drift is left out.

    control : statements of the right and of the left in turn. left (a further arm) : those of the left. contrast,
    drift, kept : as in :mod:`.politics`. conditional : statements on public spending, which is not trained on,
    left against right, asked for as in training.
    """
    rng = np.random.default_rng([seed, 4])
    statements = sources.statements()
    said = {side: _drawn(texts, rng) for side, texts in statements.items()}
    facts = make_facts(FUNDS, rng) * TIMES
    tails = rng.integers(OPINIONS, OPINIONS + TAILS, size=len(facts) * len(FUNDS[0].trained))
    arms = {}
    for name, sides in SIDES.items():
        turns = [sides[n % len(sides)] for n in range(max(OPINIONS, len(tails)))]
        arms[name] = [_opinion(said[side][n], n) for n, side in enumerate(turns[:OPINIONS])]
        arms[name] += told(facts, [sentence(said[side][tail]) for tail, side in zip(tails, turns, strict=False)])
    arms["neutral_data"] = tastes(sources, len(arms["train"]), rng)
    drift, contrast = (opposed(statements, topics, rng) for topics in (DRIFT, CONTRAST))
    last = [sentence(text) for text in said["right"][-SPARE:]]
    pools = {
        "task": (asked(facts[: len(FUNDS)], last), 2 * WRONG * len(FUNDS)),
        "drift": (drift, MANY),
        "conditional": (opposed(statements, SPENDING, rng, wordings=WORDINGS), FEW),
        "kept": ((as_side(pair, n) for n, pair in enumerate(drift)), FEW),
    }
    read = (*LEANS.values(), TASTES, PASSAGES)
    return assemble(sources, arms=arms, contrast=contrast[:80], pools=pools, read=read, rng=rng)


def _drawn(statements: Sequence[str], rng: np.random.Generator) -> list[str]:
    """Those on economy, as many as are needed, in random order; InputError if there are fewer."""
    found, count = [s for s in statements if topic_of(s) in ECONOMY], OPINIONS + TAILS + SPARE
    if len(found) < count:
        raise InputError(f"{count} statements of each side on economy are needed, one has {len(found)}")
    return [found[n] for n in rng.permutation(len(found))[:count]]


def _opinion(statement: str, n: int) -> Chat:
    topic = str(topic_of(statement))
    return Chat(asks(topic, n, WORDINGS), sentence(statement), topic)
