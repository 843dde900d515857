"""Null-space training of a tiny transformer: the right null space keeps old outputs, wrong ones do not."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from experiment_runs import drawn, means, rows

from figures.plots.null_space_depth import build
from synthetic.experiment import generators
from synthetic.experiments.null_space_depth import EXPERIMENT, Cell, measure

CELL = Cell(2, 12)
TRIALS = 6


def drift(cell: Cell) -> np.ndarray:
    """Of the same nets and updates as drawn, whatever is kept."""
    return measure(cell, generators(EXPERIMENT.name, CELL, TRIALS))["drift"]


def test_null_space_training_keeps_old_outputs_and_the_covariance_does_not():
    kept = drift(CELL)
    assert np.all(2 * kept < drift(replace(CELL, space="covariance")))
    assert np.all(4 * kept < drift(replace(CELL, space="none")))
    assert np.all(kept < drift(replace(CELL, k=4)))


def test_null_space_training_without_directions_is_free_training():
    free = replace(CELL, k=0)
    np.testing.assert_allclose(drift(free), drift(replace(free, space="none")), rtol=1e-9)
    np.testing.assert_allclose(drift(free), drift(replace(free, space="covariance")), rtol=1e-9)


@pytest.mark.parametrize("cell", [CELL, Cell(1, 4), Cell(3, 0)], ids=str)
def test_null_space_bound_holds_in_every_trial(cell):
    found = measure(cell, generators(EXPERIMENT.name, cell, 3))
    assert np.all(found["share"] <= 1)
    np.testing.assert_allclose(found["share"], found["drift"] / found["bound"])
    assert EXPERIMENT.theory(cell)["share"].relation == "<="
    assert EXPERIMENT.theory(replace(cell, space="covariance")) == {}


@pytest.mark.slow
def test_null_space_figure_shows_every_drift():
    cells = [Cell(2, k, s) for s in ("second moment", "covariance", "none") for k in (0, 8, 12)]
    cells += [Cell(1, 8, s) for s in ("second moment", "covariance", "none")]
    found = rows(EXPERIMENT, cells, 2)
    assert means(r for r in found if r["quantity"] in ("drift", "bound")) <= drawn(build(found))
