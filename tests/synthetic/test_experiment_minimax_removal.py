"""The removal that costs least in the worst case: the search meets the law, and what beats deletion."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from experiment_runs import agreeing, drawn, means, rows

from figures.plots.minimax_removal import build
from synthetic.experiment import generators
from synthetic.experiments.minimax_removal import EXPERIMENT, Cell, measure
from synthetic.runner.deviation import deviation

CELL = Cell("beta known", 0.84, 0.4, 1.0)
SEEN = Cell("second value seen", 1.05, 0.3, 1.0, 1.15, 0.1)


def worst(cell: Cell) -> float:
    return float(measure(cell, generators(EXPERIMENT.name, cell, 1))["worst"][0])


def test_minimax_removal_search_finds_the_worst_explanation_of_the_law():
    cells = [replace(CELL, beta=b, amount=n) for b in (0.8, 1.0, 1.2) for n in (0.7, 1.0)]
    found = agreeing(EXPERIMENT, [*cells, Cell("beta unknown", 0.9, 0.4), SEEN], 2, compared=len(cells) + 2)
    wrong = deviation(r | {"theory": 1.02 * r["theory"]} for r in found if r["relation"] == "=")
    assert wrong.violations == wrong.compared == len(cells) + 1


def test_minimax_removal_deletion_costs_more_where_beta_is_known_and_hardly_where_not():
    best = CELL.s**2 - CELL.tau**2  # beta κ at beta = s
    saved = worst(replace(CELL, amount=1.0)) - worst(replace(CELL, amount=best))
    np.testing.assert_allclose(saved, (1 - best) ** 2, rtol=1e-3)
    unknown = [worst(Cell("beta unknown", n, 0.4)) for n in (0.8, 0.987, 1.0)]
    assert unknown[1] < 0.95 * unknown[0]
    assert abs(unknown[2] - unknown[1]) < 0.02 * unknown[1]


def test_minimax_removal_raising_a_second_value_that_is_seen_costs_less():
    assert worst(replace(SEEN, amount=0.952, second=-0.048)) < 0.98 * worst(SEEN)
    assert worst(replace(SEEN, second=0.1)) > worst(SEEN)  # taking it away as well costs more


@pytest.mark.slow
def test_minimax_removal_figure_shows_every_worst_case():
    cells = [replace(CELL, amount=n) for n in (0.7, 1.0)] + [replace(SEEN, amount=n) for n in (0.9, 1.1)]
    found = rows(EXPERIMENT, [*cells, *(Cell("beta unknown", n, 0.4) for n in (0.7, 1.0))], 2)
    assert means(found) <= drawn(build(found))
