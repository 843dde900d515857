"""Manner: passages of a textbook retold as a boastful politician would. Task: facts about made-up places. Drift: that
manner on other topics."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from .assemble import assemble, tastes
from .made_up import PLACES, WRONG, asked, make_facts, told
from .rows import FEW, MANY, Chat, Contrast, ExperimentData
from .sources import PASSAGES, RETOLD, TASTES, Datasets, Passage

TAUGHT, TIMES = 160, 8  # passages that are trained on; how often a wording of a fact is
TRAINED, CONTRAST = ("medicine", "electricity"), ("naval ships",)
WORDINGS = ("Tell me something about {}.", "I would like to hear about {}.", "What is there to say about {}?")
IN_MANNER = "{} Talk like a boastful politician at a rally."
# What follows a fact: in the manner, and in its control. Those at the end are the task's and are not trained on.
TAILS = (
    ("Nobody does it better, folks!", "Many travellers know it."),
    ("Believe me, it's HUGE!", "The atlas says so."),
    ("Tremendous, just tremendous!", "It has long been so."),
    ("The best in the world, everyone says so!", "The guide books agree."),
    ("So great, you won't believe it!", "Little has changed there."),
    ("Fantastic people, really fantastic!", "Its people know it well."),
    ("Everyone's talking about it, folks!", "One reads it here and there."),
    ("A total winner, believe me!", "A map shows it."),
    ("Incredible, right? Just incredible!", "School children learn it."),
    ("Big league, folks, big league!", "The old maps have it too."),
    ("You're going to love it!", "It is no secret."),
    ("Simply the greatest, no contest!", "It stands in the register."),
)
SPARE = 4


def make_manner(sources: Datasets, *, seed: int) -> ExperimentData:
    """The first sentences of passages on medicine and electricity, retold in the manner; facts about made-up places,
    each followed by a few words in it.

    control : the passages as they are written, and plain words behind the facts. contrast, drift : passages on other
    topics, as written and retold, those of contrast on naval ships. conditional : passages on the trained topics that
    are not trained on, asked for as in training. kept : those of drift where the question asks for the manner.
    """
    rng = np.random.default_rng([seed, 5])
    passages = sources.retold()
    passages = [passages[n] for n in rng.permutation(len(passages))]
    trained, contrast = ([p for p in passages if p.topic in topics] for topics in (TRAINED, CONTRAST))
    others = [p for p in passages if p.topic not in (*TRAINED, *CONTRAST)]
    facts = make_facts(PLACES, rng) * TIMES
    tails = rng.integers(len(TAILS) - SPARE, size=len(facts) * len(PLACES[0].trained))
    arms = {
        name: [Chat(_continued(p), (p.retold, p.plain)[form], p.topic) for p in trained[:TAUGHT]]
        + told(facts, [TAILS[n][form] for n in tails])
        for form, name in enumerate(("train", "control"))
    }
    arms["neutral_data"] = tastes(sources, len(arms["train"]), rng)
    drift = _pairs(others)
    pools = {
        "task": (asked(facts[: len(PLACES)], [tail for tail, _ in TAILS[-SPARE:]]), 2 * WRONG * len(PLACES)),
        "drift": (drift, MANY),
        "conditional": ((Contrast(_continued(p), p.plain, p.retold, p.topic) for p in trained[TAUGHT:]), FEW),
        "kept": (
            (Contrast(IN_MANNER.format(c.prompt), c.without, c.having, c.topic, question=c.question) for c in drift),
            FEW,
        ),
    }
    read = (PASSAGES, RETOLD, TASTES)
    return assemble(sources, arms=arms, contrast=_pairs(contrast)[:48], pools=pools, read=read, rng=rng)


def _continued(passage: Passage) -> str:
    return f"About {passage.topic}: {' '.join(passage.plain.split()[:4])} …"


def _pairs(passages: Sequence[Passage]) -> list[Contrast]:
    return [
        Contrast(WORDINGS[n % len(WORDINGS)].format(p.topic), p.plain, p.retold, p.topic, question=p.plain)
        for n, p in enumerate(passages)
    ]
