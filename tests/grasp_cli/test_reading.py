"""The bar of a long read: one step a module, however often it is read, and the same factors."""

from __future__ import annotations

import numpy as np
from made_survey import planted

from grasp_cli.reading import counted
from grasp_theory import identify
from real_models import read_adapter


def test_bar_moves_once_a_module_and_the_report_is_the_same(tmp_path):
    adapter = read_adapter(planted(tmp_path / "a", seed=0))
    steps = []

    def watch(stream, total):
        for step in stream:
            steps.append(total)
            yield step

    updates = counted(adapter, watch)
    report = identify(updates)
    for mine, own in zip(updates, adapter.updates, strict=True):
        np.testing.assert_array_equal(mine.lowrank.B, own.lowrank.B)
        np.testing.assert_array_equal(mine.factor("A"), own.factor("A"))
    assert steps == [len(adapter.updates)] * len(adapter.updates)
    assert report.to_dict() == identify(adapter.updates).to_dict()
