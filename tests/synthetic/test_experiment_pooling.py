"""Pooled layers: stacks follow the law, other ways of pooling and shared tasks do not."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from experiment_runs import agreeing, drawn, means, measures_without_theory, rows
from tolerance import backward

from figures.plots.pooling import build
from grasp_theory.identification import spectra
from synthetic.experiments.pooling import EXPERIMENT, Cell, _tasks, measure
from synthetic.generators.task_updates import haar

STACK = Cell("overlap", 48, 40, 8, 3.0)
SMALL = (
    STACK,
    replace(STACK, profile="decaying"),
    replace(STACK, profile="one layer"),
    replace(STACK, strength=0.3),
    replace(STACK, pool="sum"),
    replace(STACK, panel="border"),
    replace(STACK, panel="border", pool="sum"),
)


def means_of(*cells):
    return [r["mean"] for r in rows(EXPERIMENT, cells, 12)]


@pytest.mark.slow
def test_pooling_agrees_with_the_laws():
    agreeing(EXPERIMENT, SMALL, 12, compared=len(SMALL))


@pytest.mark.parametrize("pool", ["stack", "sum"])
def test_overlap_is_that_of_the_matrix_put_together(pool):
    cell = replace(STACK, profile="decaying", pool=pool, shared=0.5)
    rng = np.random.default_rng(3)
    u, layers = haar((cell.m, 1), rng=rng), []
    for weight, T in zip(cell.weights, _tasks(cell, rng), strict=True):
        layers.append(T + cell.total * weight * u @ haar((cell.d, 1), rng=rng).T)
    left, values, _ = np.linalg.svd(np.hstack(layers) if pool == "stack" else sum(layers))
    expected = (left[:, 0] @ u[:, 0]) ** 2
    found = measure(cell, [np.random.default_rng(3)])["overlap"][0]
    gap = 1 - (values[1] / values[0]) ** 2
    np.testing.assert_allclose(found, expected, atol=backward((cell.m, cell.d * cell.layers), float, 1 / gap))


def test_adding_layers_up_or_sharing_a_direction_hides_what_a_stack_shows():
    stack, added, shared = means_of(STACK, replace(STACK, pool="sum"), replace(STACK, shared=2.0))
    assert stack > 0.6
    assert max(added, shared) < 0.25
    assert not EXPERIMENT.theory(replace(STACK, shared=2.0))


@pytest.mark.slow
def test_a_stack_of_16_layers_needs_about_half_the_strength_of_one_and_the_controls_gain_nothing():
    one, many = (replace(STACK, panel="border", layers=n) for n in (1, 16))
    alone, stack, added, shared = means_of(one, many, replace(many, pool="sum"), replace(many, shared=2.0))
    assert 0.35 < stack / alone < 0.55
    assert added > 0.9 * alone
    assert shared > 1.2 * alone


def test_measured_pooling_does_not_depend_on_the_theory(monkeypatch):
    gone = [(spectra, name) for name in ("spike", "critical_strength", "finite_size")]
    measures_without_theory(monkeypatch, EXPERIMENT, SMALL, gone)


def test_pooling_figure_shows_every_mean():
    small = replace(STACK, m=10, d=8)
    cells = [replace(small, layers=n, strength=x) for n in (1, 8) for x in (1.0, 3.0)]
    cells += [replace(small, **change) for change in ({"profile": "decaying"}, {"profile": "one layer"})]
    controls = [{"shared": 2.0}, {"pool": "sum"}]
    cells += [replace(small, **c) for c in controls]
    cells += [replace(small, panel="border", layers=n, **c) for c in [{}, *controls] for n in (1, 4)]
    found = rows(EXPERIMENT, cells, 2)
    assert means(found) <= drawn(build(found))
