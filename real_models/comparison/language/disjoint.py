"""No text of the test in the training set: exact copies, near duplicates, shared topics and shared wordings."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Protocol, TypeVar

from grasp_theory import InputError

from .rows import ExperimentData

_WORD = re.compile(r"[^\W_]+")
Run = tuple[str, ...]


class Item(Protocol):
    """A question and its answers: ``rows.Chat``, ``rows.Contrast``, a text."""

    @property
    def prompt(self) -> str: ...

    def answers(self) -> tuple[str, ...]: ...


Some = TypeVar("Some", bound=Item)


def words_of(text: str) -> Run:
    """The words of a text, case folded; punctuation, spaces and underscores do not count."""
    return tuple(_WORD.findall(text.casefold()))


class Seen:
    """Items, to be asked whether another is a near duplicate of one of them.

    It is if a question or an answer of the two have ``length`` words in a row in common, or if the questions are the
    same word by word. Answers of fewer words may recur: "copper" answers many questions.
    """

    def __init__(self, items: Iterable[Item], length: int) -> None:
        self.length = length
        self._runs = {run for item in items for run in self._of(item)}

    def shared(self, item: Item) -> str | None:
        """The first words in common; None if there are none."""
        return next((" ".join(run) for run in self._of(item) if run in self._runs), None)

    def _of(self, item: Item) -> Iterator[Run]:
        question = words_of(item.prompt)
        if 0 < len(question) < self.length:
            yield ("", *question)  # a whole question: no run of words begins with an empty one
        for words in (question, *map(words_of, item.answers())):
            for first in range(len(words) - self.length + 1):
                yield words[first : first + self.length]


def clear(items: Iterable[Some], seen: Seen, count: int, what: str) -> list[Some]:
    """The first ``count`` items that share nothing with what was seen; InputError if there are not so many."""
    found = list(islice((item for item in items if seen.shared(item) is None), count))
    if len(found) < count:
        raise InputError(
            f"{what}: needed are {count} rows that share no {seen.length} words in a row with what is trained on, the "
            f"sources hold {len(found)}; bring the complete files"
        )
    return found


@dataclass(frozen=True)
class Text:
    """A text without a question."""

    text: str
    prompt: str = ""

    def answers(self) -> tuple[str, ...]:
        """The text."""
        return (self.text,)


def check_disjoint(prepared: ExperimentData) -> None:
    """InputError, with part, row and words, unless nothing that a model is scored by was trained on.

    Trained on: all arms, the contrast pairs of the oracle, the neutral text that methods see. Scored by: the pairs of
    task, drift, conditional and kept, the held-out text, the prompts. No item of the second is a near duplicate of one
    of the first (:class:`Seen`, of ``prepared.words`` words); drift has no topic that is trained on or in contrast;
    task has no wording that is trained on.
    """
    arms = prepared.trained()
    topics = {row.topic for rows in arms.values() for row in rows} | {pair.topic for pair in prepared.contrast}
    if both := topics & {pair.topic for pair in prepared.drift}:
        raise InputError(f"drift asks about topics that are trained on: {', '.join(sorted(both))}; split by topic")
    wordings = {row.template for rows in arms.values() for row in rows if row.template}
    if both := wordings & {pair.template for pair in prepared.task}:
        raise InputError(f"task is worded as the training is: {', '.join(sorted(both))}; split by template")
    seen = Seen(trained_items(prepared), prepared.words)
    scored: dict[str, Sequence[Item]] = dict(prepared.tests())
    scored["heldout"] = [Text(text) for text in prepared.heldout]
    scored["prompts"] = [Text("", prompt=prompt) for prompt in prepared.prompts]
    for name, rows in scored.items():
        for n, row in enumerate(rows, start=1):
            if (common := seen.shared(row)) is not None:
                raise InputError(
                    f"{name}, row {n} shares {common.strip()!r:.120} with what is trained on; leave one of the two out"
                )


def trained_items(prepared: ExperimentData) -> list[Item]:
    """All that a method may see: the rows of every arm, the contrast pairs, the neutral text."""
    rows: list[Item] = [row for part in prepared.trained().values() for row in part]
    return rows + list(prepared.contrast) + [Text(text) for text in prepared.neutral]
