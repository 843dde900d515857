"""Counterexamples to statements as they were once worded: each refutes the old wording, and the new one survives it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from grasp_theory.statements.checks import find


def test_one_step_sketch_a_dense_direction_of_equal_coordinates_keeps_adam_exact():
    """Dense was the old assumption: H u with all coordinates equal is as dense as can be, and |cos| is 1, not 0.798."""
    (statement,) = find(["one-step-sketch"])
    i = statement.draw(np.random.default_rng(0))
    m = len(i.problem.u)
    flat = replace(i, problem=replace(i.problem, H=np.eye(m), u=np.ones(m) / np.sqrt(m)))
    s = statement.claims["left, Adam"].sides(flat)
    np.testing.assert_allclose([s.measured, s.bound], 1.0, rtol=1e-12)
