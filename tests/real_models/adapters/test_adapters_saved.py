"""Every kind of adapter that peft saves is read or refused as the table says, and read as dense arithmetic has it."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
import pytest
from expected_adapters import Read, assert_dense, assert_read, assert_read_without_torch, assert_refused, dense_updates
from saved_adapters import SAVED

from real_models import find_checkpoints, read_adapter

READ = [name for name, (_, expected) in SAVED.items() if isinstance(expected, Read)]
REFUSED = [name for name in SAVED if name not in READ]


@pytest.fixture(scope="module")
def saved(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("saved")
    for name, (save, _) in SAVED.items():
        save(folder / name)
    return folder


@pytest.mark.parametrize("name", READ)
def test_saved_adapter_is_read_as_expected(saved, name):
    assert_read(saved / name, SAVED[name][1])


@pytest.mark.parametrize("name", REFUSED)
def test_saved_adapter_is_refused_with_the_reason(saved, name):
    assert_refused(saved / name, SAVED[name][1])


@pytest.mark.parametrize("name", READ)
def test_saved_updates_equal_dense_arithmetic(saved, name):
    assert_dense(saved / name, dense_updates(saved / name))


def test_checkpoints_of_a_run_are_found_by_step_and_differ(saved):
    found = find_checkpoints(saved / "run")
    assert [step for step, _ in found] == [50, 100, 1000]
    first, *_, last = (read_adapter(path).updates for _, path in found)
    for a, b in zip(first, last, strict=True):
        assert a.name == b.name
        assert not np.array_equal(a.lowrank.B, b.lowrank.B)


def test_module_that_kept_its_start_has_an_update_of_zero(saved):
    norms = {u.layer: u.lowrank.norm() for u in read_adapter(saved / "partly zero").updates}
    assert norms[0] == 0 < norms[1]


def test_saved_safetensors_are_read_without_torch(saved):
    folders = [saved / name for name in READ]
    assert_read_without_torch([folder for folder in folders if (folder / "adapter_model.safetensors").exists()])


def test_layers_come_in_natural_order(saved):
    layers = [u.layer for u in read_adapter(saved / "every linear layer").updates]
    assert layers == sorted(layers)


def test_sha256_is_that_of_the_weights(saved):
    weights = saved / "rslora" / "adapter_model.safetensors"
    assert read_adapter(saved / "rslora").sha256 == hashlib.sha256(weights.read_bytes()).hexdigest()
