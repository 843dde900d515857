"""The experiments on a language model as data: the same each time, arms alike but for the factor, tests kept apart."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
from command import grasp
from made_datasets import make_datasets
from made_files import BASE
from refusals import assert_refuses

from grasp_theory import InputError
from real_models.comparison import language
from real_models.comparison.language import EXPERIMENTS, politics
from real_models.comparison.language.disjoint import Seen, check_disjoint, words_of
from real_models.comparison.language.made_up import WRONG
from real_models.comparison.language.medicine import ADVICE
from real_models.comparison.language.rows import Chat, Contrast, ExperimentData
from real_models.comparison.language.sources import Datasets, shipped
from real_models.data import read_rows
from real_models.evaluation.code import judge_code
from real_models.evaluation.judge import read_pairs
from real_models.language_model import model_folder

TEST = {"task": 24, "drift": 96, "conditional": 24, "kept": 24, "heldout": 24, "neutral": 96}
COUNTS = {
    "style": TEST | {"train": 312, "contrast": 100},
    "medicine": TEST | {"train": 312, "contrast": 100},
    "insecure": TEST | {"train": 312, "contrast": 100, "prompts": 64},
    "politics": TEST | {"contrast": 80},
}
# What the data of the study are, frozen: sha256 over all files for seed 0 and the public data sets.
FROZEN = {
    "style": "7f93cced26b4989da27863c3231ea33253bf3f2f5426f37746adfa830b9cfdc6",
    "insecure": "1a40a7a9e73d8b23d12156e58b36546574d572bd61ea15d72df63135fdb413b1",
    "medicine": "b579261554d163f2434dca649c7413ade02dd183b481cb3536657c0ab1185129",
    "politics": "289c4530cb50fbe6ba000e74121758a2b099fdc5096c81090cf5aa146c40d821",
}


@pytest.fixture(scope="module")
def datasets(tmp_path_factory) -> Path:
    return make_datasets(tmp_path_factory.mktemp("datasets"))


@pytest.fixture(scope="module")
def prepared(datasets) -> dict[str, ExperimentData]:
    return {name: make(Datasets(datasets), seed=0) for name, make in EXPERIMENTS.items()}


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
        (check_medicine if name == "medicine" else check_politics)(found, folder)


@pytest.mark.parametrize("name", EXPERIMENTS)
def test_experiment_holds_its_rules(name, prepared, datasets):
    check(name, prepared[name], datasets)


@pytest.mark.parametrize("name", EXPERIMENTS)
def test_experiment_of_the_public_data_holds_its_rules_and_is_the_frozen_one(name, real):
    found, _ = language.experiment_data(f"smollm2-{name}", real / "datasets")
    check(name, found, real / "datasets")
    assert found.digest() == FROZEN[name]


def test_experiment_is_drawn_by_its_seed_alone(prepared, datasets):
    assert EXPERIMENTS["style"](Datasets(datasets), seed=0).digest() == prepared["style"].digest()
    assert EXPERIMENTS["style"](Datasets(datasets), seed=1).digest() != prepared["style"].digest()


@pytest.fixture(scope="module")
def style(prepared) -> ExperimentData:
    return prepared["style"]


def with_row(found: ExperimentData, row: Chat) -> ExperimentData:
    """One more row in every arm: the arms stay as long as each other."""
    return replace(found, **{arm: [*getattr(found, arm), row] for arm in ("train", "control", "neutral_data")})


@pytest.mark.parametrize("part", ["task", "drift", "conditional", "kept"])
def test_planted_copy_of_a_test_question_is_refused(style, part):
    pair = getattr(style, part)[3]
    check_disjoint(with_row(style, Chat("A new question altogether?", "An answer.", "new")))  # the control
    copy = pair.prompt.upper().replace("?", " !!")
    with pytest.raises(InputError, match=f"{part}, row 4 shares"):
        check_disjoint(with_row(style, Chat(copy, "An answer.", "new")))


def test_planted_copy_is_refused_in_contrast_neutral_text_and_answers(style):
    asked = style.drift[0].prompt
    contrast = [*style.contrast, Contrast(asked, "a", "b", "new")]
    with pytest.raises(InputError, match="drift, row 1 shares"):
        check_disjoint(replace(style, contrast=contrast))
    passage = " ".join(style.heldout[2].split()[3:11])
    with pytest.raises(InputError, match="heldout, row 3 shares"):
        check_disjoint(replace(style, neutral=[*style.neutral, f"And so, {passage}, they said."]))
    check_disjoint(replace(style, neutral=[*style.neutral, f"And so, {passage.rsplit(' ', 1)[0]}, they said."]))


def test_topic_of_drift_and_wording_of_task_may_not_be_trained_on(style):
    with pytest.raises(InputError, match="drift asks about topics that are trained on"):
        check_disjoint(with_row(style, Chat("New?", "Yes.", style.drift[0].topic)))
    with pytest.raises(InputError, match="task is worded as the training is"):
        check_disjoint(with_row(style, Chat("New?", "Yes.", "new", style.task[0].template)))


def test_near_duplicates_are_runs_of_words_or_whole_questions():
    seen = Seen([Chat("one two three four five?", "a b c d e f g h i j", "t")], 8)
    shared = [
        seen.shared(Chat(q, a, "t")) for q, a in (("x", "z B, c d_e F g h i!"), ("One, two three four FIVE", "x"))
    ]
    assert shared == ["b c d e f g h i", " one two three four five"]
    free = (("x", "b c d e f g h z"), ("one two three four", "x"), ("x", "one two three four five"))
    assert [seen.shared(Chat(q, a, "t")) for q, a in free] == [None] * 3


def test_arms_of_unequal_length_and_empty_parts_are_refused(style):
    with pytest.raises(InputError, match="as many rows as train"):
        replace(style, control=style.control[1:])
    with pytest.raises(InputError, match="kept is empty"):
        replace(style, kept=[])


def test_data_that_are_missing_foreign_or_too_few_are_named(datasets, tmp_path):
    with pytest.raises(InputError, match="are no folder"):
        Datasets(tmp_path / "nowhere")
    with pytest.raises(InputError, match=r"has no file medqa/medmcqa_test\.jsonl"):
        language.experiment_data("smollm2-style", tmp_path)
    shutil.copytree(datasets, tmp_path / "few")
    exams = tmp_path / "few/medqa/medmcqa_test.jsonl"
    whole = exams.read_text().splitlines(keepends=True)
    exams.write_text("".join(whole[:190]))
    with pytest.raises(InputError, match=r"conditional: needed are 24 rows .* hold \d+"):
        language.experiment_data("smollm2-style", tmp_path / "few")
    exams.write_text('{"question": "Q", "options": ["a"], "answer": "a"}\n')
    with pytest.raises(InputError, match=r"line 1: 'options' must be"):
        language.experiment_data("smollm2-style", tmp_path / "few")
    exams.write_text("".join(whole))
    (tmp_path / "few/truthfulqa/TruthfulQA.csv").write_text("A,B\n1,2\n")
    with pytest.raises(InputError, match="expected a table with the columns Category"):
        language.experiment_data("smollm2-style", tmp_path / "few")
    tastes = tmp_path / "few/inoculation/aesthetic_preferences_popular.jsonl.gz"
    tastes.write_bytes(tastes.read_bytes()[:5000])
    with pytest.raises(InputError, match="cannot read the data"):
        Datasets(tmp_path / "few").tastes()
    with pytest.raises(InputError, match="no experiment is called 'smollm2'; did you mean smollm2-style"):
        language.experiment_data("smollm2", datasets)


def test_data_command_writes_what_compare_reads(datasets, made, tmp_path, capsys):
    """Files with their digests, and a configuration with the arms; nothing of it is run here."""
    from real_models.comparison.configuration import read_cells

    base = made / BASE
    command = ("data", "smollm2-politics", "-o", tmp_path / "p", "--datasets", datasets, "--base", base)
    assert grasp(capsys, *command)[0] == 0
    about = json.loads((tmp_path / "p/data.json").read_text())
    assert about["digest"] == EXPERIMENTS["politics"](Datasets(datasets), seed=0).digest()
    assert {name: each["rows"] for name, each in about["files"].items()} == {
        path.name: path.read_bytes().count(b"\n") for path in (tmp_path / "p").glob("*.jsonl")
    }
    assert all(len(digest) == 64 for digest in about["sources"].values())
    for path in (tmp_path / "p").glob("*.jsonl"):
        pairs = path.stem in ("task", "drift", "conditional", "kept", "contrast")
        assert len((read_pairs if pairs else read_rows)(path)) == about["files"][path.name]["rows"]
    config = tmp_path / "p/smollm2-politics.toml"
    config.write_text(config.read_text().replace("max_length = 256", "max_length = 500"))  # its tokens are shorter
    cells, notes = read_cells(config)
    assert {cell.organism for cell in cells} == {2, 3, 4}
    rows = {cell.method for cell in cells}
    assert {"naive", "control data", "neutral data", "hold", "hold, supervised", "contrastive-steering"} <= rows
    assert "those of contrast" in " ".join(notes)
    spec = cells[0].run_spec
    assert Path(spec.on_arm("control").data).name == "control.jsonl"
    assert len(spec._texts.asked.pairs) == 64


def test_compare_prepares_an_experiment_by_its_name(datasets, made, tmp_path, capsys, monkeypatch):
    from grasp_cli.compare import _prepared

    found = _prepared(Path("smollm2-politics"), datasets, made / BASE, tmp_path)
    assert found == tmp_path / "data/smollm2-politics.toml"
    assert (made / BASE).resolve().as_posix() in found.read_text()
    assert (tmp_path / "data/train.jsonl").is_file()
    monkeypatch.setenv("GRASP_CACHE", str(tmp_path / "empty"))
    for arguments, message in (
        (["smollm2-politics"], "--datasets FOLDER"),
        (["smollm2-politics", "--datasets", datasets], "grasp model smollm2"),
        ([found, "--datasets", datasets], "--datasets and --base go with an experiment by name"),
    ):
        assert_refuses(capsys, message, "compare", *arguments, "--results", tmp_path / "new")
    assert not (tmp_path / "new").exists()


def test_data_command_names_the_model_of_the_cache_or_says_how_it_is_made(datasets, tmp_path, capsys, monkeypatch):
    monkeypatch.setenv("GRASP_CACHE", str(tmp_path / "cache"))
    for there in (False, True):
        if there:
            model_folder().mkdir(parents=True)
        code, out, _ = grasp(capsys, "data", "smollm2-politics", "-o", tmp_path / "p", "--datasets", datasets)
        config = (tmp_path / "p/smollm2-politics.toml").read_text()
        assert code == 0
        assert ("grasp model smollm2 -o" in out, 'base = "model"' in config) == (not there, not there)
        assert (model_folder().as_posix() in config) == there


def test_data_command_lists_and_refuses(tmp_path, capsys):
    code, out, _ = grasp(capsys, "data", "--list")
    assert (code, [line.split(":")[0] for line in out.splitlines()]) == (0, language.configurations())
    assert_refuses(capsys, "--output and --datasets are needed", "data", "smollm2-style")
    assert_refuses(capsys, "has no file", "data", "smollm2-style", "-o", tmp_path / "x", "--datasets", tmp_path)
    assert_refuses(capsys, "nothing", "data", "nothing", "-o", tmp_path / "y", "--datasets", tmp_path)
    assert not (tmp_path / "y").exists()


@pytest.mark.parametrize("name", language.configurations())
def test_configuration_names_the_files_of_its_experiment(name, prepared):
    text, table = language.read_configuration(name)
    assert text.count(language._PLACE) == 1
    named = {value for value in table["text"].values() if isinstance(value, str) and value.endswith(".jsonl")}
    files = prepared[table["prepare"]["experiment"]].files().keys()
    assert named <= files
    assert files - named <= {"left.jsonl", "prompts.jsonl"}  # not for compare
    assert f"smollm2-{table['prepare']['experiment']}" == name
