"""Overlaps along LoRA training follow the flow from LoRA's own start; the first step sees v through A0's rows only."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from experiment_runs import agreeing, measures_without_theory, rows

import grasp_theory.identification.spectra as spectra
import grasp_theory.linear.training as training
import synthetic.experiments.training_time as module
from figures.plots.training_time import build
from synthetic.experiment import generators

PATH = module.Cell("path", "sgd", 4, step=0.02, m=14, d=10, times=(0.1, 1.0, 2.0, 4.0))
START = module.Cell("start", "sgd", 16, step=0.02, m=48, d=32, times=(0.02,))


def test_path_of_descent_is_the_flow_at_low_and_at_full_rank():
    agreeing(
        module.EXPERIMENT, [replace(PATH, rank=r, draw=n) for r in (1, 4, 10) for n in range(3)], 2, compared=9 * 8
    )


def test_path_differs_from_the_flow_by_the_first_order_in_the_step():
    def error(step):
        cell = replace(PATH, step=step)
        law = module.theory(cell)
        found = module.measure(cell, generators("path", cell, 1))
        return np.concatenate([found[side][0] - law[side].value for side in ("left", "right")])

    coarse, fine = error(0.02), error(0.01)
    np.testing.assert_allclose(np.linalg.norm(fine) / np.linalg.norm(coarse), 0.5, atol=0.03)


def test_path_of_descent_does_not_notice_a_change_of_coordinates_and_adams_does():
    spread = {}
    for optimizer in ("sgd", "adam"):
        cell = replace(PATH, optimizer=optimizer)
        spread[optimizer] = module.measure(cell, generators("path", cell, 3))["left"].std(axis=0).max()
    assert spread["sgd"] < 1e-9
    assert spread["adam"] > 1e-3


@pytest.mark.slow
def test_start_agrees_with_its_laws_and_random_directions_see_nothing():
    cells = [replace(START, optimizer=o, rank=r) for o in ("sgd", "adam") for r in (2, 16, 32)]
    found = agreeing(module.EXPERIMENT, cells, 8, compared=19)
    at = {(r["optimizer"], r["rank"], r["quantity"]): r["mean"] for r in found}
    for optimizer in ("sgd", "adam"):
        assert at[optimizer, 32, "left"] > 10 * at[optimizer, 32, "left control"]
        assert at[optimizer, 2, "right"] < 0.3 * at[optimizer, 32, "right"]
    assert at["sgd", 16, "left"] > 1.3 * at["sgd", 16, "right"]


def test_first_step_reads_within_the_rows_of_its_start():
    """dW_1 = dW_1 P with P the projector on row(A0), under either optimiser, so ⟨v̂,v⟩² <= ‖P v‖² in every draw."""
    for optimizer in ("sgd", "adam"):
        cell = replace(START, optimizer=optimizer, rank=4)
        for rng in generators("rows", cell, 5):
            start = module.drawn(cell, rng)
            _, v_hat = module.trained(cell, [start], [1])
            seen = float(np.sum((start.A0 @ start.v) ** 2)) / module.ALPHA**2
            np.testing.assert_array_less((v_hat[0, 0] @ start.v) ** 2, seen + 1e-12)


def test_overlaps_are_measured_without_their_theory(monkeypatch):
    gone = [(training, "riccati_flow"), (training, "lora_curve"), (spectra, "spike"), (spectra, "finite_size")]
    measures_without_theory(monkeypatch, module.EXPERIMENT, [PATH, replace(PATH, rank=10), START], gone)


@pytest.mark.slow
def test_training_time_figure_draws_paths_and_starts():
    cells = [replace(c, optimizer=o) for o in ("sgd", "adam") for c in (PATH, START, replace(START, rank=32))]
    figure = build(rows(module.EXPERIMENT, cells, 2))
    assert [len(ax.lines) for ax in figure.axes] == [2, 2, 7, 2, 2, 6]
