"""The self-certificate's experiment: near the truth beside random tasks, wrong where its statement says so."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from experiment_runs import agreeing, drawn, means, measured, rows

from figures.plots.self_certificate import build
from synthetic.experiments.self_certificate import EXPERIMENT, Cell

CELL = Cell("strength", "gaussian", 2.0, m=40, d=50)


def averages(cell: Cell) -> dict[str, float]:
    return {name: float(x.mean()) for name, x in measured(EXPERIMENT, cell, 16).items()}


def test_self_certificate_agrees_with_its_law_beside_random_tasks():
    agreeing(EXPERIMENT, [CELL, replace(CELL, task="flat"), replace(CELL, task="power")], 16, compared=3)


def test_self_certificate_is_silent_on_the_law_up_to_the_border():
    assert EXPERIMENT.theory(replace(CELL, beta=0.49)) == {}
    assert EXPERIMENT.theory(replace(CELL, task="power", beta=0.9)) == {}


def test_self_certificate_takes_the_task_s_own_first_direction_for_a_factor():
    lone = averages(replace(CELL, task="power", beta=0.4))
    assert lone["estimate"] > 0.8 > 0.3 > lone["overlap"]
    own = averages(replace(CELL, panel="own input", beta=3.0, aside=3.0))
    assert own["estimate"] > own["overlap"] + 0.3
    assert own["promised, true tau"] < own["overlap"] < own["promised"]  # ŝ₂ is no tau


@pytest.mark.slow
def test_self_certificate_figure_shows_every_overlap():
    cells = [replace(CELL, task=task, beta=b) for task in ("gaussian", "flat", "power") for b in (0.6, 2.0)]
    found = rows(EXPERIMENT, [*cells, *(Cell("own input", "gaussian", 3.0, x, 40, 50) for x in (0.0, 3.0))], 2)
    shown, wanted = drawn(build(found)), means(r for r in found if r["quantity"] in ("overlap", "estimate"))
    assert len(wanted) == 16
    assert wanted <= shown
    assert np.isfinite(sorted(shown)).all()
