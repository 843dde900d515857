"""The linear problem refuses what it is not about, and says which field is wrong."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from strategies import problems
from tolerance import backward

from grasp_theory import InputError
from grasp_theory.linear import LinearProblem


@pytest.mark.parametrize(
    ("field", "value", "words"),
    [
        ("W0", np.ones((4, 3)), r"W0 must be finite of shape \(3, 4\) to fit T of shape \(3, 4\), got \(4, 3\)"),
        ("u", np.ones(4) / 2, r"u must be finite of shape \(3,\) to fit T of shape \(3, 4\), got \(4,\)"),
        ("H", np.eye(4), r"H must be finite of shape \(3, 3\)"),
        ("Sigma", np.full((4, 4), np.nan), r"Sigma must be finite of shape \(4, 4\)"),
        ("v", np.ones(4), "v must be a unit vector, got length 2$"),
        ("u", np.zeros(3), "u must be a unit vector, got length 0$"),
        ("Sigma", np.eye(4) + np.triu(np.ones((4, 4)), 1), "Sigma must be symmetric positive semi-definite"),
        ("Sigma_t", -np.eye(4), "Sigma_t must be symmetric positive semi-definite"),
        ("beta", 0.0, "beta must be positive, got 0.0"),
        ("beta", -1.0, "beta must be positive, got -1.0"),
        ("beta", float("inf"), "beta must be positive, got inf"),
    ],
)
def test_linear_problem_refuses_a_field(field, value, words, no_contracts):
    with pytest.raises(InputError, match=f"^{words}"):
        replace(problems((3, 4))[0], **{field: value})


def test_linear_problem_without_a_metric_or_shift_has_neither():
    p = problems((3, 4))[0]
    plain = LinearProblem(W0=p.W0, T=p.T, beta=p.beta, u=p.u, v=p.v, Sigma=p.Sigma)
    np.testing.assert_array_equal(plain.Sigma_t, p.Sigma)
    np.testing.assert_array_equal(plain.H, np.eye(3))


@pytest.mark.parametrize(("m", "d"), [(1, 1), (1, 4), (3, 1)])
def test_linear_problem_of_one_row_or_column_is_all_factor_there(m, d):
    """With one output the whole of M is along u, with one input along v: nothing is left behind the projection."""
    p = problems((m, d))[0]
    zero = backward(p.shape, float, float(np.linalg.norm(p.M)))
    if m == 1:
        np.testing.assert_allclose(p.P_u @ p.M, 0, rtol=0, atol=zero)
    if d == 1:
        np.testing.assert_allclose(p.M @ p.P_v, 0, rtol=0, atol=zero)
        np.testing.assert_array_equal(p.ell, 0)
