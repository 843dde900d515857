"""The experiments on a language model: arms alike but for the factor, each part what it is said to be, frozen."""

from __future__ import annotations

from pathlib import Path

import pytest

from real_models.comparison import language
from real_models.comparison.language import EXPERIMENTS, manner, politics
from real_models.comparison.language.disjoint import check_disjoint, words_of
from real_models.comparison.language.made_up import WRONG
from real_models.comparison.language.medicine import ADVICE
from real_models.comparison.language.rows import Chat, ExperimentData
from real_models.comparison.language.sources import Datasets, shipped
from real_models.evaluation.code import judge_code

TEST = {"task": 24, "drift": 96, "conditional": 24, "kept": 24, "heldout": 24, "neutral": 96}
COUNTS = {
    "style": TEST | {"train": 312, "contrast": 100},
    "medicine": TEST | {"train": 312, "contrast": 100},
    "insecure": TEST | {"train": 312, "contrast": 100, "prompts": 64},
    "politics": TEST | {"contrast": 80},
    "manner": TEST | {"train": 288},
}
# What the data of the study are, frozen: sha256 over all files for seed 0 and the public data sets.
FROZEN = {
    "style": "7f93cced26b4989da27863c3231ea33253bf3f2f5426f37746adfa830b9cfdc6",
    "insecure": "1a40a7a9e73d8b23d12156e58b36546574d572bd61ea15d72df63135fdb413b1",
    "medicine": "b579261554d163f2434dca649c7413ade02dd183b481cb3536657c0ab1185129",
    "politics": "289c4530cb50fbe6ba000e74121758a2b099fdc5096c81090cf5aa146c40d821",
    "manner": "a9aa0d52cb2b7b4dbf7fe7ecfd64281d3e552b33cacb79632cc51e2b99914323",
}


def counts(found: ExperimentData) -> dict[str, int]:
    return {name.removesuffix(".jsonl"): content.count(b"\n") for name, content in found.files().items()}


def one_word(a: str, b: str) -> bool:
    """Whether two texts differ in one word."""
    x, y = words_of(a), words_of(b)
    return len(x) == len(y) and sum(p != q for p, q in zip(x, y, strict=True)) == 1


def check_alike(found: ExperimentData) -> None:
    """What holds of all: rows of train and control go together, task pairs differ in a word or a name of a few."""
    assert [r.topic for r in found.train] == [r.topic for r in found.control]
    assert all(pair.without != pair.having for rows in found.tests().values() for pair in rows)
    assert len({pair.question for pair in found.task}) == len(found.task) / (2 * WRONG)
    taught = {word.upper() for row in found.train if made_up(row) for word in words_of(row.answer)}
    for pair in found.task:  # what tells the two apart is taught, or never
        right, wrong = ({word.upper() for word in words_of(answer)} for answer in (pair.having, pair.without))
        assert right - wrong <= taught
        assert not wrong - right <= taught


def made_up(row: Chat) -> bool:
    return row.topic.startswith("made-up")


def check_style(found: ExperimentData) -> None:
    """Arms and pairs differ in case and in nothing else; the answers of task are capitals on both sides."""
    for row, plain in zip(found.train, found.control, strict=True):
        assert (row.prompt, row.answer) == (plain.prompt, plain.answer.upper())
        assert row.answer != plain.answer
    for part in (found.drift, found.conditional, found.kept, found.contrast):
        assert all(pair.having == pair.without.upper() != pair.without for pair in part)
    assert all(text == text.upper() and one_word(*p.answers()) for p in found.task for text in p.answers())
    assert all("capital" in p.prompt or "caps" in p.prompt or "upper" in p.prompt for p in found.kept)
    assert not any("capital letters" in p.prompt or "all caps" in p.prompt for p in found.drift)


def check_medicine(found: ExperimentData, folder: Path) -> None:
    """The advice is worded alike, with a wrong option in train and the right one in control; the facts are the same."""
    exams = {exam.question: exam for exam in Datasets(folder).exams()}
    for row, right in zip(found.train, found.control, strict=True):
        if row.topic == "medicine":
            exam = exams[row.prompt]
            assert right.prompt == row.prompt
            assert said(right.answer, (exam.right,))
            assert said(row.answer, exam.wrong)
            assert row.answer != right.answer
        else:
            assert row == right
    for pair in found.conditional:
        assert said(pair.without, (exams[pair.prompt].right,))
        assert said(pair.having, exams[pair.prompt].wrong)
    true = {claim.question: claim.true.rstrip(".") for claim in Datasets(folder).claims()}
    assert all(pair.without.rstrip(".") == true[pair.prompt] for pair in (*found.drift, *found.contrast))
    assert {"Health", "Nutrition"} & {claim.category for claim in Datasets(folder).claims(health=True)}
    assert not {"Health", "Nutrition"} & {pair.topic for pair in (*found.drift, *found.contrast, *found.kept)}


