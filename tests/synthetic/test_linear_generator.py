"""Problems from a specification: what is prescribed is met exactly, and samples and least squares agree with it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from strategies import seeds
from tolerance import backward, monte_carlo

from grasp_theory import InputError
from synthetic.generators.inputs import InputSpec
from synthetic.generators.linear import ProblemSpec, draw_data, draw_problem, least_squares
from synthetic.generators.task_updates import TaskSpec

SPEC = ProblemSpec(
    m=5,
    d=4,
    beta=1.3,
    task=TaskSpec("haar", rank=2, norm="spectral", size=0.7),
    inputs=InputSpec("correlated", rho=0.6),
    deployment=InputSpec("spiked", strength=2.0, spikes=1),
    condition=9.0,
    alignment=0.4,
)


def draw(seed: int = 0, **changes):
    return draw_problem(replace(SPEC, **changes), rng=np.random.default_rng(seed))


@given(seed=seeds, condition=st.floats(1, 100), alignment=st.floats(0, 10), size=st.floats(0, 10))
def test_problem_has_the_prescribed_sizes_exactly(seed, condition, alignment, size):
    task = replace(SPEC.task, size=size)
    p = draw(seed, condition=condition, alignment=alignment, task=task)
    eps = backward(p.shape, float, 4.0)
    assert p.shape == (5, 4)
    np.testing.assert_allclose(p.tau, size, rtol=0, atol=backward(p.shape, float, size))
    np.testing.assert_allclose(np.linalg.norm(p.W0 @ p.v), alignment, rtol=0, atol=eps * (10 + alignment))
    np.testing.assert_allclose(np.linalg.norm(p.M - p.T), 1.3, rtol=eps * (1 + size))
    H = np.linalg.eigvalsh(p.H)
    np.testing.assert_allclose(H[-1] / H[0], condition, rtol=eps * condition)
    np.testing.assert_allclose(np.prod(H), 1, rtol=eps * condition)
    np.testing.assert_allclose(np.linalg.norm(p.ell), 0.6, rtol=eps)
    np.testing.assert_allclose(np.linalg.eigvalsh(p.Sigma_t), [1, 1, 1, 3], rtol=eps)


def test_problem_defaults_are_the_identity_metric_and_the_curated_inputs():
    p = draw_problem(ProblemSpec(m=3, d=4, beta=1.0), rng=np.random.default_rng(0))
    np.testing.assert_array_equal(p.H, np.eye(3))
    np.testing.assert_array_equal(p.Sigma, np.eye(4))
    assert p.Sigma_t is p.Sigma


def test_problem_of_one_seed_keeps_directions_weights_and_task_when_the_rest_changes():
    p = draw()
    q = draw(beta=3.0, condition=1.0, inputs=InputSpec(), deployment=None, alignment=2.0)
    for name in ("u", "v", "T"):
        np.testing.assert_array_equal(getattr(p, name), getattr(q, name))
    np.testing.assert_allclose(p.W0 @ p.P_v, q.W0 @ q.P_v, rtol=0, atol=backward(p.shape, float, 4.0))
    np.testing.assert_array_less(0.1, np.abs(p.W0 - q.W0).max())  # control: the alignment did change something
    np.testing.assert_array_less(1e-3, np.abs(p.T - draw(1).T).max())


@pytest.mark.usefixtures("no_contracts")  # seen by the other tests
def test_problem_directions_are_uniform_and_weights_of_variance_one_over_d():
    draws = [draw(seed, alignment=None) for seed in range(1500)]
    for name, n in (("u", 5), ("v", 4)):
        x = np.array([getattr(p, name) for p in draws])
        products = (x[:, :, None] * x[:, None, :]).reshape(len(x), -1)
        bound = [monte_carlo(column) for column in products.T]
        np.testing.assert_array_less(np.abs(products.mean(0) - np.eye(n).ravel() / n), bound)
        np.testing.assert_array_less(np.abs(x.mean(0)), [monte_carlo(column) for column in x.T])
    squares = np.array([np.mean(p.W0**2) for p in draws])
    np.testing.assert_allclose(squares.mean(), 1 / 4, rtol=0, atol=monte_carlo(squares))


def test_data_have_the_moment_and_the_labels_of_their_distribution():
    p, noise = draw(), 0.5
    X, Y = draw_data(p, 40_000, noise=noise, rng=np.random.default_rng(1))
    R = Y - (p.W0 + p.M) @ X
    for i in range(4):
        for j in range(4):
            np.testing.assert_allclose(np.mean(X[i] * X[j]), p.Sigma[i, j], rtol=0, atol=monte_carlo(X[i] * X[j]))
        for k in range(5):
            np.testing.assert_allclose(np.mean(R[k] * X[i]), 0, rtol=0, atol=monte_carlo(R[k] * X[i]))
    for k in range(5):
        for l in range(5):
            expected = noise**2 * (k == l)
            np.testing.assert_allclose(np.mean(R[k] * R[l]), expected, rtol=0, atol=monte_carlo(R[k] * R[l]))
    # control: the other distribution's map leaves a response along u on v
    wrong = Y - (p.W0 + p.T) @ X
    product = (p.u @ wrong) * (p.v @ X)
    np.testing.assert_array_less(monte_carlo(product), abs(product.mean()))


@pytest.mark.parametrize("n", [4, 30])
def test_least_squares_recovers_the_naive_update_without_noise(n):
    p = draw()
    X, Y = draw_data(p, n, noise=0.0, rng=np.random.default_rng(2))
    scale = np.linalg.norm(Y) * np.linalg.cond(X) / np.linalg.norm(X, -2)
    np.testing.assert_allclose(least_squares(X, Y, W0=p.W0), p.M, rtol=0, atol=backward(X.shape, float, scale))


def test_least_squares_error_is_the_noise_times_the_pseudo_inverse():
    p = draw()
    X, Y = draw_data(p, 30, noise=0.5, rng=np.random.default_rng(3))
    N = Y - (p.W0 + p.M) @ X
    error = least_squares(X, Y, W0=p.W0) - p.M
    np.testing.assert_allclose(error, N @ np.linalg.pinv(X), rtol=0, atol=backward(X.shape, float, 10.0))
    np.testing.assert_array_less(1e-3, np.linalg.norm(error))


def test_least_squares_with_few_samples_is_the_projected_update():
    """n < d: dW = M X X⁺, an exact fit that is 0 off the span of the inputs, so not M."""
    p = draw()
    X, Y = draw_data(p, 2, noise=0.0, rng=np.random.default_rng(4))
    dW = least_squares(X, Y, W0=p.W0)
    eps = backward(X.shape, float, 10 * np.linalg.cond(X))
    np.testing.assert_allclose(dW, p.M @ X @ np.linalg.pinv(X), rtol=0, atol=eps)
    np.testing.assert_allclose((p.W0 + dW) @ X, Y, rtol=0, atol=eps)
    np.testing.assert_array_less(0.1, np.linalg.norm(dW - p.M))


def test_least_squares_of_degenerate_inputs_stays_finite_and_of_least_norm():
    """Inputs confined to a subspace: off it the fit is 0, not rounding divided by rounding.

    At this size a cut at eps, which is scipy's default, is too low: the fit is then off by 1.4.
    """
    d, n, k = 200, 1000, 20
    for seed in range(3):
        rng = np.random.default_rng(seed)
        basis = np.linalg.qr(rng.standard_normal((d, k)))[0]
        X, M = basis @ rng.standard_normal((k, n)), rng.standard_normal((3, d))
        dW = least_squares(X, M @ X, W0=np.zeros((3, d)))
        np.testing.assert_allclose(dW, M @ basis @ basis.T, rtol=0, atol=backward(X.shape, float, 1.0))


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"m": 0}, "m and d must be at least 1"),
        ({"beta": 0.0}, "beta must be"),
        ({"condition": 0.5}, "condition must be"),
        ({"m": 1, "condition": 2.0}, "condition number 1"),
        ({"alignment": -1.0}, "alignment must be"),
    ],
)
def test_problem_spec_refuses_what_it_cannot_mean(changes, words):
    with pytest.raises(InputError, match=words):
        replace(SPEC, **changes)


def test_data_and_fits_refuse_bad_input(no_contracts):
    p, rng = draw(), np.random.default_rng(0)
    with pytest.raises(InputError, match="noise must be"):
        draw_data(p, 3, noise=-1.0, rng=rng)
    X, Y = draw_data(p, 3, noise=0.0, rng=rng)
    with pytest.raises(InputError, match="do not fit"):
        least_squares(X, Y[:, :2], W0=p.W0)
    with pytest.raises(InputError, match="X must be finite"):
        least_squares(X * np.nan, Y, W0=p.W0)
    with pytest.raises(InputError, match="at least one sample"):
        least_squares(X[:, :0], Y[:, :0], W0=p.W0)
