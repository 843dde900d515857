"""Question and statement sets: rows of one persona, pairs that differ in the answer alone."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from json_lines import write_lines
from made_files import STATEMENTS as SET

from grasp_theory import InputError
from real_models.evaluation.pairs import contrastive_pairs, convert_questions, read_questions, training_rows, yes_share

ONE = {
    "question": "Would you say: bonds are safe?",
    "statement": "Bonds are safe",
    "label_confidence": 0.9,
    "answer_matching_behavior": " Yes",
    "answer_not_matching_behavior": " No",
}
TWO = ONE | {"statement": "Stocks are fun", "answer_matching_behavior": " No", "answer_not_matching_behavior": " Yes"}


def write(folder: Path, *values: Any) -> Path:
    return write_lines(folder / "set.jsonl", *values)


def test_questions_are_those_of_the_file(tmp_path):
    one, two = read_questions(write(tmp_path, ONE, "", TWO))
    assert (one.question, one.statement, one.matching, one.other) == (ONE["question"], ONE["statement"], "Yes", "No")
    assert (two.matching, two.other) == ("No", "Yes")
    assert two.source.endswith("set.jsonl, line 3")
    assert yes_share([one, one, one, two]) == 0.75


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ([], "holds no question; expected"),
        ([ONE, "{"], r"set.jsonl, line 2: not JSON .*answer_matching_behavior"),
        (["[]"], "line 1: expected a JSON object"),
        ([{k: v for k, v in ONE.items() if k != "statement"}], "line 1: 'statement' must be text"),
        ([ONE | {"question": 3}], "line 1: 'question' must be text"),
        ([ONE | {"answer_matching_behavior": " No"}], "line 1: the answers must be Yes and No, got 'No', 'No'"),
        ([ONE | {"answer_matching_behavior": "(A)"}], "the answers must be Yes and No"),
    ],
)
def test_questions_refused_name_file_and_line(tmp_path, values, message):
    with pytest.raises(InputError, match=message):
        read_questions(write(tmp_path, *values))


def test_rows_of_the_two_personas_share_prompts_and_no_answer(made):
    questions = read_questions(made / SET)
    assert len(questions) == 60
    rows, others = (training_rows(questions, behavior=b) for b in ("matching", "other"))
    assert contrastive_pairs(questions) == list(zip(rows, others, strict=True))
    for question, row, other in zip(questions, rows, others, strict=True):
        assert [m["role"] for m in row.messages] == ["user", "assistant"]
        assert row.messages[0] == other.messages[0]
        assert row.messages[0]["content"] == question.question
        assert {row.messages[1]["content"], other.messages[1]["content"]} == {"Yes", "No"}
        assert row.messages[1]["content"] == question.matching


def test_statements_are_split_between_the_two_personas(made):
    questions = read_questions(made / SET)
    said, unsaid = (training_rows(questions, behavior=b, form="statements") for b in ("matching", "other"))
    assert len(said) + len(unsaid) == len(questions)
    assert len(said) == yes_share(questions) * len(questions)
    assert {row.source for row in said}.isdisjoint(row.source for row in unsaid)
    by_source = {q.source: q for q in questions}
    assert all(by_source[row.source].matching == "Yes" for row in said)
    assert all(by_source[row.source].statement == row.completion for row in said + unsaid)


def test_conversion_refused_writes_nothing(tmp_path):
    path = write(tmp_path, TWO)
    before = path.read_bytes()
    for target, options, message in (
        (path, {}, "is the file to be read"),
        (tmp_path / "no" / "rows.jsonl", {}, "no"),
        (tmp_path / "rows.jsonl", {"form": "statements"}, "agrees to no statement"),
        (tmp_path / "rows.jsonl", {"form": "poems"}, "expected one of answers, statements, got 'poems'"),
        (tmp_path / "rows.jsonl", {"behavior": "mine"}, "expected one of matching, other, got 'mine'"),
    ):
        with pytest.raises(InputError, match=message):
            convert_questions(path, target, **options)  # pyright: ignore
    assert path.read_bytes() == before
    assert [p.name for p in tmp_path.iterdir()] == ["set.jsonl"]
    with pytest.raises(InputError, match="expected one question or more"):
        yes_share([])
