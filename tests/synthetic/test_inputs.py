"""Input moments: the stated spectra and correlations, in dense directions, and samples that have them."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from strategies import rotation, seeds, with_singular_values
from tolerance import backward, products, same_mean

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
    same_mean(draws.reshape(len(draws), -1).T, (1 + 3.0 * 2 / D) * np.eye(D).ravel())
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


@pytest.mark.parametrize("centred", [True, False])
def test_drawn_inputs_have_the_moment_and_the_mean(centred):
    rng = np.random.default_rng(5)
    factor = with_singular_values(rng, 4, 4, np.array([2.0, 1.0, 0.6, 0.3]))
    mean = np.zeros(4) if centred else rng.standard_normal(4)
    Sigma = factor @ factor.T + np.outer(mean, mean)
    X = draw_inputs(Sigma, 50_000, rng=rng, mean=None if centred else mean)
    assert X.shape == (4, 50_000)
    same_mean(X, mean)
    same_mean(products(X, X), Sigma.ravel())


def test_drawn_inputs_of_a_singular_moment_stay_in_its_range():
    basis = rotation(np.random.default_rng(0), 6, 2)
    X = draw_inputs(basis @ np.diag([3.0, 1.0]) @ basis.T, 50, rng=np.random.default_rng(1))
    # the root of an eigenvalue that is 0 up to eps is up to √eps
    residual = np.abs(X - basis @ (basis.T @ X)).max()
    np.testing.assert_array_less(residual, np.sqrt(backward((6, 6), float, 3.0)) * np.abs(X).max())
    np.testing.assert_array_less(0.1, np.abs(basis.T @ X).max(1))
