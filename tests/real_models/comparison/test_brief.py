"""Fewer rows, the same matched scores."""

from __future__ import annotations

import numpy as np
import tolerance
from made_comparison import run, study

from real_models.comparison.brief import brief
from real_models.comparison.table import summarise


def rows():
    """Crossings inside, at a point, at the start and nowhere."""
    made = study(naive=(0.8, 0.7), grasp=(0.3, 0.2))
    made += run("caft", knob=1.0, task=(0.0, 0.95, 0.97, 0.99)) + run("edit", knob=1.0, task=(0.96, 0.97, 0.98, 0.99))
    return made + run("kl", knob=30.0, task=(0.0, 0.1, 0.2, 0.3))


def test_brief_rows_give_the_same_lines():
    everything = rows()
    few = brief(everything)
    assert len(few) < len(everything)
    assert set(few[0]) == {"variant", "organism", "method", "knob", "points", "quantity", "mean"}
    for whole, part in zip(summarise(everything), summarise(few), strict=True):
        assert (whole.method, whole.reached, whole.steps) == (part.method, part.reached, part.steps)
        off = tolerance.backward((1,), np.float64, 1.0) + 1e-5
        np.testing.assert_allclose(part.drift, whole.drift, rtol=0, atol=off)
        np.testing.assert_allclose(part.excess, whole.excess, rtol=0, atol=off)


def test_brief_keeps_the_whole_curves_that_are_drawn():
    few = brief(rows(), whole=[("naive", 0.0)])
    curve = {r["points"] for r in few if r["method"] == "naive" and r["quantity"] == "drift" and r["organism"] == 0}
    assert curve == {0, 10, 20, 30}
    other = {r["points"] for r in few if r["method"] == "grasp" and r["quantity"] == "drift" and r["organism"] == 0}
    assert other == {20, 30}
