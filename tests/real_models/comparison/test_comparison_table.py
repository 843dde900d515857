"""The comparison's numbers: matching at equal task score, intervals over seeds, and when it is void."""

from __future__ import annotations

import numpy as np
import pytest
from made_comparison import BASE, NAIVE, close, line_of, run, study
from scipy import stats

from grasp_theory import InputError
from real_models.comparison.matching import matched
from real_models.comparison.table import summarise, void, weak

# matching


def test_matched_interpolates_in_task_at_the_first_upward_crossing():
    rows = run(task=(0.2, 0.9, 1.0, 0.3), drift=(0.1, 0.5, 0.7, 0.0), kept=(1.0, 0.8, 0.4, 0.0))
    (found,) = matched(rows, target=0.95)
    assert found.reached
    close(found.steps, 15.0)
    close(found.scores["drift"], 0.6)
    close(found.scores["kept"], 0.6)
    close(found.scores["task"], 0.95)


def test_matched_takes_the_first_of_several_crossings():
    (found,) = matched(run(task=(0.0, 0.96, 0.5, 1.0), drift=(0.0, 0.96, 0.1, 0.2)), target=0.48)
    close([found.steps, found.scores["drift"]], [5.0, 0.48])


@pytest.mark.parametrize("order", [1, -1])
def test_matched_does_not_depend_on_the_order_of_rows(order):
    (found,) = matched(run(drift=(0.0, 0.4, 0.8, 0.2))[::order])
    close([found.steps, found.scores["drift"]], [28.0, 0.8 - 0.8 * 0.6])


def test_matched_at_a_point_that_is_just_there_is_that_point():
    (found,) = matched(run(task=(0.1, 0.95, 0.95, 1.0), drift=(0.1, 0.3, 0.5, 0.7)))
    close([found.steps, found.scores["drift"]], [10.0, 0.3])


def test_matched_at_the_start_is_the_start():
    (found,) = matched(run(task=(0.95, 0.5, 0.99, 1.0), drift=(0.15, 0.3, 0.5, 0.7)))
    assert (found.reached, found.steps, found.scores["drift"]) == (True, 0.0, 0.15)


def test_matched_without_a_crossing_is_the_last_point_and_not_reached():
    (found,) = matched(run(task=(0.0, 0.9, 0.94, 0.93), drift=(0.1, 0.2, 0.3, 0.4)))
    assert (found.reached, found.steps, found.scores["drift"]) == (False, 30.0, 0.4)


def test_matched_keeps_runs_apart():
    rows = run() + run(organism=1) + run(variant="mixed") + run("grasp", knob=1.0) + run("grasp", knob=2.0)
    found = {(m.variant, m.organism, m.method, m.knob) for m in matched(rows)}
    assert len(found) == len(matched(rows)) == 5


def test_matched_refuses_two_values_for_one_point():
    with pytest.raises(InputError, match="given twice at step 0"):
        matched(run() + run(task=(0.0, 0.1, 0.2, 0.3)))


# lines


def test_lines_intervals_are_the_t_intervals_of_scipy():
    drifts = (0.30, 0.22, 0.31)
    found = line_of(study(naive=NAIVE, grasp=drifts), "grasp")
    for low, high, values in (
        (found.low, found.high, np.array(drifts) - BASE),
        (found.below, found.above, np.array(drifts) - NAIVE),
    ):
        expected = stats.t.interval(0.95, 2, loc=values.mean(), scale=stats.sem(values))
        close([low, high], expected)
    close([found.drift, found.excess], [np.mean(drifts), np.mean(drifts) - BASE])
    close(found.difference, np.mean(np.subtract(drifts, NAIVE)))
    close(found.difference, stats.ttest_rel(drifts, NAIVE).confidence_interval(0.95)[0] / 2 + found.above / 2)