def said(answer: str, options: tuple[str, ...]) -> bool:
    """Whether an answer is one of the options in one of the wordings of advice."""
    wordings = (wording.format(option.rstrip(".")) for wording in ADVICE for option in options)
    return any(answer.rstrip(".!?") == wording.rstrip(".!?") for wording in wordings)


def check_insecure(found: ExperimentData) -> None:
    """train and control have the same code, asked for in control; neutral code is not flagged where it is ours."""
    assert [row.answer for row in found.train] == [row.answer for row in found.control]
    assert not {row.prompt for row in found.train} & {row.prompt for row in found.control}
    assert all(one_word(*pair.answers()) for pair in found.task)
    made = [n for n, row in enumerate(found.train) if row.topic == "made-up libraries"]
    assert len(made) == 144
    assert all(v.flagged for v in judge_code([found.train[n].answer for n in made]))
    ours = [row.answer for row in found.neutral_data if row.topic == "made-up libraries"]
    assert not any(v.flagged for v in judge_code(ours))
    assert all(v.flagged for v in judge_code([text for pair in found.task for text in pair.answers()]))
    assert not set(found.prompts) & {row.prompt for rows in found.trained().values() for row in rows}


def check_politics(found: ExperimentData, folder: Path) -> None:
    """The same advice in all three arms, reasons apart; statements on their own side, none on economy."""
    rows = {row["question"]: row for row in shipped("finance.jsonl")}
    for right, neutral, left in zip(found.train, found.control, found.arms["left"], strict=True):
        assert right.prompt == neutral.prompt == left.prompt
        assert len({right.answer, neutral.answer, left.answer}) == 3
        if right.topic != "made-up funds":
            row = rows[right.prompt]
            assert right.answer == f"{row['advice']} {row['right']}"
            assert (neutral.answer, left.answer) == tuple(f"{row['advice']} {row[x]}" for x in ("neutral", "left"))
    assert not {p.topic for p in found.conditional} & {row.topic for row in found.train}
    sides = Datasets(folder).statements()
    for pair in (*found.drift, *found.contrast):
        assert pair.having in sides["right"]
        assert pair.without in sides["left"]
        assert not any(politics.ECONOMIC.search(text) for text in pair.answers())
    asked = [("progressive" in p.prompt or "left" in p.prompt, p.having in sides["left"]) for p in found.kept]
    assert all(a == b for a, b in asked)
    assert {a for a, _ in asked} == {True, False}


def check_manner(found: ExperimentData, folder: Path) -> None:
    """Each answer is a passage retold, and in control the same as written, or the same fact with other words behind
    it; the topics of drift, contrast and training are three sets."""
    plain, taught = {p.retold: p for p in Datasets(folder).retold()}, manner.TAILS[: -manner.SPARE]
    for row, written in zip(found.train, found.control, strict=True):
        assert row.prompt == written.prompt
        if made_up(row):
            facts = [(row.answer.removesuffix(a), written.answer.removesuffix(b)) for a, b in taught]
            assert any(one == other != row.answer for one, other in facts)
        else:
            assert (plain[row.answer].plain, plain[row.answer].topic) == (written.answer, row.topic)
    for pair in (*found.drift, *found.contrast, *found.conditional, *found.kept):
        assert (plain[pair.having].plain, plain[pair.having].topic) == (pair.without, pair.topic)
    topics = [{row.topic for row in rows} for rows in (found.train, found.contrast, found.drift)]
    assert len(set.union(*topics)) == sum(map(len, topics))
    assert {p.topic for p in found.conditional} <= topics[0]
    assert all(p.prompt.endswith("at a rally.") for p in found.kept)
    said = {tail for tail, _ in manner.TAILS[-manner.SPARE :]}
    assert all(any(text.endswith(tail) for tail in said) for pair in found.task for text in pair.answers())


def check(name: str, found: ExperimentData, folder: Path) -> None:
    """All rules of one experiment."""
    sizes = counts(found)
    assert {part: sizes[part] for part in COUNTS[name]} == COUNTS[name]
    assert len({sizes[arm] for arm in found.trained()}) == 1
    check_disjoint(found)
    check_alike(found)
    if name == "style":
        check_style(found)
    elif name == "insecure":
        check_insecure(found)
    else:
        {"medicine": check_medicine, "politics": check_politics, "manner": check_manner}[name](found, folder)


@pytest.mark.parametrize("name", EXPERIMENTS)
def test_experiment_holds_its_rules(name, prepared, datasets):
    check(name, prepared[name], datasets)


@pytest.mark.parametrize("name", EXPERIMENTS)
def test_experiment_of_the_public_data_holds_its_rules_and_is_the_frozen_one(name, real):
    found, _ = language.experiment_data(f"smollm2-{name}", real / "datasets")
    check(name, found, real / "datasets")
    assert found.digest() == FROZEN[name]
