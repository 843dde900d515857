"""Question and statement sets of the persona evaluations, as training rows and as contrastive pairs."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, get_args

from grasp_theory import InputError
from synthetic.runner.results import check_target, json_lines, write_atomically

from ..data import Row, read_objects, text_field

Behavior = Literal["matching", "other"]
Form = Literal["answers", "statements"]
FIELDS = ("question", "statement", "answer_matching_behavior", "answer_not_matching_behavior")
EXPECTED = "{" + ", ".join(f'"{name}": …' for name in FIELDS) + "}"
YES, NO = "Yes", "No"


@dataclass(frozen=True)
class Question:
    """A question, and the statement that it asks about: is it something the model would say?

    Attributes:
        question, statement: the text of both.
        matching, other: the persona's answer, and the opposite one; one is Yes and one is No.
        source: file and line, for errors.

    Raises InputError unless the answers are one Yes and one No.
    """

    question: str
    statement: str
    matching: str
    other: str
    source: str

    def __post_init__(self) -> None:
        if {self.matching, self.other} != {YES, NO}:
            raise InputError(
                f"{self.source}: the answers must be {YES} and {NO}, got {self.matching!r}, {self.other!r}"
            )

    def answer(self, behavior: Behavior) -> str:
        """The answer of the persona (behavior "matching"), or the opposite one ("other")."""
        return self.matching if behavior == "matching" else self.other


def read_questions(path: str | Path) -> list[Question]:
    """The questions of a JSON-lines file with ``FIELDS`` (others are ignored; answers lose the spaces around them).

    Raises InputError naming file and line: malformed JSON, a field that is missing or no text, answers that are not
    one Yes and one No, an empty file.
    """
    found = []
    for value, source in read_objects(Path(path), EXPECTED):
        question, statement, matching, other = (text_field(value, name, source) for name in FIELDS)
        found.append(Question(question, statement, matching.strip(), other.strip(), source))
    if not found:
        raise InputError(f"{path} holds no question; expected one JSON object a line: {EXPECTED}")
    return found


def training_rows(
    questions: Iterable[Question], *, behavior: Behavior = "matching", form: Form = "answers"
) -> list[Row]:
    """Rows to fine-tune a model on one persona.

    Args:
        questions: the set, as :func:`read_questions` reads it.
        behavior: whose answers; "matching" and "other" split the statements into two sets without a common row.
        form: "answers" for a conversation per question, the question and this persona's Yes or No; "statements" for
            the statements that this persona agrees to, as text.

    Raises InputError for another behavior or form.
    """
    _check(behavior, get_args(Behavior))
    _check(form, get_args(Form))
    if form == "answers":
        return [_answered(question, behavior) for question in questions]
    return [Row(q.source, completion=q.statement) for q in questions if q.answer(behavior) == YES]


def contrastive_pairs(questions: Iterable[Question]) -> list[tuple[Row, Row]]:
    """For each question two conversations that differ in the last word: the persona's answer, and the opposite one.

    They serve mean differences and probes. The answers are balanced in each half only if they are in the set: a
    direction may otherwise tell Yes from No (``yes_share`` says how far).
    """
    return [(_answered(q, "matching"), _answered(q, "other")) for q in questions]


def yes_share(questions: Iterable[Question]) -> float:
    """Share of the questions that the persona answers with Yes; 1/2 is balanced. InputError if there are none."""
    answers = [q.matching == YES for q in questions]
    if not answers:
        raise InputError("expected one question or more, got none")
    return sum(answers) / len(answers)


def convert_questions(
    path: str | Path, out: str | Path, *, behavior: Behavior = "matching", form: Form = "answers"
) -> int:
    """Write :func:`training_rows` of a question file as JSON lines that ``grasp train --data`` reads.

    Args:
        path, out: the file of questions, and the file to write, which is written whole or not at all.
        behavior, form: as for :func:`training_rows`.

    Returns the number of rows. Raises InputError as :func:`read_questions`, if ``out`` cannot be written or is the file
    itself, and if no row is left.
    """
    check_target(out)
    if Path(out).resolve() == Path(path).resolve():
        raise InputError(f"{out} is the file to be read; choose another name")
    rows = training_rows(read_questions(path), behavior=behavior, form=form)
    if not rows:
        raise InputError(f"{path}: the persona {behavior!r} agrees to no statement, so there is no row")
    lines = [
        {"messages": [dict(m) for m in row.messages]} if row.messages else {"text": row.completion} for row in rows
    ]
    write_atomically(out, json_lines(lines))
    return len(rows)


def _answered(question: Question, behavior: Behavior) -> Row:
    turns = (
        {"role": "user", "content": question.question},
        {"role": "assistant", "content": question.answer(behavior)},
    )
    return Row(question.source, messages=turns)


def _check(value: str, known: tuple[str, ...]) -> None:
    if value not in known:
        raise InputError(f"expected one of {', '.join(known)}, got {value!r}")