def test_lines_differences_are_paired_by_seed():
    """Equal shifts of unequal seeds: the paired interval has no width, the interval of the level has."""
    found = line_of(study(naive=NAIVE, grasp=tuple(x - 0.25 for x in NAIVE)), "grasp")
    np.testing.assert_allclose([found.difference, found.below, found.above], -0.25, atol=1e-12)
    assert found.high - found.low > 0.1


def test_lines_less_is_the_ratio_of_mean_excesses():
    found = line_of(study(naive=NAIVE, grasp=(0.2, 0.3, 0.1)), "grasp")
    close(found.less, 0.7 / 0.1)
    close(line_of(study(naive=NAIVE)).less, 1.0)
    assert line_of(study(naive=NAIVE, grasp=(0.1, 0.1, 0.1)), "grasp").less is None
    assert line_of(study(naive=NAIVE, grasp=(0.05, 0.1, 0.1)), "grasp").less is None


def test_lines_excess_is_over_the_base_and_not_over_a_start_that_a_method_moves():
    """Steering acts at step 0 too; whichever run comes last, the base is the naive run's start."""
    steered = [row for n in range(3) for row in run("steering, supervised", n, knob=0.5, drift=(0.0, 0.02, 0.03, 0.04))]
    plain = study(naive=NAIVE)
    for rows in (plain + steered, steered + plain):
        close(line_of(rows).excess, 0.7)
        close(line_of(rows, "steering, supervised").excess, 0.03 + 0.8 * 0.01 - BASE)


def test_lines_average_the_seeds_that_reach_the_task():
    rows = study(naive=NAIVE, grasp=(0.3, 0.5)) + run("grasp", 2, knob=1.0, task=(0.0, 0.1, 0.2, 0.3), drift=0.9)
    found = line_of(rows, "grasp")
    assert (found.seeds, found.reached) == (3, 2)
    close([found.drift, found.steps], [0.4, 28.0])
    close(found.difference, np.mean([0.3 - 0.8, 0.5 - 0.7]))


def test_lines_of_one_seed_have_no_interval():
    found = line_of(study(naive=(0.8,)))
    assert found.low is found.high is found.below is found.above is None


def test_lines_without_a_naive_run_claim_nothing_about_it():
    found = line_of(study(grasp=(0.3, 0.4)), "grasp")
    assert found.excess is found.low is found.less is found.difference is found.below is None
    close(found.drift, 0.35)


# void


def test_void_says_why_and_is_silent_otherwise():
    fails = run(organism=2, task=(0.0, 0.3, 0.6, 0.9))
    cases = {
        "no naive run": study(grasp=NAIVE),
        "2 of 3 seeds": study(naive=NAIVE[:2]) + fails,
        "0 of 1 seeds": fails,
        "for sure": study(naive=(0.5, 0.12, 0.9)),  # mean excess 0.41, but its interval holds 0
        "by 0.20, one seed": study(naive=(0.3,)),
    }
    for why, rows in cases.items():
        assert why in (void(summarise(rows), "style") or ""), why
    assert void(summarise(study(naive=NAIVE)), "style") is None
    assert void(summarise(study(naive=(0.8,))), "style") is None


def test_weak_drift_is_told_where_it_is_sure_but_small():
    small = summarise(study(naive=(0.3, 0.31, 0.29)))
    assert void(small, "style") is None
    assert "rises by 0.20 only" in (weak(small, "style") or "")
    assert weak(summarise(study(naive=NAIVE)), "style") is None
    assert weak(summarise(study(naive=(0.5, 0.12, 0.9))), "style") is None  # void, which is said instead
    assert weak(summarise(study(grasp=NAIVE)), "style") is None


def test_void_is_told_of_each_variant_alone():
    rows = study(naive=NAIVE) + [r | {"variant": "mixed"} for r in study(naive=(0.12, 0.11, 0.1))]
    found = summarise(rows)
    assert void(found, "style") is None
    assert "does not rise" in void(found, "mixed")
