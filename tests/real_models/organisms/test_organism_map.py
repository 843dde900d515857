"""Who wins over the organism's knobs: the score at matched task, and a map that ranks only who reaches it."""

from __future__ import annotations

import dataclasses

import numpy as np
from tiny_organism import LANGUAGE, RUN, SMALL

import real_models.experiments.organism_map as module
from figures.plots.organism_map import METHODS, build
from real_models.comparison.experiment import Cell

KNOBS = [(c, w) for w in (4, 8) for c in (0.5, 1.0)]


class Small(Cell):
    """Of the small organism."""

    @property
    def run_spec(self):
        language = dataclasses.replace(LANGUAGE, curation=self.curation)
        return dataclasses.replace(RUN, organism=dataclasses.replace(SMALL, language=language))


def test_organism_map_interpolates_to_the_task_score(monkeypatch):
    values = {"task": (0.0, 0.9, 1.0), "drift": (0.1, 0.4, 0.8), "kept": (1.0, 0.98, 0.9)}
    curves = {name: np.array([v]) for name, v in values.items()}
    monkeypatch.setattr(module.comparison, "measure", lambda cell, rngs: curves)
    cell = Cell("style", 0, "naive", 0.0, points=(0, 10, 20))
    found = module.measure(cell, [])
    np.testing.assert_allclose([found[q][0] for q in ("excess", "kept", "reached", "steps")], [0.5, 0.94, 1, 15])
    curves["task"] = np.array([[0.0, 0.5, 0.9]])
    found = module.measure(cell, [])
    np.testing.assert_allclose([found[q][0] for q in ("excess", "reached", "steps")], [0.7, 0, 20])


def test_organism_map_measures_a_naive_run_and_its_edit(monkeypatch, tmp_path):
    monkeypatch.setenv("GRASP_CACHE", str(tmp_path))
    naive, edit = (
        module.measure(Small("style", 0, method, knob, curation=0.5, points=(0, 8, 16)), [])
        for method, knob in (("naive", 0.0), ("edit", 1.0))
    )
    assert naive["excess"] != edit["excess"]


def rows(excess, reached=None):
    """One row a quantity for every method and knob. excess, reached : of (method, curation, withheld)."""
    out = []
    for c, w in KNOBS:
        for method in METHODS:
            key = {"organism": 0, "method": method, "curation": c, "withheld": w}
            at = method, c, w
            out.append(key | {"quantity": "excess", "mean": excess.get(at, 0.5)})
            out.append(key | {"quantity": "reached", "mean": (reached or {}).get(at, 1.0)})
    return out


def test_organism_map_names_the_least_of_those_that_reach_the_task():
    excess = {("edit", 0.5, 4): 0.2, ("null-space", 1.0, 8): 0.1, ("compensated, activations", 1.0, 8): 0.3}
    reached = {("null-space", 1.0, 8): 0.0}
    figure = build(rows(excess, reached))
    words = {text.get_position(): text.get_text() for text in figure.axes[0].texts}
    assert words[0, 0] == "edit\n0.20\nnaive\n0.50"
    assert words[1, 1] == "compensated\n0.30\nnaive\n0.50"
    assert {text.get_text() for text in figure.axes[5].texts} == {"0.50", "not\nreached"}
    assert "null-space\n0.10\ncompensated\n0.30" in {t.get_text() for t in build(rows(excess)).axes[0].texts}  # control
