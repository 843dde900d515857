"""Trade-off fronts: the least drift of a class at each task score."""

from __future__ import annotations

import numpy as np
import pytest
from made_comparison import BASE, NAIVE, close, run, study

from figures.plots import language_frontier
from figures.plots.comparison_fronts import build
from figures.plots.language_frontier import frontier, shown
from figures.style import render
from real_models.comparison.fronts import SHARES, fronts
from real_models.comparison.table import summarise

TARGETS = {("style", organism): 0.95 for organism in range(3)}


def at(found, information, knobs="presets", task=0.95):
    return next(r for r in found if (r["information"], r["knobs"], r["task"]) == (information, knobs, task))


def test_front_at_the_matched_score_is_the_best_line_of_its_class():
    rows = study(naive=NAIVE, grasp=(0.4, 0.5, 0.2), compensated=(0.6, 0.1, 0.3), kl=(0.2, 0.2, 0.3), edit=(0.5,) * 3)
    found, of = fronts(rows, targets=TARGETS), {line.method: line for line in summarise(rows)}
    for information, method in (
        ("data", "compensated"),
        ("neutral text", "kl"),
        ("weights", "edit"),
        ("naive", "naive"),
    ):
        row, line = at(found, information), of[method]
        assert (row["method"], row["seeds"]) == (method, 3)
        close(row["drift"], line.drift)
    assert at(found, "data")["rows"] == 2


def test_front_changes_hands_where_curves_cross():
    early, late = ((0.1, 0.1, 0.1, 0.9), (0.1, 0.5, 0.5, 0.5))
    rows = study(naive=(0.8,)) + run("grasp", knob=1.0, drift=early) + run("caft", knob=1.0, drift=late)
    found = [r for r in fronts(rows, targets=TARGETS) if (r["information"], r["knobs"]) == ("data", "presets")]
    assert [r["task"] for r in found] == [round(s * 0.95, 4) for s in SHARES if s * 0.95 <= 1]
    for r in found:
        curves = {"grasp": early, "caft": late}
        expected = {method: np.interp(r["task"], (0.0, 0.5, 0.75, 1.0), curve) for method, curve in curves.items()}
        close(r["drift"], min(expected.values()))
        assert r["method"] == min(expected, key=expected.get)
    assert {r["method"] for r in found} == {"grasp", "caft"}


def test_front_of_all_knobs_is_an_oracle_and_that_of_presets_none():
    rows = study(naive=(0.8,), grasp=(0.4,)) + run("grasp", knob=2.0, drift=0.2)
    found = fronts(rows, targets=TARGETS)
    close([at(found, "data")["drift"], at(found, "data", "all knobs")["drift"]], [0.4, 0.2])
    assert at(found, "data", "all knobs")["knob"] == 2.0


def test_front_leaves_out_controls_and_rows_that_miss_the_score_in_a_seed():
    misses = run("caft", 0, knob=1.0, drift=0.1) + run("caft", 1, knob=1.0, task=(0.0, 0.5, 0.6, 0.7), drift=0.1)
    control = [row for n in range(2) for row in run("grasp, random", n, knob=1.0, drift=0.1)]
    found = fronts(study(naive=(0.8, 0.7), grasp=(0.4, 0.4)) + misses + control, targets=TARGETS)
    assert at(found, "data")["method"] == "grasp"
    assert at(found, "data", task=0.665)["method"] == "caft"  # which both seeds reach


def test_front_asks_each_seed_for_its_share_of_the_way_to_its_target():
    rows = study(naive=(0.8, 0.8), kl=(0.3, 0.5))
    found = fronts(rows, targets={("style", 0): 0.95, ("style", 1): 0.475})
    row = next(r for r in found if (r["information"], r["share"]) == ("neutral text", 1.0))
    close(row["drift"], np.mean([0.3, BASE + (0.5 - BASE) / 2]))  # made curves are linear in the task score
    close(row["task"], round((0.95 + 0.475) / 2, 4))


@pytest.mark.slow
def test_front_figure_names_every_class_that_a_panel_shows():
    alone = [row | {"variant": "content"} for row in study(naive=(0.8,))]
    rows = alone + study(naive=(0.8,), kl=(0.2,), edit=(0.3,))
    figure = build(fronts(rows, targets=TARGETS | {("content", 0): 0.95}))
    assert render(figure)[:4] == b"\x89PNG"
    shown = [text.get_text() for text in figure.legends[0].get_texts()]
    assert sorted(shown) == sorted(
        ["naive", "best that uses neutral text", "best that uses weights", "best of all knobs"]
    )


@pytest.mark.parametrize("rows", [study(grasp=(0.3, 0.4)), []], ids=["no naive run", "nothing"])
def test_front_without_a_naive_run_or_rows(rows):
    found = fronts(rows, targets=TARGETS)
    assert {r["information"] for r in found} == ({"data"} if rows else set())


def made(method, cost, excess, **other):
    row = {"variant": "style", "method": method, "control": False, "preset": True, "seeds": 3, "reached": 3}
    return row | {"cost": cost, "excess": excess, "low": excess - 0.1, "high": excess + 0.1} | other


def test_frontier_is_the_least_drift_at_every_cost_and_controls_do_not_count():
    rows = [made("kl", 3.0, 0.1), made("naive", 1.0, 0.7), made("edit", 2.0, 0.8), made("grasp", 2.5, 0.3)]
    control = made("scale", 2.0, 0.0, control=True)
    assert frontier([*rows, control]) == ([1.0, 2.0, 2.5, 3.0], [0.7, 0.7, 0.3, 0.1])


@pytest.mark.parametrize("hidden", [{"preset": False}, {"reached": 2}, {"cost": None}, {"excess": None}])
def test_frontier_shows_presets_that_reach_the_task_and_whose_cost_is_known(hidden):
    known = made("naive", 1.0, 0.7)
    assert shown([known, made("grasp", 2.0, 0.3) | hidden]) == [known]


def test_frontier_shows_no_more_methods_than_have_room_for_their_names():
    rows = [made(f"method {n}", 1.0 + n, 0.3) for n in range(language_frontier.MOST + 1)]
    assert (shown(rows[1:]), shown(rows)) == (rows[1:], [])


@pytest.mark.slow
def test_frontier_figure_marks_every_method_at_its_cost():
    rows = [made("naive", 1.0, 0.7), made("grasp", 2.5, 0.3), made("scale", 2.0, 0.4, control=True)]
    figure = language_frontier.build(rows)
    assert render(figure)[:4] == b"\x89PNG"
    found = {line.get_label(): (line.get_xdata()[0], line.get_ydata()[0]) for line in figure.axes[0].lines}
    assert {row["method"]: (row["cost"], row["excess"]) for row in rows}.items() <= found.items()
