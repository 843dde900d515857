"""Counterexamples by which a referee refuted earlier wordings of the statements: what is said now must survive them."""

from __future__ import annotations

import numpy as np

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
