"""Counterexamples by which a referee refuted earlier wordings of the statements: what is said now must survive them."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from grasp_theory.identification.floor import factored_edge
from grasp_theory.statements import minimax_angle
from grasp_theory.statements.registry import find


def broken(key: str, assumption: str):
    """The statement and an instance that breaks this assumption alone."""
    (statement,) = find([key])
    instance = statement.violators[assumption](np.random.default_rng(0))
    assert statement.broken(instance) == [assumption]
    return statement, instance


def test_posterior_angle_is_no_certificate_for_a_rank_one_fit_with_correlated_inputs():
    statement, i = broken("posterior-angle", "the decomposed matrix is M")
    left = statement.claims["left bound"].sides(i)
    np.testing.assert_allclose((left.measured, left.bound), (0.545, 0.145), atol=5e-4)


def test_whitened_angle_is_no_certificate_where_the_loss_has_another_metric():
    statement, i = broken("whitened-angle", "the decomposed matrix is G dW S after convergence")
    right = statement.claims["right"].sides(i)
    np.testing.assert_allclose((right.measured, right.bound), (0.545, 0.145), atol=5e-4)


def test_minimax_angle_a_coin_between_the_two_worlds_beats_the_bound_for_deterministic_answers():
    statement, i = broken("minimax-angle", "the answer is deterministic")
    lower = statement.claims["lower"].sides(i)
    np.testing.assert_allclose(lower.measured, i.rho, rtol=1e-12)  # expected sine, the same in both worlds
    assert lower.measured < lower.bound - 0.01


@pytest.mark.parametrize(
    "rho", [0.3, 0.9, 0.99, 1.2]
)  # two lines, all that is left of a cone in the plane, fail at 0.9
def test_minimax_angle_of_rank_one_tasks_in_the_plane(rho):
    (statement,) = find(["minimax-angle"])
    rng = np.random.default_rng(0)
    i = minimax_angle.make(rng, 1.0, rho, np.eye(2), np.eye(2), 0.0)
    for angle in np.linspace(0, np.pi, 61):
        j = replace(i, answers=[[np.array([[np.cos(angle)], [np.sin(angle)]])]] * 2)
        assert [n for n, claim in statement.claims.items() if n.startswith("rank one") and not claim.holds(j)] == []


def test_noise_floor_of_one_long_row_lies_below_tracy_widom():
    _, i = broken("noise-floor", "regular edge")
    edge = factored_edge(i.m, i.lam, s=i.s)
    mean = float(np.mean((i.values[0][:, 0] ** 2 - edge.centre) / edge.width))
    assert -2.2 < mean < -1.7  # 1,000 draws gave −1.93; the law says −1.21
