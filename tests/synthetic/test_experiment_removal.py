"""The removal experiment: trained methods have the risks of their closed forms, and methods differ."""

from __future__ import annotations

from functools import cache

import experiment_runs
import numpy as np
import pytest
from experiment_runs import measures_without_theory, trials_do_not_depend_on_each_other

import grasp_theory.linear as linear
import synthetic.experiments.removal as removal
from figures.plots.removal import METHODS, build
from grasp_theory.linear import solutions
from grasp_theory.linear.regimes import risk_table
from synthetic.runner.deviation import deviation

CELLS = (
    removal.Cell("rho"),
    removal.Cell("rank", rank=3),
    removal.Cell("angle", angle=35.0),
    removal.Cell("condition", condition=4.0),
)
CLOSED_FORMS = (
    *(
        "ablated",
        "caft",
        "caft_ablated",
        "compensated",
        "constrained_fit",
        "delete_component",
        "grasp_both",
        "grasp_read",
    ),
    *("grasp_write", "naive_solution", "own_component", "posthoc_read", "posthoc_write", "preventative"),
)


@cache
def trained() -> list[dict]:
    return experiment_runs.rows(removal.EXPERIMENT, CELLS, 12)


@pytest.fixture
def rows(no_contracts) -> list[dict]:
    """Of all cells, made once: thousands of calls, whose annotations the other tests check."""
    return trained()


@pytest.mark.slow
def test_removal_trained_risks_are_those_of_the_closed_forms(rows):
    result = deviation(rows)
    assert result.violations == 0
    assert result.compared == 4 * 13 - 1  # preventative steering has no law at rank 3
    swapped = {"read GRASP": "post-hoc read", "deletion": "naive"}  # laws of other methods do not fit
    laws = {(row["panel"], row["quantity"]): row["theory"] for row in rows}
    wrong = [r | {"theory": laws[r["panel"], swapped[r["quantity"]]]} for r in rows if r["quantity"] in swapped]
    assert deviation(wrong).violations >= 6


def test_removal_theory_is_the_risk_table_at_full_rank():
    cell = CELLS[0]
    lines, law = removal.theory(cell), risk_table(removal.problems(cell)[0])
    for name, risk in law.items():
        np.testing.assert_allclose(lines[name].value, risk, rtol=1e-9)


def test_removal_random_direction_removes_nothing(rows):
    means = {row["quantity"]: row["mean"] for row in rows if row["panel"] == "rho"}
    np.testing.assert_array_less(0.8 * means["naive"], means["random"])
    np.testing.assert_array_less(means["post-hoc write"], 0.4 * means["naive"])
    np.testing.assert_array_less(means["post-hoc read"], means["read GRASP"])  # correlated inputs bring it back


def test_removal_bases_change_no_update():
    """The problem in other bases: the trained update is the same one, turned."""
    cell, rng = CELLS[3], np.random.default_rng(0)
    problem = removal.problems(cell)[0]
    Q, R = (removal.haar((n, n), rng=rng) for n in removal.SHAPE)
    A0 = rng.standard_normal((12, 16)) / 4
    D = removal.train_method("write GRASP", problem, A0=A0)
    E = removal.train_method("write GRASP", removal.turned(problem, Q, R), A0=A0 @ R.T)
    np.testing.assert_allclose(E, Q @ D @ R.T, atol=1e-6 * np.abs(D).max(), rtol=0)


def test_removal_angle_changes_the_split_and_not_the_data():
    true, believed = removal.problems(CELLS[2])
    np.testing.assert_allclose(believed.M, true.M, atol=1e-12)
    for a, b in ((true.u, believed.u), (true.v, believed.v)):
        np.testing.assert_allclose(np.degrees(np.arccos(a @ b)), 35, rtol=1e-9)


@pytest.mark.slow
def test_removal_measures_without_its_theory(monkeypatch):
    gone = [(solutions, name) for name in CLOSED_FORMS] + [(linear, "excess_risk")]
    measures_without_theory(monkeypatch, removal.EXPERIMENT, CELLS[:1], gone)


@pytest.mark.slow
def test_removal_trials_do_not_depend_on_each_other():
    trials_do_not_depend_on_each_other(removal.EXPERIMENT, CELLS[1], 1, 3)


@pytest.mark.slow
def test_removal_figure_draws_every_method_in_six_panels(rows):
    others = [row | {"panel": knob} for row in rows if row["panel"] == "rho" for knob in ("response", "beta")]
    figure = build(rows + others)
    assert len(figure.axes) == 6
    assert [text.get_text() for text in figure.legends[0].get_texts()] == list(METHODS)
