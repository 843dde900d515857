"""Worst and typical tasks: the search finds feasible tasks that attain the minimax angle, typical ones stay below."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from experiment_runs import agreeing, drawn, means, measures_without_theory, rows
from tolerance import backward

from figures.plots.worst_case import build
from grasp_theory.identification import floor, spectra
from grasp_theory.statements import complexity_law, minimax_angle
from synthetic.experiment import generators
from synthetic.experiments.worst_case import EXPERIMENT, Cell, _gradient, worst_task
from synthetic.generators.task_updates import haar

SMALL = (
    Cell("angle", 6, 8, 6, 0.3, "adversary"),
    Cell("angle", 6, 8, 6, 0.6, "adversary"),
    Cell("angle", 6, 8, 1, 0.6, "adversary"),
    Cell("angle", 48, 64, 48, 0.4, "flat"),
    Cell("angle", 48, 64, 48, 0.4, "iid"),
    Cell("complexity", 40, 60, 1, 0.9, "adversary"),
    Cell("complexity", 40, 60, 2, 0.9, "adversary"),
    Cell("complexity", 40, 60, 12, 0.9, "adversary"),
    Cell("complexity", 40, 60, 12, 0.9, "flat"),
    Cell("complexity", 40, 60, 40, 2.0, "adversary"),
)


def mean(cell, quantity="overlap"):
    return next(r["mean"] for r in rows(EXPERIMENT, [cell], 6) if r["quantity"] == quantity)


@pytest.mark.slow
def test_worst_case_agrees_with_the_laws_and_draws():
    agreeing(EXPERIMENT, SMALL, 6, compared=2 * len(SMALL))


def test_the_worst_task_is_flat_of_its_norm_and_turns_the_singular_vector_by_the_sine_returned():
    rngs = generators("worst", SMALL[0], 4)
    u, v = (np.stack([haar((n, 1), rng=rng)[:, 0] for rng in rngs]) for n in (6, 8))
    for rank in (1, 6):
        T, sine = worst_task(u, v, tau=0.4, rank=rank, rngs=rngs)
        values = np.linalg.svd(T, compute_uv=False)
        np.testing.assert_allclose(
            values, np.tile(0.4 * (np.arange(6) < rank), (4, 1)), atol=backward((6, 8), float, 1)
        )
        for t, a, b, s in zip(T, u, v, sine, strict=True):
            top = np.linalg.svd(t + np.outer(a, b))[0][:, 0]
            np.testing.assert_allclose(np.linalg.norm(a - top * (top @ a)), s, atol=1e3 * backward((6, 8), float, 1))


def test_the_ascent_direction_is_the_gradient_of_the_overlap():
    rng = np.random.default_rng(5)
    u, M = haar((6, 1), rng=rng).T, rng.standard_normal((1, 6, 8))
    G, h = _gradient(M, u)[1][0], 1e-5

    def overlap(X):
        return abs(np.linalg.svd(X)[0][:, 0] @ u[0])

    numeric = np.zeros_like(G)
    for i in np.ndindex(*G.shape):
        E = np.zeros_like(G)
        E[i] = h
        numeric[i] = (overlap(M[0] + E) - overlap(M[0] - E)) / (2 * h)
    np.testing.assert_allclose(G, -numeric / np.linalg.norm(numeric), atol=h)


def test_a_task_that_writes_u_too_breaks_the_law_of_random_ones():
    random = Cell("complexity", 40, 60, 2, 2.0, "flat")
    assert mean(replace(random, task="shares u")) > mean(random) + 0.3
    assert "overlap" not in EXPERIMENT.theory(replace(random, task="shares u"))


@pytest.mark.slow
def test_the_worst_task_crosses_the_bound_tau_over_beta_and_the_border():
    assert mean(SMALL[0], "sine") > 1.05 * 0.3
    assert mean(replace(SMALL[0], size=0.45), "sine") < 0.6
    assert mean(replace(SMALL[0], size=0.55), "sine") > 0.99


@pytest.mark.slow
@pytest.mark.usefixtures("no_contracts")
def test_measured_worst_cases_do_not_depend_on_the_theory(monkeypatch):
    gone = [(minimax_angle, "value"), (minimax_angle, "sharp"), (complexity_law, "law")]
    gone += [(spectra, "spike"), (floor, "white_edge")]
    # the law of rank one, min(1, tau), needs no function
    measures_without_theory(monkeypatch, EXPERIMENT, SMALL, gone, asks=lambda cell: cell.rank > 1)


@pytest.mark.slow
def test_worst_case_figure_shows_every_mean():
    cells = [replace(c, size=s) for c in SMALL[:1] for s in (0.2, 0.6)]
    cells += [replace(cells[0], rank=1), *SMALL[3:5]]
    cells += [
        Cell("complexity", 20, 30, k, size, t)
        for size in (0.9, 2.0)
        for t in ("adversary", "flat", "shares u")
        for k in (1, 8)
    ]
    found = rows(EXPERIMENT, cells, 2)
    wanted = [r for r in found if r["quantity"] == ("sine" if r["panel"] == "angle" else "overlap")]
    assert means(wanted) <= drawn(build(found))
