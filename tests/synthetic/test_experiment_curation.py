"""Selection that entangles: the induced factor as derived, nothing where trait and input stay independent."""

from __future__ import annotations

from dataclasses import replace

import pytest
from experiment_runs import agreeing, measures_without_theory, rows

import grasp_theory.identification.spectra as spectra
import synthetic.experiments.curation as curation
import synthetic.generators.curation as ways
from figures.plots.curation import build
from synthetic.runner.deviation import deviation

STRONG = {"truncation": 1.5, "tilt": 0.8, "always-on": 1.0, "mixture": 0.8}
SMALL = {"m": 30, "d": 24, "n": 600, "noise": 2.0}


@pytest.mark.slow
def test_curation_teaches_what_is_derived_and_the_control_nothing():
    cells = [curation.Cell(way, x, t, **SMALL) for way, x in STRONG.items() for t in ("selected", "independent")]
    found = agreeing(curation.EXPERIMENT, cells, 30, compared=40)
    for way in STRONG:
        mean = {(r["trait"], r["quantity"]): r["mean"] for r in found if r["way"] == way}
        assert mean["selected", "beta"] > 1.2
        assert mean["selected", "left"] > 0.4
        assert abs(mean["independent", "beta"]) < 0.25
        assert mean["independent", "left"] < 0.2


@pytest.mark.slow
def test_curation_allowance_would_show_a_wrong_beta():
    """Power: a tenth more, or the trait's own sign, is a violation where the law is exact."""
    found = rows(curation.EXPERIMENT, [curation.Cell("tilt", 0.8, **SMALL)], 100)
    beta = next(r for r in found if r["quantity"] == "beta")
    for factor in (1.1, -1.0):
        assert deviation([beta | {"theory": factor * beta["theory"]}]).violations == 1


@pytest.mark.slow
def test_keeping_the_larger_half_opposes_trait_and_feature_and_half_does_nothing():
    at = {x: rows(curation.EXPERIMENT, [curation.Cell("truncation", x, **SMALL)], 100)[0] for x in (-1.0, 0.0)}
    assert at[0.0]["quantity"] == "beta"
    assert at[-1.0]["mean"] + 5 * at[-1.0]["se"] < 0
    assert abs(at[0.0]["mean"]) < 5 * at[0.0]["se"]


def test_curation_is_measured_without_its_theory(monkeypatch):
    cells = [curation.Cell(way, x, **SMALL) for way, x in STRONG.items()]
    gone = [(way, "induced") for way in (ways.Truncation, ways.Tilt, ways.AlwaysOn, ways.Mixture)]
    gone += [(spectra, "spike"), (spectra, "finite_size"), (curation, "_curated")]
    measures_without_theory(monkeypatch, curation.EXPERIMENT, cells, gone)


def test_quick_cells_are_among_the_full_ones():
    full, quick = curation.cells(False), curation.cells(True)
    assert set(quick) < set(full)
    assert {c.selection for c in quick if c.way == "mixture"} == {0, 0.25, 0.5, 0.75, 1}


@pytest.mark.slow
def test_curation_figure_draws_the_crossings_of_the_law():
    found = rows(curation.EXPERIMENT, [replace(c, **SMALL) for c in curation.cells(True)], 2)
    axes = build(found).axes
    assert len(axes) == 8
    crossed = [[float(line.get_xdata()[0]) for line in ax.lines if line.get_linestyle() == "--"] for ax in axes[:4]]
    assert [len(at) for at in crossed] == [1, 1, 2, 1]
    assert 0 < crossed[0][0] < 1.25
