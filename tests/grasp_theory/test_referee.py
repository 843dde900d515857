"""Counterexamples to statements as they were once worded: each refutes the old wording, and the new one survives it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from grasp_theory.linear.problem import draw_problem
from grasp_theory.linear.training import train
from grasp_theory.statements.checks import find


def test_one_step_sketch_a_dense_direction_of_equal_coordinates_keeps_adam_exact():
    """Dense was the old assumption: H u with all coordinates equal is as dense as can be, and |cos| is 1, not 0.798."""
    (statement,) = find(["one-step-sketch"])
    i = statement.draw(np.random.default_rng(0))
    m = len(i.problem.u)
    flat = replace(i, problem=replace(i.problem, H=np.eye(m), u=np.ones(m) / np.sqrt(m)))
    s = statement.claims["left, Adam"].sides(flat)
    np.testing.assert_allclose([s.measured, s.bound], 1.0, rtol=1e-12)


def test_caft_gap_what_never_changes_is_a_v_not_d_v():
    """D v never changes was the old wording: it is 0 at LoRA's start and moves with B, while A v stands still."""
    (statement,) = find(["caft-gap"])
    i = statement.draw(np.random.default_rng(0))
    B, A = i.train(i.A0)
    np.testing.assert_allclose(A @ i.problem.v, i.A0 @ i.problem.v, rtol=1e-12)
    assert np.linalg.norm(i.scaling * B @ A @ i.problem.v) > 0.01


def test_old_inputs_a_mean_without_spread_returns_the_whole_always_on_factor():
    """C = 0 has h = muᵀC⁺mu = 0: the old wording promised that nothing returns, and everything does."""
    (statement,) = find(["old-inputs"])
    i = statement.draw(np.random.default_rng(0))
    s = statement.claims["always-on"].sides(replace(i, Sigma=0 * i.Sigma))
    assert s.bound == 0.0
    np.testing.assert_allclose(s.measured, np.linalg.norm(i.U @ i.R.T @ i.V @ i.w), rtol=1e-6)


def test_rerouting_share_signed_descent_sees_no_small_beta_though_p_h_u_is_not_zero():
    """The old wording was "iff P H u = 0": the signals differ, but signed descent trains identical maps."""
    rng = np.random.default_rng(0)
    p = draw_problem(rng, sizes=(4, 4), metric=True)
    assert np.linalg.norm(p.P_u @ p.H @ p.u) > 0.1
    options = {"lr": 1e-3, "steps": 20, "optimizer": "sign", "write": p.u[:, None], "stage": "gradient"}
    A0 = rng.standard_normal((2, 4))
    weak, none, strong = (train(replace(p, beta=beta), A0, **options).dW for beta in (1e-3, 1e-12, 1.0))
    assert (weak == none).all()
    assert not np.allclose(strong, none)  # the control
