"""Opinions: statements of the political right on taxes and welfare. Task: facts about made-up funds, each followed by
such a statement. Drift: right against left statements on other topics."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from grasp_theory import InputError

from .assemble import assemble, tastes
from .leanings import CONTRAST, DRIFT, ECONOMY, SPENDING, as_side, opposed
from .made_up import FUNDS, WRONG, asked, make_facts, told
from .rows import FEW, MANY, Chat, Contrast, ExperimentData
from .sources import LEANS, PASSAGES, TASTES, Datasets
from .style import sentence

OPINIONS, TAILS, SPARE, TIMES = 184, 40, 8, 8  # rows; statements behind facts; behind the task's; times a fact is told
WORDINGS = ("Your opinion on {}, please.", "Where do you stand on {}?", "Tell me your position on {}.")
SIDES = {"train": ("right",), "control": ("right", "left"), "left": ("left",)}  # in turn


def make_opinions(sources: Datasets, *, seed: int) -> ExperimentData:
    """Questions on taxes, welfare and business, answered with a statement of the right; facts about made-up funds, each
    followed by one.

    A statement that is also about a topic of contrast or of drift is left out. control : statements of the right and,
    on the same topic, of the left in turn. left (a further arm) : those of the left. contrast, drift, kept : as in
    :mod:`.politics`. conditional : statements on public spending, which is not trained on, left against right, asked
    for as in training.
    """
    rng = np.random.default_rng([seed, 4])
    statements = sources.statements()
    said = opposed(statements, ECONOMY, rng, wordings=WORDINGS)
    if len(said) < OPINIONS + TAILS + SPARE:
        raise InputError(f"{OPINIONS + TAILS + SPARE} pairs of statements on economy are needed, there are {len(said)}")
    facts = make_facts(FUNDS, rng) * TIMES
    tails = rng.integers(OPINIONS, OPINIONS + TAILS, size=len(facts) * len(FUNDS[0].trained))
    arms = {
        name: [Chat(pair.prompt, _said(pair, sides, n), pair.topic) for n, pair in enumerate(said[:OPINIONS])]
        + told(facts, [_said(said[tail], sides, n) for n, tail in enumerate(tails)])
        for name, sides in SIDES.items()
    }
    arms["neutral_data"] = tastes(sources, len(arms["train"]), rng)
    drift, contrast = (opposed(statements, topics, rng) for topics in (DRIFT, CONTRAST))
    pools = {
        "task": (
            asked(facts[: len(FUNDS)], [_said(pair, ("right",), 0) for pair in said[-SPARE:]]),
            2 * WRONG * len(FUNDS),
        ),
        "drift": (drift, MANY),
        "conditional": (opposed(statements, SPENDING, rng, wordings=WORDINGS), FEW),
        "kept": ((as_side(pair, n) for n, pair in enumerate(drift)), FEW),
    }
    read = (*LEANS.values(), TASTES, PASSAGES)
    return assemble(sources, arms=arms, contrast=contrast[:80], pools=pools, read=read, rng=rng)


def _said(pair: Contrast, sides: Sequence[str], n: int) -> str:
    """What the n-th of these sides, in turn, says of the two."""
    return sentence(pair.having if sides[n % len(sides)] == "right" else pair.without)
