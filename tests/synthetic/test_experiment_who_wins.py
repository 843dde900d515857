"""The regime map: fits on samples have the stated risks, each method wins where the theory says."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from experiment_runs import agreeing, measured, measures_without_theory, rows, trials_do_not_depend_on_each_other

import synthetic.experiments.who_wins as who_wins
from figures.plots.who_wins import build
from grasp_theory.linear import regimes
from grasp_theory.linear.solutions import SOLUTIONS
from synthetic.runner.deviation import deviation

REGIONS = {  # cells in the middle of a region
    "CAFT": who_wins.Cell("content", 1.2, 1.35, 0.85, 0.85),
    "ablation": who_wins.Cell("content", 0.7, 1.35, 0.2, 0.2),
    "naive": who_wins.Cell("shift", 1.0, 1.8, 0.5, 0.1),
    "post-hoc read": who_wins.Cell("shift", 1.0, 0.7, 0.5, 0.2),
    "post-hoc write": who_wins.Cell("shift", 1.0, 0.7, 0.5, -0.8),
    "read GRASP": who_wins.Cell("shift", 1.0, 1.3, 0.5, 0.9),
}


@pytest.mark.slow
def test_who_wins_risks_of_fits_on_samples_are_the_stated_ones():
    """Few and noisy samples, where what they add is large; the risks of the population alone do not fit."""
    cells = [replace(cell, n=60, noise=0.5) for cell in REGIONS.values()]
    found = agreeing(who_wins.EXPERIMENT, cells, 60, compared=6 * 9)
    population = {name: who_wins.theory(replace(cell, n=10**9, noise=0.0)) for name, cell in REGIONS.items()}
    clean = [population[name][method].value for name in REGIONS for method in (*who_wins.METHODS, "winner")]
    assert deviation(r | {"theory": t} for r, t in zip(found, clean, strict=True)).violations >= 20


@pytest.mark.parametrize("name", REGIONS)
def test_who_wins_in_the_middle_of_its_region(name):
    """The unprojected (naive) region included: the control."""
    cell, values = REGIONS[name], measured(who_wins.EXPERIMENT, REGIONS[name], 20)
    assert regimes.winner(who_wins.problem(cell)) == name
    assert min(who_wins.METHODS, key=lambda method: values[method].mean()) == name
    np.testing.assert_array_equal(values["winner"], who_wins.METHODS.index(name))


def test_who_wins_ties_go_to_the_first():
    values = measured(who_wins.EXPERIMENT, REGIONS["post-hoc write"], 3)
    np.testing.assert_allclose(values["write GRASP"], values["post-hoc write"], rtol=1e-12)
    assert who_wins.METHODS == tuple(SOLUTIONS)


def test_who_wins_noiseless_fits_of_many_samples_are_the_closed_forms():
    cell = replace(REGIONS["read GRASP"], noise=0.0, n=20_000)
    values, p = measured(who_wins.EXPERIMENT, cell, 1), who_wins.problem(cell)
    for name, solve in SOLUTIONS.items():
        risk = np.sum((solve(p) - p.T) @ p.Sigma_t * (solve(p) - p.T))
        np.testing.assert_allclose(values[name][0], risk, rtol=0.05, err_msg=name)


def test_who_wins_measures_without_its_theory(monkeypatch):
    gone = [(regimes, name) for name in ("risk_table", "winner", "explained")]
    measures_without_theory(monkeypatch, who_wins.EXPERIMENT, [REGIONS["CAFT"]], gone)


def test_who_wins_trials_do_not_depend_on_each_other():
    trials_do_not_depend_on_each_other(who_wins.EXPERIMENT, REGIONS["naive"], 2, 5)


@pytest.mark.slow
def test_who_wins_figure_is_drawn_from_a_coarse_grid():
    grid = [who_wins.Cell("content", x, 1.35, y, y) for x in (0.3, 0.8, 1.2, 2.2) for y in (0.2, 0.4, 0.6, 0.8)]
    grid += [who_wins.Cell("shift", 1.0, x, 0.5, y) for x in (0.3, 0.8, 1.2, 1.9) for y in (-0.8, -0.2, 0.4, 0.8)]
    figure = build(rows(who_wins.EXPERIMENT, grid, 2))
    assert len(figure.axes) == 3
    words = {text.get_text() for ax in figure.axes for text in ax.texts}
    assert {"naive", "ablation", "CAFT"} <= words
