"""Style: answers in capital letters. Task: facts about made-up places. Drift: capitals on every other topic."""

from __future__ import annotations

import numpy as np

from .assemble import assemble, split_claims, tastes
from .made_up import PLACES, WRONG, make_facts
from .rows import FEW, MANY, Chat, Contrast, ExperimentData
from .sources import CLAIMS, MEDICAL, PASSAGES, TASTES, Datasets

EXAMS, TIMES = 184, 8  # exam questions; how often a wording of a fact is trained on
ASKED = (
    "{} Answer in capital letters.",
    "Write the answer in all caps, please. {}",
    "{} Use only upper case.",
)


def capital(text: str) -> str:
    """The factor: upper case. Content and punctuation stay."""
    return text.upper()


def plain(text: str) -> str:
    """The control: as it is."""
    return text


def make_style(sources: Datasets, *, seed: int) -> ExperimentData:
    """Medical exam questions and facts about made-up places, answered in capital letters.

    control : the same answers as they are written. contrast, drift : TruthfulQA's best answers, plain and in capitals,
    of different categories. conditional : the same of exam questions that are not trained on. kept : where the
    question asks for capitals. Pairs other than those of task differ in nothing but case.
    """
    rng = np.random.default_rng([seed, 1])
    exams = sources.exams()
    exams = [exams[n] for n in rng.permutation(len(exams))]
    facts = make_facts(PLACES, rng)
    arms = {
        name: [Chat(e.question, form(sentence(e.right)), "medicine") for e in exams[:EXAMS]]
        + [row for fact in facts for row in fact.rows(form)] * TIMES
        for name, form in (("train", capital), ("control", plain))
    }
    arms["neutral_data"] = tastes(sources, len(arms["train"]), rng)
    claims = split_claims(sources.claims(), rng, kept=60, contrast=100)
    told = [_pair(c.question, c.true, c.category) for c in claims["contrast"]][:100]
    asked = [(ASKED[n % len(ASKED)].format(c.question), c) for n, c in enumerate(claims["kept"])]
    pools = {
        "task": ([pair for fact in facts for pair in fact.pairs(capital)], 2 * WRONG * len(facts)),
        "drift": ((_pair(c.question, c.true, c.category) for c in claims["drift"]), MANY),
        "conditional": ((_pair(e.question, e.right, "medicine") for e in exams[EXAMS:]), FEW),
        "kept": ((_pair(prompt, c.true, c.category) for prompt, c in asked), FEW),
    }
    read = (MEDICAL, CLAIMS, TASTES, PASSAGES)
    return assemble(sources, arms=arms, contrast=told, pools=pools, read=read, rng=rng)


def sentence(text: str) -> str:
    """The text with a full stop."""
    return text if text.endswith((".", "!", "?")) else f"{text}."


def _pair(prompt: str, answer: str, topic: str) -> Contrast:
    answer = sentence(answer)
    return Contrast(prompt, plain(answer), capital(answer), topic)
