"""The tail experiment: its laws hold at small size, the wrong component hurts, a random direction helps nothing."""

from __future__ import annotations

import numpy as np
import pytest
from experiment_runs import agreeing, measured, measures_without_theory, rows, trials_do_not_depend_on_each_other
from tolerance import backward

import synthetic.experiments.tail as tail
from figures.plots.tail import build
from synthetic.experiment import generators
from synthetic.runner.deviation import deviation

CELL = tail.Cell(192, 256, (1.0, 0.6, 0.3), 0.12, "free", (1, 2, 3, 4))


def at(beta: float, place: tail.Place = "free") -> tail.Cell:
    return tail.Cell(CELL.m, CELL.d, CELL.strengths, beta, place, CELL.components)


@pytest.mark.slow
@pytest.mark.usefixtures("no_contracts")
def test_tail_laws_hold_at_small_size():
    cells = [at(0.12), at(3.0), *(at(x, "apart") for x in (0.12, 0.45, 3.0))]
    found = agreeing(tail.EXPERIMENT, cells, 30, compared=5 * 20)
    exact = [row for row in found if row["place"] == "apart" and row["theory"] > 0.01]
    wrong = deviation(row | {"theory": 1.01 * row["theory"]} for row in exact if row["quantity"] != "random")
    assert wrong.violations == wrong.compared > 30  # the same rows refute laws that are 1% off


@pytest.mark.slow
def test_tail_nothing_is_held_at_a_crossing():
    assert {row["relation"] for row in rows(tail.EXPERIMENT, [at(0.61)], 30) if row["quantity"] == "delete"} == {"~"}


@pytest.mark.slow
def test_tail_deleting_the_first_component_hurts_and_a_random_direction_removes_nothing():
    weak, strong = (measured(tail.EXPERIMENT, at(x), 30) for x in (0.12, 3.0))
    for values in (weak, strong):
        naive = values["naive"].mean()
        np.testing.assert_array_less(values["factor"].mean(), 0.2 * naive)
        np.testing.assert_array_less(0.95 * naive, values["random"].mean())
    np.testing.assert_array_less(20 * weak["naive"].mean(), weak["delete"][:, 0].mean())
    np.testing.assert_array_equal(strong["delete"][:, 0], strong["factor"])
    np.testing.assert_array_equal(weak["position"], 4)
    np.testing.assert_array_equal(strong["position"], 1)


def test_tail_projecting_a_components_left_direction_deletes_it():
    values, scale = measured(tail.EXPERIMENT, at(0.45), 30), 0.45**2 + 1.45
    np.testing.assert_allclose(values["project"], values["delete"], atol=backward((192, 256), float, scale), rtol=0)
    np.testing.assert_allclose(values["first"][:, 0], values["project"][:, 0], rtol=0, atol=1e-12)


def test_tail_measure_equals_a_dense_svd():
    cell = at(0.45)
    rng = generators("tail", cell, 1)[0]
    U, V = (tail.haar((n, 4), rng=rng) for n in (cell.m, cell.d))
    U[:, 3], V[:, 3] = (tail.haar((n, 1), rng=rng)[:, 0] for n in (cell.m, cell.d))
    T = U[:, :3] * np.array(cell.strengths) @ V[:, :3].T
    left, s, right = np.linalg.svd(T + 0.45 * np.outer(U[:, 3], V[:, 3]), full_matrices=False)
    risks = [
        np.sum((left[:, :4] * s[:4] @ right[:4] - s[i] * np.outer(left[:, i], right[i]) - T) ** 2) for i in range(4)
    ]
    np.testing.assert_allclose(measured(tail.EXPERIMENT, cell, 1)["delete"][0], risks, rtol=1e-10, atol=1e-12)


def test_tail_measures_without_its_theory(monkeypatch):
    gone = [(tail, "theory"), (tail, "Prediction")]
    measures_without_theory(monkeypatch, tail.EXPERIMENT, [CELL], gone, asks=lambda cell: False)


def test_tail_trials_do_not_depend_on_each_other():
    trials_do_not_depend_on_each_other(tail.EXPERIMENT, CELL, 2, 4)


@pytest.mark.slow
def test_tail_figure_is_drawn_from_few_rows():
    found = rows(tail.EXPERIMENT, [at(0.12), at(0.45), at(0.12, "apart")], 30)
    text = [row | {"strengths": str(row["strengths"])} for row in found]
    assert len(build(text).axes) == 4
