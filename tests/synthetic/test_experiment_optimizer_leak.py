"""Optimiser leak, LoRA and peft's OSF: 0 where a theorem says so, large where it does not, measured without theory."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from experiment_runs import agreeing, measures_without_theory, rows

import real_models.experiments.osf_leak as osf
import synthetic.experiments.optimizer_leak as lora
from figures.plots.optimizer_leak import build
from synthetic.experiment import generators
from synthetic.runner.deviation import deviation

STEPS = (1, 8, 64)
SMALL = {"m": 10, "d": 8, "steps": STEPS}


def small(cell):
    return replace(cell, **SMALL, rank=6 if cell.method == "OSF" else min(cell.rank, 8))


def last(found, side):
    return {(r["optimizer"], r["projected"]): r["mean"] for r in found if r["quantity"] == side and r["steps"] == 64}


@pytest.mark.slow
@pytest.mark.usefixtures("no_contracts")
def test_lora_leak_agrees_with_the_theorems_and_differs_from_them_without_projection():
    found = agreeing(lora.EXPERIMENT, [small(cell) for cell in lora.cells(True) if cell.rank == 6], 4, compared=44)
    write, read = last(found, "write"), last(found, "read")
    for optimizer in ("sgd", "momentum", "adam", "adamw"):
        assert min(write[optimizer, "nothing"], read[optimizer, "nothing"]) > 0.1
        assert min(read[optimizer, "gradient"], read[optimizer, "update"]) > 1e-3
        assert max(write[optimizer, "parameter"], read[optimizer, "parameter"]) < 1e-12
    assert min(write["adam", "gradient"], write["adamw", "gradient"]) > 0.03
    assert max(write["sgd", "gradient"], write["momentum", "gradient"]) < 1e-12


def test_lora_leak_at_rank_d_is_all_there_is_in_the_end():
    """Statement optimizer-leak (v); the control is the projected parameter."""
    cells = [lora.Cell("LoRA", "sgd", p, "read", 8, 0.05, m=10, d=8, steps=(1, 512)) for p in ("gradient", "parameter")]
    free, kept = (lora.measure(c, generators("leak", c, 2))["read"][:, -1] for c in cells)
    np.testing.assert_allclose(free, 1, atol=1e-5)
    np.testing.assert_allclose(kept, 0, atol=1e-12)


@pytest.mark.slow
@pytest.mark.usefixtures("no_contracts")
def test_first_adam_step_gives_back_36_percent():
    cell = lora.Cell("LoRA", "adam", "gradient", "write", 6, 0.005, steps=(1,))
    found = rows(lora.EXPERIMENT, [cell], 300)
    first = next(r for r in found if r["quantity"] == "first step")
    assert first["relation"] == "="
    assert 5 * first["se"] + first["finite"] < 0.1  # the test has power
    assert deviation(found).violations == 0


@pytest.mark.slow
@pytest.mark.usefixtures("no_contracts")
def test_osf_leak_is_rounding_under_sgd_and_not_under_adam():
    cells = [replace(small(cell), steps=(1, 64)) for cell in osf.cells(True)]
    found = agreeing(osf.EXPERIMENT, cells, 2, compared=24)
    for side in ("write", "read"):
        end = last(found, side)
        for optimizer in ("sgd", "momentum", "adam", "adamw"):
            assert end[optimizer, "nothing"] > 0.3
            assert end[optimizer, "parameter"] < 1e-5
        assert min(end["adam", "gradient"], end["adamw", "gradient"]) > 0.01
        assert max(end["sgd", "gradient"], end["momentum", "gradient"]) < 1e-5


def test_leak_is_measured_without_its_theory(monkeypatch):
    for module in (lora, osf):
        gone = [(module, "Prediction"), (lora, "_first_leak")]
        measures_without_theory(monkeypatch, module.EXPERIMENT, [small(module.cells(True)[1])], gone)


@pytest.mark.slow
def test_leak_figure_draws_every_panel():
    found = rows(lora.EXPERIMENT, [small(lora.cells(True)[n]) for n in (0, 1)], 2)
    figure = build(found + rows(osf.EXPERIMENT, [small(osf.cells(True)[1])], 2))
    assert [len(ax.lines) for ax in figure.axes[:4]] == [2, 0, 1, 0]
