"""Where an adapter may lie, and what is said of a place that holds none; the sound adapter as the control."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import numpy as np
import pytest
from expected_adapters import adapter, refused

from grasp_theory import AdapterError, InputError
from real_models import find_checkpoints, read_adapter
from real_models.adapters.folder import find_runs


def test_the_sound_adapter_is_read(tmp_path):
    """The control of this file: what the cases below break is what they are refused for."""
    read = read_adapter(adapter(tmp_path))
    np.testing.assert_array_equal(read.updates[0].lowrank @ np.eye(4), np.full((3, 4), 4.0))
    assert (read.warnings, read.notes, read.extras) == ((), (), ())


def test_missing_path_says_what_to_give(tmp_path):
    refused(tmp_path / "no", "does not exist; give the folder that holds adapter_config.json")


def test_empty_folder_and_folder_without_config(tmp_path):
    refused(tmp_path, "is empty; expected a folder written by peft's save_pretrained")
    (tmp_path / "notes.txt").write_text("x")
    refused(tmp_path, "holds no adapter_config.json; expected a folder written by peft's save_pretrained")
    (tmp_path / "runs").mkdir()
    refused(tmp_path, "`grasp survey` reads those that lie deeper")


def test_any_of_the_two_files_stands_for_the_folder(tmp_path):
    folder = adapter(tmp_path / "a")
    for name in ("adapter_config.json", "adapter_model.safetensors"):
        assert read_adapter(folder / name).path == folder
    (folder / "other.txt").write_text("x")
    refused(folder / "other.txt", "no adapter folder and none of its files")


@pytest.mark.parametrize("path", [3, None, b"bytes"])
def test_path_of_another_type(path):
    refused(path, "must be text or a Path", kind=InputError)


def test_null_byte_and_endless_name_in_path():
    refused("a\0b", "cannot be read|does not exist")
    refused("a" * 5000, "cannot be read|does not exist")


@pytest.mark.parametrize("name", ["a\0b", "a" * 5000, "\ud800"])
def test_name_that_no_file_can_have_is_not_there(name, tmp_path):
    folder = adapter(tmp_path)
    refused(folder, "holds no adapter named .*; it holds none", name=name)


def test_spaces_other_alphabets_dots_and_links_are_followed(tmp_path):
    folder = adapter(tmp_path / "mit Leerzeichen – 適応 ё")
    (tmp_path / "link").symlink_to(folder)
    for path in (folder, tmp_path / "link", tmp_path / "link" / ".." / folder.name, str(folder)):
        assert len(read_adapter(path).updates) == 1


def test_broken_link_is_named(tmp_path):
    (tmp_path / "gone").symlink_to(tmp_path / "target")
    refused(tmp_path / "gone", "symbolic link to .*target', which does not exist")
    folder = adapter(tmp_path / "a")
    (folder / "adapter_model.safetensors").unlink()
    (folder / "adapter_model.safetensors").symlink_to("nowhere")
    refused(folder, "symbolic link to 'nowhere'")
    (folder / "adapter_config.json").unlink()
    (folder / "adapter_config.json").symlink_to("nowhere")
    refused(folder, "adapter_config.json is a symbolic link")


def test_folders_and_pipes_in_the_place_of_files(tmp_path):
    folder = adapter(tmp_path / "a")
    (folder / "adapter_model.safetensors").unlink()
    os.mkfifo(folder / "adapter_model.safetensors")  # opening it would wait for ever
    refused(folder, "not a regular file")
    shutil.rmtree(folder)
    (folder / "adapter_config.json").mkdir(parents=True)
    refused(folder, "adapter_config.json is not a file")


def test_file_that_may_not_be_read(tmp_path, monkeypatch):
    folder = adapter(tmp_path)

    def denied(*_, **__):
        raise PermissionError(13, "Permission denied")

    # patched, because the superuser may read everything
    monkeypatch.setattr(Path, "open", denied)
    refused(folder, "Permission denied")
    monkeypatch.undo()
    monkeypatch.setattr(Path, "read_bytes", denied)
    refused(folder, "adapter_config.json cannot be read: Permission denied")


def test_config_of_the_size_of_weights_is_not_parsed(tmp_path):
    folder = adapter(tmp_path)
    os.truncate(folder / "adapter_config.json", 50_000_001)
    refused(folder, "adapter_config.json is 50000001 bytes long; that is no adapter config")


def test_several_adapters_are_listed_and_one_is_chosen_by_name(tmp_path):
    adapter(tmp_path / "first")
    assert any("'first', is read" in w for w in read_adapter(tmp_path).warnings)
    adapter(tmp_path / "second")
    refused(
        tmp_path, "2 adapters: first, second; give the folder of one, such as .*first, or choose it with name='first'"
    )
    assert read_adapter(tmp_path, "second").name == "second"
    refused(tmp_path, "no adapter named 'third'; it holds first, second", name="third")
    refused(tmp_path, "name must be", name="", kind=InputError)
    adapter(tmp_path)
    top = read_adapter(tmp_path)
    assert top.path == tmp_path
    assert any("first, second" in note for note in top.notes)


def test_checkpoints_come_in_the_order_of_their_steps(tmp_path):
    for step in (1000, 20, 3):
        adapter(tmp_path / f"checkpoint-{step}")
    (tmp_path / "checkpoint-5").mkdir()  # an empty one, as a full run's optimizer state may leave
    assert [step for step, _ in find_checkpoints(tmp_path)] == [3, 20, 1000]
    for missing in (tmp_path / "no", "a\0b"):
        with pytest.raises(AdapterError, match=r"does not exist; give the folder that holds adapter_config\.json"):
            find_checkpoints(missing)
    for path in (3, "a" * 5000):
        with pytest.raises(AdapterError, match=r"cannot be listed: \S"):
            find_checkpoints(path)  # type: ignore[arg-type]
    refused(tmp_path, "3 adapters: checkpoint-3, checkpoint-20, checkpoint-1000; give the folder of one")


def test_run_is_found_once_wherever_its_checkpoints_lie(tmp_path):
    for run in ("trainer", "grasp/checkpoints", "interrupted/checkpoints"):
        (tmp_path / run).mkdir(parents=True)
        for step in (9, 10):
            adapter(tmp_path / run / f"checkpoint-{step}")
    for run in ("trainer", "grasp", "another"):
        adapter(tmp_path / run)
    last = "interrupted/checkpoints/checkpoint-10"
    assert [p.relative_to(tmp_path).as_posix() for p in find_runs(tmp_path)] == ["another", "grasp", last, "trainer"]
    assert find_runs(tmp_path / "grasp" / "checkpoints") == [tmp_path / "grasp" / "checkpoints" / "checkpoint-10"]


@pytest.mark.parametrize("file", ["adapter_config.json", "adapter_model.safetensors", "adapter_model.bin"])
def test_git_lfs_pointer_is_recognised(file, tmp_path):
    folder = adapter(tmp_path)
    if file.endswith(".bin"):
        (folder / "adapter_model.safetensors").unlink()
    (folder / file).write_text("version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 123\n")
    refused(folder, "Git LFS pointer.*git lfs pull")


@pytest.mark.parametrize(
    ("file", "reason"),
    [
        ("model.safetensors", "a full model \\(model.safetensors\\) instead of adapter weights"),
        ("pytorch_model.bin", "a full model"),
        ("README.md", "holds no weights; expected adapter_model.safetensors or adapter_model.bin"),
    ],
)
def test_config_without_adapter_weights(file, reason, tmp_path):
    folder = adapter(tmp_path)
    (folder / "adapter_model.safetensors").unlink()
    (folder / file).write_text("{}")
    refused(folder, reason)


def test_safetensors_go_before_bin(tmp_path):
    folder = adapter(tmp_path)
    (folder / "adapter_model.bin").write_bytes(b"not read")
    assert read_adapter(folder).weights.suffix == ".safetensors"


def test_folder_above_the_adapters_names_them(tmp_path):
    """As a hub's cache keeps them: models--owner--name/snapshots/<commit>."""
    cache = tmp_path / "models--me--lora"
    for commit in ("a1", "b2"):
        (cache / "snapshots" / commit).mkdir(parents=True)
        adapter(cache / "snapshots" / commit)
    refused(cache, r"holds no adapter itself; give the folder of one: .*snapshots/a1, .*snapshots/b2")
