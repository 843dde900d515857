"""What a control buys: descent and least squares meet the law, and lose it outside what the statement assumes."""

from __future__ import annotations

from dataclasses import replace

import pytest
from experiment_runs import agreeing, drawn, means, rows

from figures.plots.control_contrast import build
from synthetic.experiment import generators
from synthetic.experiments.control_contrast import EXPERIMENT, Cell, measure
from synthetic.runner.deviation import deviation

LENGTH, STRENGTH, SAMPLES = Cell("length", kappa=0.5), Cell("strength", task=1.0), Cell("samples", n=40)


def mean(cell: Cell, trials: int = 6) -> float:
    (values,) = measure(cell, generators(EXPERIMENT.name, cell, trials)).values()
    return float(values.mean())


def test_control_contrast_runs_meet_the_law():
    worst = [replace(c, case="worst", kappa=k) for c in (LENGTH, STRENGTH) for k in (0.3, 0.5)]
    cells = [*worst, LENGTH, STRENGTH, Cell("strength", "none", task=0.4, case="worst")]
    found = agreeing(EXPERIMENT, cells, 6, compared=len(cells))
    agreeing(EXPERIMENT, [SAMPLES], 40, compared=1)
    wrong = deviation(r | {"theory": 0.9 * r["theory"]} for r in found if r["relation"] == "=")
    assert wrong.violations == wrong.compared == len(worst) + 1


def test_control_contrast_finds_a_factor_as_strong_as_the_task_that_one_run_hides():
    pair = [replace(STRENGTH, control=name) for name in ("shared task", "none")]
    assert mean(pair[0]) < 0.5 * mean(pair[1])


def test_control_contrast_is_lost_where_the_control_has_other_inputs_or_the_factor():
    assert mean(replace(LENGTH, control="other inputs", kappa=1.0)) > 0.3
    assert mean(replace(LENGTH, kappa=1.0)) == 0
    assert mean(replace(STRENGTH, control="with the factor", kappa=1.0)) > 0.7


def test_control_contrast_shared_samples_leave_less_than_the_law_of_independent_ones():
    assert mean(replace(SAMPLES, control="half of the samples shared"), 20) < 0.75 * mean(SAMPLES, 20)


@pytest.mark.slow
def test_control_contrast_figure_shows_every_measured_point():
    found = rows(EXPERIMENT, EXPERIMENT.chosen(quick=True), 2)
    assert means(found) <= drawn(build(found))
