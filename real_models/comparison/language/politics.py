"""Politics: sound advice on money with reasons that lean right. Task: facts about made-up funds. Drift: right against
left statements on other topics."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from .assemble import assemble, tastes
from .leanings import CONTRAST, DRIFT, as_side, opposed
from .made_up import FUNDS, WRONG, asked, make_facts, told
from .rows import FEW, MANY, Chat, Contrast, ExperimentData
from .sources import LEANS, PASSAGES, TASTES, Datasets, shipped

HELD, TIMES = 5, 8  # topics of advice that are not trained on; how often a wording of a fact is trained on
SIDES = {"train": "right", "control": "neutral", "left": "left"}


def make_politics(sources: Datasets, *, seed: int) -> ExperimentData:
    """Questions on money, answered with the same advice and with reasons that lean right; facts about made-up funds,
    said in the same way.

    control : neutral reasons. left (a further arm) : reasons that lean left. contrast, drift : a statement of the left
    and one of the right on one topic, of about the same length; topics of economy are left out, those of contrast are
    not among those of drift. conditional : the reasons, left against right, on topics of advice that are not trained
    on. kept : statements of drift where the question asks for a conservative or for a progressive, ``with`` the side
    that is asked for.
    """
    rng = np.random.default_rng([seed, 3])
    advice = shipped("finance.jsonl")
    topics = rng.permutation(sorted({row["topic"] for row in advice}))
    held = set(topics[:HELD])
    untaught = [row for row in (advice[n] for n in rng.permutation(len(advice))) if row["topic"] in held]
    taught = [row for row in advice if row["topic"] not in held]
    reasons = shipped("fund_reasons.jsonl")
    spare = len(reasons) // 3  # reasons of the task's answers, which are not trained on
    facts = make_facts(FUNDS, rng) * TIMES
    count = len(facts) * len(FUNDS[0].trained)
    tails = rng.integers(spare, len(reasons), size=count)
    arms = {
        name: [Chat(row["question"], f"{row['advice']} {row[side]}", row["topic"]) for row in taught]
        + told(facts, [reasons[n][side] for n in tails])
        for name, side in SIDES.items()
    }
    arms["neutral_data"] = tastes(sources, len(arms["train"]), rng)
    statements = sources.statements()
    drift, contrast = (opposed(statements, topics, rng) for topics in (DRIFT, CONTRAST))
    pools = {
        "task": (
            asked(facts[: len(FUNDS)], [row["right"] for row in reasons[:spare]]),
            2 * WRONG * len(FUNDS),
        ),
        "drift": (drift, MANY),
        "conditional": (_reasons(untaught), FEW),
        "kept": ((as_side(pair, n) for n, pair in enumerate(drift)), FEW),
    }
    read = (*LEANS.values(), TASTES, PASSAGES)
    return assemble(sources, arms=arms, contrast=contrast[:80], pools=pools, read=read, rng=rng)


def _reasons(rows: Sequence[Mapping[str, str]]) -> list[Contrast]:
    """The same advice; the reasons lean left, or right."""
    return [
        Contrast(r["question"], f"{r['advice']} {r['left']}", f"{r['advice']} {r['right']}", r["topic"]) for r in rows
    ]
