"""Theorem 1 in the lab: bounds above what is measured, their borders, and that measurement does not see the theory."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from experiment_runs import agreeing, drawn, means, measures_without_theory, rows

import synthetic.experiments.theorem_1 as module
from figures.plots.theorem_1 import build
from synthetic.experiment import generators
from synthetic.experiments.theorem_1 import EXPERIMENT, Cell, measure, right_side

PLAIN = Cell("samples", 400, 8.0, m=20, d=15)
TIME = Cell("time", 200, 4.0, noise=0.3, optimizer="sgd", m=12, d=10, steps=(1, 5, 20, 60))
CORES = Cell("curation", 600, noise=0.1, k=4, core=1.0, m=12, d=10)
SMALL = (
    PLAIN,
    Cell("complexity", 400, 5.0, 1.0, 9, 0.3, "worst", m=20, d=15),
    Cell("strength", 300, 4.0, noise=0.05, task="worst", m=12, d=10),
    Cell("deployment", 600, m=20, d=15),
    TIME,
    replace(TIME, optimizer="adam"),
    CORES,
)


def mean(cell, quantity, trials=8):
    return float(measure(cell, generators("x", cell, trials))[quantity].mean())


def test_theorem_1_agrees_with_its_bounds():
    agreeing(EXPERIMENT, SMALL, 8, compared=2 + 1 + 1 + 3 + 8 + 4 + 2)


def test_worst_task_comes_close_to_the_bound_and_a_random_one_does_not():
    cell = Cell("strength", 3000, 4.0, noise=0.01, task="worst", m=12, d=10)
    bound = EXPERIMENT.theory(cell)["sine"].value
    assert 0.75 * bound < mean(cell, "sine") <= bound
    assert mean(replace(cell, task="random"), "sine") < 0.6 * bound


def test_worst_task_hides_a_factor_under_twice_its_strength():
    cell = Cell("strength", 3000, 1.9, noise=0.01, task="worst", m=12, d=10)
    assert mean(cell, "sine") > 0.9
    assert mean(replace(cell, beta=2.4), "sine") < 0.6
    assert "sine" not in EXPERIMENT.theory(cell)


def test_shared_noise_breaks_the_bound_that_it_is_excluded_from():
    cell = Cell("samples", 900, 8.0, 0.5, noise=4.0, m=80, d=60)
    bound = EXPERIMENT.theory(cell)["sine"].value
    assert mean(cell, "sine", 4) < bound < 0.6
    assert mean(replace(cell, shared=1.0), "sine", 4) > bound + 0.1
    assert not EXPERIMENT.theory(replace(cell, shared=1.0))


def test_removal_takes_most_of_the_risk_that_a_broken_correlation_brings():
    cell = Cell("deployment", 2000, m=20, d=15)
    assert mean(cell, "risk") < 0.2 * mean(cell, "naive risk")


def test_weight_is_nothing_without_core_noise():
    found = {nu: mean(replace(CORES, core=nu, n=4000), "weight") for nu in (0.0, 1.0)}
    assert abs(found[0.0]) < 0.02
    np.testing.assert_allclose(found[1.0], 0.9 / 1.19, atol=0.05)


def test_right_side_is_infinite_where_samples_may_miss_the_factor():
    assert right_side(replace(PLAIN, n=9)) == float("inf")
    assert right_side(PLAIN) < 1 < right_side(replace(PLAIN, n=60))


def test_measured_does_not_depend_on_the_theory(monkeypatch):
    gone = [(module, name) for name in ("Prediction", "right_side", "_curation_theory")]
    measures_without_theory(monkeypatch, EXPERIMENT, SMALL, gone)


def test_theorem_1_figure_shows_every_sine_and_risk():
    cells = [replace(PLAIN, beta=b, n=n) for b in (8.0, 16.0) for n in (100, 400)] + [replace(PLAIN, shared=1.0)]
    for panel, field, values in (("complexity", "k", (4, 9)), ("strength", "beta", (3.0, 6.0))):
        base = Cell(panel, 300, 5.0, 1.0, 9, 0.3, m=20, d=15)
        cells += [replace(base, task=t, **{field: x}) for t in ("random", "worst") for x in values]
    cells += [Cell("deployment", n, m=20, d=15) for n in (100, 200, 400, 800)]
    cells += [TIME, replace(TIME, optimizer="adam")] + [replace(CORES, core=c) for c in (0.0, 1.0, 8.0)]
    found = rows(EXPERIMENT, cells, 2)
    shown = {"sine", "risk", "naive risk", "weight", "certificate", "descent"}
    found = [r for r in found if (r["panel"], r["quantity"]) != ("deployment", "sine")]
    assert means(r for r in found if r["quantity"] in shown) <= drawn(build(found))
