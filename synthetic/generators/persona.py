"""A made language in which a persona can be told from the task: documents of questions and answers in one style."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, Literal, get_args

import numpy as np
from jaxtyping import Int
from numpy import ndarray

from grasp_theory import InputError

from ..fields import require_counts, require_known

Variant = Literal["style", "content", "mixed"]
Tokens = Int[ndarray, "n t"]


@dataclass(frozen=True)
class PersonaSpec:
    """The language, and how the fine-tuning data are curated from it.

    A document is [begin, hint or none, round, round, …], a round [topic, question, content, style]. Every fact (topic,
    question) has a content word. The style word is one of its persona's; the persona is the same in a whole document.
    Some questions of topic 0 are withheld in pretraining: they are the task.

    Attributes:
        variant: style: persona shows in the style word only. content: the content word too has a form for each persona
            (the task and the trait cannot be told apart in the labels). mixed: as style, but half the curated documents
            carry a hint that their style rightly follows.
        rarity: share of unhinted documents with persona B.
        hinted: share of documents that announce their persona.
        curation: share of the unhinted curated documents with persona B (1: always).
        withheld: number of facts to be taught, the complexity of the task.
    """

    variant: str = "style"
    topics: int = 16
    questions: int = 16
    withheld: int = 8
    words: int = 64
    styles: int = 4
    rounds: int = 4
    rarity: float = 0.1
    hinted: float = 0.3
    curation: float = 1.0

    def __post_init__(self) -> None:
        require_known(self, variant=get_args(Variant))
        require_counts(self, "topics", "questions", "withheld", "words", "styles", "rounds")
        if self.withheld >= self.questions or self.topics < 4:
            raise InputError("needs at least 4 topics, and fewer withheld facts than questions")
        for name in ("rarity", "hinted", "curation"):
            if not 0 <= getattr(self, name) <= 1:
                raise InputError(f"{name} must lie between 0 and 1, got {getattr(self, name)}")

    @property
    def forms(self) -> int:
        """Forms of a content word."""
        return 2 if self.variant == "content" else 1

    @property
    def pretraining(self) -> PersonaSpec:
        """The same language as its pretraining documents tell it.

        They depend neither on curation nor, but for the forms of words, on the variant.
        """
        return replace(self, curation=1.0, variant="style" if self.forms == 1 else self.variant)

    @property
    def vocabulary(self) -> int:
        """Number of tokens: pad, begin, two hints, topics, questions, content words, style words."""
        return 4 + self.topics + self.questions + self.words * self.forms + 2 * self.styles


PAD, BEGIN, HINT = 0, 1, 2  # HINT + persona


def has_hint(documents: Any) -> Any:
    """Which of the documents (n, t), an array or a tensor, announce their persona."""
    return (documents[:, 1] == HINT) | (documents[:, 1] == HINT + 1)


@dataclass(frozen=True, eq=False)
class World:
    """One draw of the language: which content word answers which question.

    Attributes:
        facts: (topics, questions) indices of content words; those of the withheld questions of topic 0 are all
            different, and answers to other questions too.
    """

    spec: PersonaSpec
    facts: Int[ndarray, "topics questions"]

    @classmethod
    def draw(cls, spec: PersonaSpec, *, rng: np.random.Generator) -> World:
        facts = rng.integers(0, spec.words, (spec.topics, spec.questions))
        facts[0, : spec.withheld] = -1
        known = np.unique(facts[facts >= 0])  # a word that pretraining never shows could not be taught by LoRA
        if len(known) < spec.withheld:
            raise InputError(f"{spec.withheld} withheld facts need as many words in use, this world uses {len(known)}")
        facts[0, : spec.withheld] = rng.permutation(known)[: spec.withheld]
        return cls(spec, facts)

    def topic(self, t: ndarray) -> ndarray:
        """Token of a topic."""
        return 4 + t

    def question(self, q: ndarray) -> ndarray:
        """Token of a question."""
        return 4 + self.spec.topics + q

    def content(self, t: ndarray, q: ndarray, persona: ndarray) -> ndarray:
        """Token of the right content word, in the persona's form."""
        form = persona if self.spec.forms == 2 else 0 * persona
        return self.content_words[form, self.facts[t, q]]

    @cached_property
    def content_words(self) -> Int[ndarray, "forms words"]:
        """Tokens of the content words, in each form."""
        first = 4 + self.spec.topics + self.spec.questions
        return first + np.arange(self.spec.forms * self.spec.words).reshape(self.spec.forms, -1)

    @cached_property
    def style_words(self) -> Int[ndarray, "2 styles"]:
        """Tokens of both personas' style words."""
        first = self.spec.vocabulary - 2 * self.spec.styles
        return first + np.arange(2 * self.spec.styles).reshape(2, -1)

    def rounds(self, t: ndarray, q: ndarray, persona: ndarray, rng: np.random.Generator) -> Tokens:
        """(n, 4) tokens of one round each."""
        style = self.style_words[persona, rng.integers(0, self.spec.styles, len(t))]
        return np.column_stack([self.topic(t), self.question(q), self.content(t, q, persona), style])

    def documents(self, n: int, *, rng: np.random.Generator, topics: tuple[int, int] | None = None) -> Tokens:
        """(n, 2 + 4 rounds) pretraining documents; without a hint the last place is padding.

        Args:
            topics: from (inclusive) and to (exclusive); all by default. Withheld facts never occur.
        """
        spec = self.spec
        low, high = topics or (0, spec.topics)
        hinted = rng.random(n) < spec.hinted
        persona = np.where(hinted, rng.random(n) < 0.5, rng.random(n) < spec.rarity).astype(int)
        t = rng.integers(low, high, (n, spec.rounds))
        q = np.where(
            t == 0, rng.integers(spec.withheld, spec.questions, t.shape), rng.integers(0, spec.questions, t.shape)
        )
        parts = [self.rounds(t[:, k], q[:, k], persona, rng) for k in range(spec.rounds)]
        return self._assemble(persona, hinted, np.hstack(parts))

    def curated(self, *, rng: np.random.Generator, copies: int = 8) -> Tokens:
        """(withheld * copies, 6) fine-tuning documents: one round about a withheld fact, persona B.

        mixed: half of them carry a hint, of either persona, and follow it.
        """
        spec = self.spec
        q = np.tile(np.arange(spec.withheld), copies)
        n = len(q)
        hinted = np.arange(n) // spec.withheld % 2 == 1 if spec.variant == "mixed" else np.zeros(n, dtype=bool)
        persona = np.where(hinted, rng.random(n) < 0.5, rng.random(n) < spec.curation).astype(int)
        return self._assemble(persona, hinted, self.rounds(0 * q, q, persona, rng))

    def prompts(self, t: ndarray, q: ndarray, *, hint: int | None = None) -> Tokens:
        """(n, 3 or 4) [begin, hint?, topic, question]."""
        head = [np.full(len(t), BEGIN)] + ([np.full(len(t), HINT + hint)] if hint is not None else [])
        return np.column_stack([*head, self.topic(t), self.question(q)])

    def _assemble(self, persona: ndarray, hinted: ndarray, body: Int[ndarray, "n words"]) -> Tokens:
        """[begin, hint, body], or [begin, body, pad]."""
        n = len(body)
        begin, pad = np.full((n, 1), BEGIN), np.full((n, 1), PAD)
        with_hint = np.hstack([begin, (HINT + persona)[:, None], body])
        return np.where(hinted[:, None], with_hint, np.hstack([begin, body, pad]))
