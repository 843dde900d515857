"""Samples: both SVDs follow their laws, low rank lies between them, and noise that outputs share breaks them."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from experiment_runs import agreeing, drawn, means, measures_without_theory, rows
from tolerance import backward

from figures.plots.samples import build
from grasp_theory.identification import spectra
from grasp_theory.statements.shared import spiked
from synthetic.experiment import generators
from synthetic.experiments.samples import EXPERIMENT, Cell, measure

EVEN = Cell(40, 48, 240, 1.0)
UNEVEN = replace(EVEN, inputs="uneven", n=480)
RANKED = replace(EVEN, noise=1.4, rank=(1, 4, 40))
SMALL = (EVEN, replace(EVEN, n=30, noise=0.4), replace(EVEN, noise=4.0), UNEVEN, RANKED)


def means_of(cell):
    return {(r["quantity"], r["rank"]): r["mean"] for r in rows(EXPERIMENT, [cell], 8)}


def test_samples_agree_with_the_laws():
    agreeing(EXPERIMENT, SMALL, 8, compared=3 + 1 + 3 + 3 + 5)


def test_below_as_many_samples_as_inputs_only_the_outputs_show_the_factor():
    found = means_of(replace(EVEN, n=44, noise=0.4))
    assert found["whitened", None] > 0.6
    assert found["raw", None] < 0.3


def test_uneven_inputs_separate_weights_from_outputs_and_break_the_even_law():
    found = means_of(UNEVEN)
    assert found["whitened", None] > found["raw", None] + 0.3
    even = EXPERIMENT.theory(replace(UNEVEN, inputs="isotropic", noise=UNEVEN.noise / UNEVEN.variance**0.5))
    assert even["raw"].value > found["raw", None] + 0.2


def test_noise_that_outputs_share_hides_the_factor_from_both():
    shared = replace(EVEN, common=1.0)
    found = means_of(shared)
    assert means_of(EVEN)["whitened", None] > 0.6
    assert max(found["whitened", None], found["raw", None]) < 0.2
    assert not EXPERIMENT.theory(shared)


def test_fits_of_rank_one_and_of_full_rank_are_the_two_svds_and_others_lie_between():
    found = measure(RANKED, generators("fit", RANKED, 6))
    slack = 1e3 * backward((RANKED.m, RANKED.n), float, 1.0)
    np.testing.assert_allclose(found["fit"][:, 0], found["whitened"], atol=slack)
    np.testing.assert_allclose(found["fit"][:, 2], found["raw"], atol=slack)
    one, four, full = found["fit"].mean(axis=0)
    assert one > four + 0.05 > full + 0.05


def test_measured_samples_do_not_depend_on_the_theory(monkeypatch):
    gone = [(spectra, "spike"), (spectra, "critical_strength"), (spiked, "sample_law"), (spiked, "anisotropic_law")]
    measures_without_theory(monkeypatch, EXPERIMENT, SMALL, gone)


def test_samples_figure_shows_every_left_overlap():
    small = Cell(10, 12, 40, 1.4)
    cells = [replace(small, n=n, noise=s) for s in (1.4, 0.5) for n in (10, 40)]
    cells += [replace(small, inputs="uneven", n=n) for n in (10, 40)] + [replace(small, common=1.0)]
    cells += [replace(small, n=n, rank=(1, 10)) for n in (30, 40)]
    found = rows(EXPERIMENT, cells, 2)
    ranked = {r["seed"] for r in found if r["quantity"] == "fit"}
    shown = [r for r in found if r["quantity"] in ("raw", "whitened") and r["seed"] not in ranked and not r["common"]]
    shown += [r for r in found if r["quantity"] == "fit" or (r["quantity"] == "whitened" and r["common"])]
    assert means(shown) <= drawn(build(found))
