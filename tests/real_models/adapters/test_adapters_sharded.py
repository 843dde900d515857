"""Adapters in several safetensors files and an index: what one file gives, and shards that do not fit."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from expected_adapters import refused
from made_survey import planted
from safetensors.numpy import load_file, save_file

from grasp_theory import InputError, UnsupportedAdapterError, identify
from real_models import read_adapter
from real_models.adapters.copy import check_new_folder

INDEX = "adapter_model.safetensors.index.json"
SHARDS = [f"adapter_model-{n:05}-of-00003.safetensors" for n in (1, 2, 3)]


def shard(folder: Path) -> Path:
    """The adapter's one file as three and an index: factors of one module may lie in two of them."""
    weights = folder / "adapter_model.safetensors"
    tensors = load_file(weights)
    weight_map = {name: SHARDS[n % 3] for n, name in enumerate(tensors)}
    for name in SHARDS:
        save_file({key: x for key, x in tensors.items() if weight_map[key] == name}, folder / name)
    (folder / INDEX).write_text(json.dumps({"metadata": {"total_size": 1}, "weight_map": weight_map}))
    weights.unlink()
    return folder


@pytest.fixture
def sharded(tmp_path: Path) -> Path:
    return shard(planted(tmp_path / "a", seed=0))


def test_sharded_adapter_is_that_of_one_file(sharded, tmp_path):
    whole = read_adapter(planted(tmp_path / "whole", seed=0))
    for path in (sharded, sharded / INDEX):
        found = read_adapter(path)
        assert [u.name for u in found.updates] == [u.name for u in whole.updates]
        for one, other in zip(found.updates, whole.updates, strict=True):
            np.testing.assert_array_equal(one.lowrank.B, other.lowrank.B)
            np.testing.assert_array_equal(one.lowrank.A, other.lowrank.A)
            assert one.lowrank.scaling == other.lowrank.scaling
    assert identify(found.updates).to_dict() == identify(whole.updates).to_dict()
    assert {p.name for p in found.files} == {INDEX, *SHARDS, "adapter_config.json"}


def test_digest_of_a_sharded_adapter_changes_with_any_shard(sharded):
    before = read_adapter(sharded).sha256
    path = sharded / SHARDS[1]
    tensors = load_file(path)
    next(iter(tensors.values()))[0, 0] += 1
    save_file(tensors, path)
    assert read_adapter(sharded).sha256 != before


def test_one_file_goes_before_shards(sharded, tmp_path):
    shutil.copy(planted(tmp_path / "b", seed=1) / "adapter_model.safetensors", sharded)
    assert read_adapter(sharded).weights.name == "adapter_model.safetensors"


def test_missing_shard_is_named(sharded):
    (sharded / SHARDS[2]).unlink()
    refused(sharded, f"names 3 shards, of which 1 are missing: '?{SHARDS[2]}.*copy all files of one save again")


def test_shards_of_another_save_are_refused(sharded, tmp_path):
    other = shard(planted(tmp_path / "b", seed=1, layers=3))
    shutil.copy(other / SHARDS[0], sharded / SHARDS[0])
    refused(sharded, "is not the shard that .*index.json describes: it .*the shards are of different saves")


def test_truncated_shard_is_refused(sharded):
    path = sharded / SHARDS[0]
    path.write_bytes(path.read_bytes()[:-5])
    refused(sharded, f"{SHARDS[0]}.*truncated")


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ({}, "expected a weight_map from tensors to the files"),
        ({"weight_map": []}, "expected a weight_map"),
        ({"weight_map": {"x": "../other.safetensors"}}, "expected the name of a safetensors file beside it"),
        ({"weight_map": {"x": 3}}, "expected the name of a safetensors file beside it"),
        ({"weight_map": {"x": "weights.bin"}}, "expected the name of a safetensors file beside it"),
        ({"weight_map": {"x": f"{'ä' * 200}.safetensors"}}, "expected the name of a safetensors file beside it"),
        ({"weight_map": {"x": "a\0.safetensors"}}, r"lies in 'a\\x00.safetensors'; expected the name"),
    ],
)
def test_index_that_is_none_is_refused(content, reason, sharded):
    (sharded / INDEX).write_text(json.dumps(content))
    refused(sharded, reason)


def test_index_that_git_left_elsewhere_is_named(sharded):
    (sharded / INDEX).write_text("version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 12\n")
    refused(sharded, "Git LFS pointer, not the index of shards.*git lfs pull")


def test_sharded_pickles_are_refused(sharded):
    (sharded / INDEX).rename(sharded / "adapter_model.bin.index.json")
    refused(sharded, "pickled weights in several shards", kind=UnsupportedAdapterError)


def test_sharded_adapter_is_not_copied(sharded, tmp_path):
    with pytest.raises(InputError, match="lie in shards, and one file is copied; write_adapter"):
        check_new_folder(tmp_path / "new", read_adapter(sharded))
