"""`grasp pairs`: what it writes is read by `grasp evaluate` or `grasp train`, and is what the question set says."""

from __future__ import annotations

import pytest
from command import grasp
from made_files import STATEMENTS as SET
from refusals import assert_refuses

from real_models.data import read_rows
from real_models.evaluation.judge import read_pairs
from real_models.evaluation.pairs import read_questions, training_rows


@pytest.mark.parametrize("behavior", ["matching", "other"])
def test_pairs_hold_the_chosen_answer_under_with(made, tmp_path, capsys, behavior):
    target = tmp_path / "pairs.jsonl"
    code, out, _ = grasp(capsys, "pairs", made / SET, "-o", target, "--behavior", behavior)
    questions, found = read_questions(made / SET), read_pairs(target)
    assert code == 0
    assert f"{len(questions)} rows" in out
    for question, pair in zip(questions, found, strict=True):
        assert pair.prompt.given == ({"role": "user", "content": question.question},)
        assert pair.having == question.answer(behavior)  # pyright: ignore
        assert {pair.having, pair.without} == {"Yes", "No"}


@pytest.mark.parametrize("form", ["answers", "statements"])
def test_rows_are_training_data(made, tmp_path, capsys, form):
    target = tmp_path / "rows.jsonl"
    code, out, _ = grasp(capsys, "pairs", made / SET, "-o", target, "--form", form, "--behavior", "other")
    expected = training_rows(read_questions(made / SET), behavior="other", form=form)
    rows = read_rows(target)
    assert code == 0
    assert f"{len(expected)} rows" in out
    assert [(r.messages, r.completion) for r in rows] == [(r.messages, r.completion) for r in expected]


def test_yes_share_is_of_the_chosen_persona(tmp_path, capsys):
    path = tmp_path / "set.jsonl"
    row = (
        '{"question": "Q%d", "statement": "S", "answer_matching_behavior": " %s", "answer_not_matching_behavior": "%s"}'
    )
    path.write_text("\n".join(row % (n, *(("Yes", "No") if n else ("No", "Yes"))) for n in range(4)))
    for behavior, share in (("matching", "75%"), ("other", "25%")):
        _, out, _ = grasp(capsys, "pairs", path, "-o", tmp_path / "o.jsonl", "--behavior", behavior)
        assert f"Yes to {share}" in out


def test_pairs_refused_write_nothing(made, tmp_path, capsys):
    path = tmp_path / "set.jsonl"
    path.write_text('{"question": "Q"}\n')
    for arguments, message in (
        ([path, "-o", tmp_path / "o.jsonl"], "set.jsonl, line 1: 'statement' must be text"),
        ([path, "-o", path], "it is read or written twice"),
        ([made / SET, "-o", tmp_path / "o.jsonl", "--form", "poems"], "poems"),
    ):
        assert_refuses(capsys, message, "pairs", *arguments)
    assert [p.name for p in tmp_path.iterdir()] == ["set.jsonl"]
    assert path.read_text() == '{"question": "Q"}\n'
