"""Shortcuts projected out or compensated in small nets: not learnt where a theorem says so, learnt otherwise."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import scipy.special
from experiment_runs import agreeing, measures_without_theory, rows

import synthetic.experiments.rerouting as module
from figures.plots.rerouting import build
from synthetic.experiment import generators

STEPS = (0, 40, 80)
NETS = [replace(c, width=6, steps=STEPS) for c in module.cells(True) if c.panel == "net"]
SHARES = [
    module.Cell("share", "write", metric=6.0, aligned=a, optimizer="momentum", width=6, steps=(0, 600))
    for a in (False, True)
]
STRENGTHS = [
    module.Cell("strength", "compensated", loss=loss, strength=x, random=r, width=6, steps=(0, 100))
    for loss in ("squared", "logistic")
    for x in (0.0, 1.0, 2.0)
    for r in (False, True)
]


@pytest.mark.slow
@pytest.mark.usefixtures("no_contracts")
def test_nets_agree_with_the_theorems_and_learn_the_shortcut_otherwise():
    found = agreeing(module.EXPERIMENT, NETS, 6, compared=39)
    end = {
        (r["phi"], r["method"], r["random"], r["frozen"], r["metric"], r["aligned"], r["quantity"]): r["mean"]
        for r in found
        if r["steps"] == STEPS[-1]
    }
    for phi in ("identity", "tanh"):
        assert end[phi, "none", False, "open", 1.0, False, "acquired"] > 0.8
        assert end[phi, "stream", True, "open", 1.0, False, "acquired"] > 0.5
        assert min(end[phi, m, False, "open", 1.0, False, "acquired"] for m in ("write", "read")) > 0.1
        assert end[phi, "stream", False, "open", 10.0, False, "cost"] > 0.1
    assert end["tanh", "write", False, "closed", 1.0, False, "acquired"] > 1e-3  # the law is for linear nets


@pytest.mark.slow
@pytest.mark.usefixtures("no_contracts")
def test_share_rerouted_by_training_is_that_of_the_metric():
    found = agreeing(module.EXPERIMENT, SHARES, 20, compared=4)
    free, kept = (
        next(r["mean"] for r in found if r["aligned"] is a and r["quantity"] == "share") for a in (False, True)
    )
    assert free > 0.1
    np.testing.assert_allclose(kept, 0, atol=1e-10)


@pytest.mark.slow
@pytest.mark.usefixtures("no_contracts")
def test_compensation_learns_what_the_loss_leaves_and_a_random_compensator_nothing_less():
    found = agreeing(module.EXPERIMENT, STRENGTHS, 6, compared=12)
    end = {(r["loss"], r["strength"], r["random"]): r["mean"] for r in found if r["steps"] == 100}
    assert end["squared", 2.0, False] < -1  # overshoots
    assert 0 < end["logistic", 2.0, False] < end["logistic", 1.0, False] < end["logistic", 0.0, False]
    assert end["squared", 2.0, True] > 0.9
    assert end["logistic", 1.0, True] > 1.2 * end["logistic", 1.0, False]


def test_logistic_reliance_solves_its_equation():
    a, t = 0.7, np.array([0.0, 0.3, 5.0, 400.0])
    b = module.logistic_reliance(a, t)
    np.testing.assert_allclose(np.exp(a + b) + b, np.exp(a) + t, rtol=1e-12)
    assert (b <= np.log1p(t * np.exp(-a)) + 1e-12).all()


@pytest.mark.slow
def test_reliance_is_measured_without_its_theory(monkeypatch):
    cells = [NETS[1], replace(SHARES[0], steps=(0, 20)), STRENGTHS[-2]]
    gone = [(module, name) for name in ("logistic_reliance", "_share_theory", "Prediction")]
    measures_without_theory(monkeypatch, module.EXPERIMENT, cells, [*gone, (scipy.special, "wrightomega")])


@pytest.mark.slow
def test_trial_depends_on_its_own_generator_alone():
    for cell in (NETS[5], STRENGTHS[3], replace(SHARES[0], steps=(0, 20))):
        few, many = (module.measure(cell, generators("x", cell, n)) for n in (2, 4))
        for quantity, array in few.items():
            np.testing.assert_allclose(many[quantity][:2], array, rtol=0, atol=1e-12)


@pytest.mark.slow
@pytest.mark.usefixtures("no_contracts")
def test_rerouting_figure_draws_six_panels():
    cells = [replace(c, steps=(0, 20)) for c in (*NETS, *SHARES, *STRENGTHS)]
    figure = build(rows(module.EXPERIMENT, cells, 2))
    assert all(len(ax.lines) >= 4 for ax in figure.axes)
    assert len(figure.axes) == 6
