"""A copy that cannot be finished leaves the folder as it was, and says why."""

from __future__ import annotations

import os

import numpy as np
import pytest
from expected_adapters import adapter

from grasp_theory import AdapterError, LowRank, Update
from real_models import read_adapter
from real_models.adapters.copy import copy_adapter


def halved(update: Update) -> Update:
    """The same module with half of its B."""
    p = update.lowrank
    return Update.of(update.name, LowRank(0.5 * p.B, p.A, p.scaling))


@pytest.mark.parametrize("failing", [1, 2], ids=["weights", "config"])
@pytest.mark.parametrize("there", [False, True], ids=["new folder", "empty folder"])
@pytest.mark.parametrize("interrupted", [False, True], ids=["full disk", "Ctrl-C"])
def test_copy_that_fails_leaves_the_folder_as_it_was(failing, there, interrupted, tmp_path, monkeypatch):
    read = read_adapter(adapter(tmp_path / "old"))
    new, writes, fsync = tmp_path / "new", [], os.fsync
    if there:
        new.mkdir()

    def full(descriptor):
        writes.append(descriptor)
        if len(writes) == failing:
            raise KeyboardInterrupt if interrupted else OSError(28, "No space left on device")
        fsync(descriptor)

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(KeyboardInterrupt if interrupted else AdapterError) as refusal:
        copy_adapter(new, read, [halved(read.updates[0])])
    if not interrupted:
        assert str(refusal.value) == f"{new} cannot be written: No space left on device"
    assert len(writes) == failing
    assert new.exists() == there
    assert not there or list(new.iterdir()) == []
    monkeypatch.undo()
    # the control: the same call goes through once nothing fails
    again = read_adapter(copy_adapter(new, read, [halved(read.updates[0])]))
    np.testing.assert_array_equal(again.updates[0].lowrank @ np.eye(4), np.full((3, 4), 2.0))
