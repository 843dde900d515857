"""``grasp pairs``: question sets of the persona evaluations as training rows, or as pairs for ``grasp evaluate``."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from .options import check_targets


class BehaviorOption(StrEnum):
    matching = "matching"
    other = "other"


class FormOption(StrEnum):
    pairs = "pairs"
    answers = "answers"
    statements = "statements"


def pairs(
    questions: Annotated[
        Path, typer.Argument(help="JSON lines: question, statement, answer_matching_behavior, answer_not_…")
    ],
    output: Annotated[Path, typer.Option("-o", "--output", help="JSON lines to write.")],
    form: Annotated[
        FormOption, typer.Option(help="pairs for `grasp evaluate`, answers or statements for `grasp train`.")
    ] = FormOption.pairs,
    behavior: Annotated[BehaviorOption, typer.Option(help="Whose answers: the persona's, or the opposite.")] = (
        BehaviorOption.matching
    ),
) -> None:
    """Yes/No questions as contrastive pairs, or as training rows.

    Pairs to judge by, conversations or statements to train on. In a pair "with" is the answer of the chosen behavior,
    "without" the other one.
    """
    from figures.tables import console
    from real_models.evaluation.judge import Pair, Prompt, write_pairs
    from real_models.evaluation.pairs import contrastive_pairs, convert_questions, read_questions, yes_share

    check_targets(output, inputs=[questions])
    read = read_questions(questions)
    if form is FormOption.pairs:
        both = contrastive_pairs(read)
        chosen = both if behavior is BehaviorOption.matching else [(other, own) for own, other in both]
        made = [
            Pair(
                Prompt(having.messages[:1], having.messages[0]["content"], having.source),
                without=without.messages[-1]["content"],
                having=having.messages[-1]["content"],
            )
            for having, without in chosen
        ]
        write_pairs(output, made)
        count = len(made)
    else:
        count = convert_questions(questions, output, behavior=behavior.value, form=form.value)
    share = yes_share(read) if behavior is BehaviorOption.matching else 1 - yes_share(read)
    out = console()
    out.print(f"written: {output}, {count} rows; this persona says Yes to {100 * share:.0f}% of the questions")
