"""Input moments: the stated spectra and correlations, in dense directions, and samples that have them."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from strategies import rotation, seeds, with_singular_values
from tolerance import backward, monte_carlo

from grasp_theory import InputError
from grasp_theory.linear import LinearProblem
from synthetic.generators.inputs import InputSpec, draw_inputs, second_moment

D = 7
ROUND = backward((D, D), float, 10.0)


def unit(seed: int, d: int = D) -> np.ndarray:
    return rotation(np.random.default_rng([seed, 1]), d, 1)[:, 0]


def moment(seed: int = 0, d: int = D, **fields) -> np.ndarray:
    return second_moment(InputSpec(**fields), unit(seed, d), rng=np.random.default_rng(seed))


@given(seed=seeds, strength=st.floats(-0.9, 50), spikes=st.integers(1, D))
def test_spiked_moment_has_the_stated_eigenvalues(seed, strength, spikes):
    values = np.linalg.eigvalsh(moment(seed, kind="spiked", strength=strength, spikes=spikes))
    expected = np.sort([1 + strength] * spikes + [1.0] * (D - spikes))
    np.testing.assert_allclose(values, expected, rtol=0, atol=ROUND * (1 + abs(strength)))


def test_spikes_are_uniform_and_dense():
    draws = np.array([moment(seed, kind="spiked", strength=3.0, spikes=2) for seed in range(600)])
    flat = draws.reshape(len(draws), -1)
    expected = (1 + 3.0 * 2 / D) * np.eye(D)
    np.testing.assert_array_less(np.abs(flat.mean(0) - expected.ravel()), [monte_carlo(x) for x in flat.T])
    np.testing.assert_array_less(0.05, np.abs(draws[0] - np.diag(np.diag(draws[0]))).max())


@pytest.mark.parametrize("rho", [-0.6, 0.0, 0.9])
def test_toeplitz_moment_has_geometric_correlations_and_keeps_its_spectrum_when_rotated(rho):
    plain = moment(kind="toeplitz", rho=rho, rotated=False)
    i, j = np.indices((D, D))
    np.testing.assert_array_equal(plain, rho ** np.abs(i - j).astype(float))
    rotated = moment(kind="toeplitz", rho=rho)
    np.testing.assert_allclose(np.linalg.eigvalsh(rotated), np.linalg.eigvalsh(plain), rtol=0, atol=ROUND)
    assert (np.abs(rotated - plain).max() > 0.1) == (rho != 0)


@example(seed=11, rho=1e-10, d=11)  # the 0 along v comes out as 1e-15
@given(seed=seeds, rho=st.floats(-0.99, 0.99), d=st.integers(2, 12))
def test_correlated_moment_explains_rho_squared_of_the_read_direction(seed, rho, d):
    """R² of vᵀx on the rest, by regression in a basis of v^⊥: exactly rho², whatever v."""
    v = unit(seed, d)
    Sigma = moment(seed, d, kind="correlated", rho=rho)
    rest = np.linalg.svd(v[None, :])[2][1:]  # rows: a basis of v^⊥
    coefficients = np.linalg.solve(rest @ Sigma @ rest.T, rest @ Sigma @ v)
    tolerance = backward((d, d), float, 10.0) / (1 - rho**2)
    np.testing.assert_allclose(v @ Sigma @ v, 1, rtol=0, atol=tolerance)
    np.testing.assert_allclose(coefficients @ rest @ Sigma @ v, rho**2, rtol=0, atol=tolerance)
    problem = LinearProblem(W0=np.zeros((1, d)), T=np.zeros((1, d)), beta=1.0, u=np.ones(1), v=v, Sigma=Sigma)
    np.testing.assert_allclose(np.linalg.norm(problem.ell), abs(rho), rtol=0, atol=tolerance)
    np.testing.assert_allclose(np.linalg.eigvalsh(Sigma)[[0, -1]], [1 - abs(rho), 1 + abs(rho)], rtol=0, atol=tolerance)


def test_isotropic_moment_leaves_the_read_direction_alone():
    np.testing.assert_array_equal(moment(), np.eye(D))


def test_moment_of_activations_is_that_of_their_rows():
    X = np.random.default_rng(3).standard_normal((20, D)) @ np.diag(np.arange(1.0, D + 1)) + 2.0
    by_hand = sum(np.outer(x, x) for x in X) / 20
    np.testing.assert_allclose(
        moment(kind="activations", activations=X), by_hand, rtol=0, atol=backward((20, D), float, 100.0)
    )


def test_drawn_inputs_have_the_moment_and_mean_0():
    rng = np.random.default_rng(5)
    factor = with_singular_values(rng, 4, 4, np.array([2.0, 1.0, 0.6, 0.3]))
    Sigma = factor @ factor.T
    X = draw_inputs(Sigma, 50_000, rng=rng)
    assert X.shape == (4, 50_000)
    for i in range(4):
        np.testing.assert_allclose(X[i].mean(), 0, rtol=0, atol=monte_carlo(X[i]))
        for j in range(4):
            np.testing.assert_allclose(np.mean(X[i] * X[j]), Sigma[i, j], rtol=0, atol=monte_carlo(X[i] * X[j]))


def test_drawn_inputs_of_a_singular_moment_stay_in_its_range():
    basis = rotation(np.random.default_rng(0), 6, 2)
    X = draw_inputs(basis @ np.diag([3.0, 1.0]) @ basis.T, 50, rng=np.random.default_rng(1))
    # the root of an eigenvalue that is 0 up to eps is up to √eps
    residual = np.abs(X - basis @ (basis.T @ X)).max()
    np.testing.assert_array_less(residual, np.sqrt(backward((6, 6), float, 3.0)) * np.abs(X).max())
    np.testing.assert_array_less(0.1, np.abs(basis.T @ X).max(1))


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"kind": "cauchy"}, "kind must be one of"),
        ({"kind": "spiked", "strength": 1.0}, "need spikes"),
        ({"kind": "correlated"}, "need rho"),
        ({"rho": 0.5}, "take no rho"),
        ({"kind": "correlated", "rho": 0.5, "spikes": 1}, "take no spikes"),
        ({"kind": "correlated", "rho": 1.0}, "strictly between"),
        ({"kind": "toeplitz", "rho": -1.0}, "strictly between"),
        ({"kind": "correlated", "rho": 0.5, "rotated": False}, "only toeplitz"),
        ({"kind": "spiked", "strength": -1.0, "spikes": 1}, "> -1"),
        ({"kind": "spiked", "strength": 1.0, "spikes": 0}, "at least 1"),
        ({"kind": "activations", "activations": np.full((2, 3), np.nan)}, "finite n x d"),
        ({"kind": "activations", "activations": np.zeros((0, 3))}, "finite n x d"),
    ],
)
def test_input_spec_refuses_what_it_cannot_mean(fields, words, no_contracts):
    with pytest.raises(InputError, match=words):
        InputSpec(**fields)


def test_inputs_refuse_sizes_that_do_not_fit():
    with pytest.raises(InputError, match="8 spikes do not fit"):
        moment(kind="spiked", strength=1.0, spikes=8)
    with pytest.raises(InputError, match="at least 2"):
        moment(d=1, kind="correlated", rho=0.1)
    with pytest.raises(InputError, match="activations of width 3"):
        moment(kind="activations", activations=np.ones((2, 3)))
    with pytest.raises(InputError, match="n must be at least 1"):
        draw_inputs(np.eye(3), 0, rng=np.random.default_rng(0))
    with pytest.raises(InputError, match="positive semi-definite"):
        draw_inputs(np.diag([1.0, -1.0, 1.0]), 5, rng=np.random.default_rng(0))
