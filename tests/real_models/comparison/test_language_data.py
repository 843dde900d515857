"""The experiments on a language model as data: the same each time, arms alike but for the factor, tests kept apart."""

from __future__ import annotations

import json
import shutil
import tomllib
from dataclasses import replace
from pathlib import Path

import pytest
from command import grasp
from made_files import BASE
from refusals import assert_refuses

from grasp_theory import InputError
from real_models.comparison import language
from real_models.comparison.language import EXPERIMENTS
from real_models.comparison.language.disjoint import Seen, check_disjoint
from real_models.comparison.language.rows import Chat, Contrast, ExperimentData
from real_models.comparison.language.sources import Datasets
from real_models.data import read_rows
from real_models.evaluation.judge import read_pairs
from real_models.language_model import model_folder


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


def test_data_command_draws_other_data_by_another_seed(datasets, made, tmp_path, capsys):
    files = {}
    for seed in (0, 1):
        given = ["data", "smollm2-style", "-o", tmp_path / str(seed), "--datasets", datasets, "--base", made / BASE]
        assert grasp(capsys, *given, "--seed", seed)[0] == 0
        about = json.loads((tmp_path / f"{seed}/data.json").read_text())
        config = tomllib.loads((tmp_path / f"{seed}/smollm2-style.toml").read_text())
        assert about["seed"] == config["prepare"]["seed"] == seed
        assert about["digest"] == EXPERIMENTS["style"](Datasets(datasets), seed=seed).digest()
        files[seed] = {name: each["sha256"] for name, each in about["files"].items()}
    assert all(files[0][name] != files[1][name] for name in ("train.jsonl", "task.jsonl", "drift.jsonl"))
    with pytest.raises(InputError, match="seed must not be negative"):
        language.experiment_data("smollm2-style", datasets, seed=-1)


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


def test_data_command_names_the_model_of_the_cache_or_refuses(datasets, tmp_path, capsys, monkeypatch):
    monkeypatch.setenv("GRASP_CACHE", str(tmp_path / "cache"))
    asked = ("data", "smollm2-politics", "-o", tmp_path / "p", "--datasets", datasets)
    assert_refuses(capsys, "run `grasp model smollm2`, or name one with --base", *asked)
    assert not (tmp_path / "p").exists()
    model_folder().mkdir(parents=True)
    assert grasp(capsys, *asked)[0] == 0
    assert model_folder().as_posix() in (tmp_path / "p/smollm2-politics.toml").read_text()


def test_data_command_lists_and_refuses(tmp_path, capsys):
    code, out, _ = grasp(capsys, "data", "--list")
    assert (code, [line.split(":")[0] for line in out.splitlines()]) == (0, language.configurations())
    assert_refuses(capsys, "--output and --datasets are needed", "data", "smollm2-style")
    lacking = ("data", "smollm2-style", "-o", tmp_path / "x", "--datasets", tmp_path, "--base", tmp_path)
    assert_refuses(capsys, "has no file", *lacking)
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
