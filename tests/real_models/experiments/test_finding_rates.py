"""Rates on real adapters: how they are counted and planted, that two steps raise nothing, and what is committed."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import tolerance

import real_models.experiments.finding_rates as early
import real_models.experiments.planted_rates as inside
from figures.catalogue import builder
from figures.rates import FACTS, NOT_YET, Rate, alarms, rate
from figures.rows import FOLDER, read_rows
from grasp_theory import InputError, LowRank, identify
from grasp_theory.identification.rule import NOTE_EARLY
from real_models.audit import findings, places
from synthetic.experiment import generators, table
from synthetic.generators.adapters import AdapterSpec, draw_adapter


def rows_of(name: str) -> list[dict]:
    return read_rows(FOLDER / f"{name}.csv")


def test_finding_rates_count_every_key_that_the_findings_have():
    sources = [Path(module.__file__).read_text(encoding="utf-8") for module in (findings, places)]
    written = re.findall(r'audit\.finding\(\s*"([a-z-]+)"', "".join(sources))
    assert sorted(early.KEYS) == sorted(set(written))
    assert {*FACTS, *NOT_YET} < set(early.KEYS)


def test_rate_counts_cells_without_a_quantity_as_never():
    rows = [
        {"quantity": "verdict", "mean": 0.0, "trials": 4},
        {"quantity": "verdict", "mean": 0.5, "trials": 6},
        {"quantity": "depth", "mean": 1 / 3, "trials": 6},
    ]
    assert rate(rows, "verdict") == Rate(3, 10)
    assert rate(rows, "depth") == Rate(2, 10)
    assert rate(rows, "huge") == Rate(0, 10)
    np.testing.assert_allclose(Rate(0, 10).interval, (0, 1 - 0.025**0.1), rtol=0, atol=1e-12)
    with pytest.raises(ZeroDivisionError):
        rate([], "verdict")


@pytest.mark.parametrize("strength", [0.0, 0.5, 2.0])
@pytest.mark.parametrize("write", [True, False])
def test_plant_adds_one_shared_direction_of_that_strength(rng, strength, write):
    updates, _ = draw_adapter(AdapterSpec(layers=4, width=32, inputs=24, rank=4), rng=rng)
    if not write:
        updates = [replace(x, side="read") for x in updates]
    names = {x.name for x in updates[:3]}
    planted, u = inside.plant(updates, names, strength, rng=rng)
    assert planted[3] is updates[3]
    for before, after in zip(updates[:3], planted, strict=False):
        largest = before.lowrank.norm(2)
        added = after.lowrank @ np.eye(24) - before.lowrank @ np.eye(24)
        off = tolerance.backward(added.shape, np.float64, (1 + strength) * largest)
        P = np.outer(u, u)
        np.testing.assert_allclose(P @ added if write else added @ P, added, rtol=0, atol=off)
        np.testing.assert_allclose(np.linalg.norm(added), strength * largest, rtol=0, atol=off)


def test_verdict_waits_until_training_has_begun(rng):
    """The signs of a planted factor, as one step of Adam leaves them; the control has them with unequal sizes."""
    updates, _ = draw_adapter(AdapterSpec(strength=2.0), rng=rng)

    def with_b(change):
        return identify([replace(x, source=LowRank(change(x.lowrank.B), x.lowrank.A)) for x in updates])

    first = with_b(lambda B: 0.05 * np.sign(B))
    assert first.verdict == "none can be told"
    assert not any(c.stands_out for d in first.decompositions for c in d.components)
    assert NOTE_EARLY in first.notes
    later = with_b(lambda B: 0.05 * np.sign(B) * np.abs(rng.standard_normal(B.shape)))
    assert later.verdict == "one stands out"
    assert NOTE_EARLY not in later.notes
    tiny = with_b(lambda B: 1e-4 * B)  # below 2% of A, whose start is peft's
    assert tiny.verdict == "none can be told"


@pytest.mark.parametrize(
    ("cell", "changes", "match"),
    [
        (early.Cell(early.SMALL[0], "q, v", 4, 1e-3), {"points": ()}, "points"),
        (early.Cell(early.SMALL[0], "q, v", 4, 1e-3), {"points": (2, 0)}, "points"),
        (early.Cell(early.SMALL[0], "q, v", 4, 1e-3), {"model": "gpt"}, "model must be one of"),
        (early.Cell(early.SMALL[0], "q, v", 4, 1e-3), {"rank": 0}, "r must be"),
        (inside.Cell(early.SMALL[0], "write", 4, 50), {"steps": 0}, "needs steps"),
        (inside.Cell(early.SMALL[0], "write", 4, 50), {"modules": "some"}, "modules must be one of"),
        (inside.Cell(next(iter(inside.PUBLIC))), {"strengths": (-1.0,)}, "strengths"),
    ],
)
def test_cells_refuse_what_is_no_run(cell, changes, match):
    with pytest.raises(InputError, match=match):
        replace(cell, **changes)


def test_runs_say_what_they_need(monkeypatch):
    monkeypatch.delenv("GRASP_REAL", raising=False)
    with pytest.raises(InputError, match="set GRASP_REAL to the folder"):
        early.measure(early.Cell(early.SMALL[0], "q, v", 1, 1e-3, points=(1,)), [np.random.default_rng(0)])


def test_two_real_steps_raise_nothing_and_forty_are_a_trained_run(real, monkeypatch):
    monkeypatch.setenv("GRASP_REAL", str(real))
    cell = early.Cell(early.SMALL[0], "q, v", 16, 1e-3, points=(0, 2, 40))
    found = early.measure(cell, generators("finding-rates", cell, 2))
    assert {name for name, fired in found.items() if fired[:, :2].any()} == {"hardly-begun", "nothing-learnt"}
    for name, when in (("nothing-learnt", [1, 0, 0]), ("hardly-begun", [0, 1, 0]), ("trained", [0, 0, 1])):
        np.testing.assert_array_equal(found[name], [when] * 2)


def test_a_strong_plant_in_a_public_adapter_is_found_and_the_control_is_not(real, monkeypatch):
    monkeypatch.setenv("GRASP_REAL", str(real))
    cell = inside.Cell("DistilBERT q and v, r 4", strengths=(0.0, 2.0))
    found = inside.measure(cell, generators("planted-rates", cell, 2))
    np.testing.assert_array_equal(found["finding"], [[0, 1]] * 2)
    np.testing.assert_array_equal(found["component 0"], [[0, 1]] * 2)
    assert len(table(inside.EXPERIMENT, cell, found)) == 2 * len(found)


def test_committed_rates_of_runs_that_have_not_begun():
    """No finding on more than 5% of them, with its whole interval where there are runs enough."""
    rows = rows_of("finding_rates")
    start, two = ([r for r in rows if r["points"] == n] for n in (0, 2))
    assert rate(start, "nothing-learnt").value == 1
    assert rate(two, "verdict").trials >= 100
    for part in (start, two):
        for name in (*alarms(rows), *FACTS):
            assert rate(part, name).interval[1] < 0.05, name


def test_committed_rates_of_plants_rise_from_the_control():
    rows = rows_of("planted_rates")
    for name in ("finding", "component 0", "any of 8"):
        values = [rate([r for r in rows if r["strengths"] == s], name) for s in (0.0, 0.25, 0.5, 1.0, 2.0)]
        assert values[0].interval[1] < 0.05
        assert values[-1].interval[0] > 0.8
        assert [v.fired for v in values] == sorted(v.fired for v in values)


def test_figures_show_every_rate():
    rows = rows_of("finding_rates")
    later = builder("finding-rates")(rows).axes[1]
    steps = sorted({r["points"] for r in rows})
    drawn = {tuple(np.round(c.lines[0].get_ydata(), 9)) for c in later.containers}
    for name in alarms(rows):
        assert tuple(round(rate([r for r in rows if r["points"] == s], name).value, 9) for s in steps) in drawn
    planted = [r for r in rows_of("planted_rates") if r["steps"] == 0]
    axis = builder("planted-rates")(rows_of("planted_rates")).axes[0]
    lines = {tuple(np.round(line.get_ydata(), 9)) for line in axis.lines}
    strengths = sorted({r["strengths"] for r in planted})
    for name in ("finding", "fires", "verdict"):
        values = (rate([r for r in planted if r["strengths"] == s], name).value for s in strengths)
        assert tuple(round(v, 9) for v in values) in lines
