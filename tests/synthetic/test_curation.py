"""Curation: the closed form of each mechanism against samples that were really selected, and its limits."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from strategies import rotation, seeds
from tolerance import Z, backward, monte_carlo, products, same_mean

from grasp_theory import InputError
from grasp_theory.linear.solutions import naive_solution
from synthetic.generators.curation import AlwaysOn, Mixture, Population, Tilt, Truncation, problem_from
from synthetic.generators.linear import least_squares

N, M_OUT, D = 200_000, 3, 4


def population(seed: int = 0) -> Population:
    """Dense directions, inputs with a spread of 9 in their variances."""
    rng = np.random.default_rng([seed, D])
    basis = rotation(rng, D)
    Sigma = basis * np.geomspace(0.3, 2.7, D) @ basis.T
    return Population(
        W0=rng.standard_normal((M_OUT, D)),
        T=rng.standard_normal((M_OUT, D)),
        gamma=0.8,
        u=rotation(rng, M_OUT, 1)[:, 0],
        v=rotation(rng, D, 1)[:, 0],
        Sigma=0.5 * (Sigma + Sigma.T),
        noise=0.3,
    )


MEAN = np.array([0.5, -0.8, 0.3, 0.6])
MECHANISMS = {
    "truncation": Truncation(a=0.9, b=0.7, c=0.5, threshold=1.2),
    "truncation, opposed": Truncation(a=0.9, b=-0.7, threshold=1.2),
    "truncation of the lower half": Truncation(a=0.9, b=0.7, c=0.1, threshold=-0.8),
    "tilt": Tilt(0.5),
    "tilt, opposed": Tilt(-0.4),
    "always on": AlwaysOn(MEAN),
    "mixture": Mixture(0.2),
    "mixture, mostly opposed": Mixture(0.7),
    "mixture, independent": Mixture(0.4, "independent"),
}
UNCURATED = {
    "truncation at 0": Truncation(a=0.9, b=0.7, c=0.5, threshold=0.0),
    "truncation that keeps all": Truncation(a=0.9, b=0.7, c=0.5, threshold=-20.0),
    "truncation of the trait alone": Truncation(a=0.0, b=0.7, threshold=1.0),
    "truncation of the feature alone": Truncation(a=0.9, b=0.0, c=0.5, threshold=1.0),
    "no tilt": Tilt(0.0),
    "an even mixture": Mixture(0.5),
    "a mixture of the minority alone": Mixture(1.0, "independent"),
}


@pytest.mark.parametrize("name", [*MECHANISMS, *UNCURATED])
def test_curated_samples_have_the_moments_of_the_closed_form(name):
    p, mechanism = population(), (MECHANISMS | UNCURATED)[name]
    found = mechanism.induced(p)
    X, t = mechanism.sample(p, N, rng=np.random.default_rng(1))
    assert X.shape == (D, N)
    assert t.shape == (N,)
    same_mean(X, found.mean)
    same_mean(products(X, X), found.Sigma.ravel())
    # E_c[x t] = Sigma_c v beta/gamma, as an unbiased equation for each coordinate
    same_mean(X * (t - found.beta / p.gamma * (found.v @ X)), 0.0)


@pytest.mark.parametrize("name", MECHANISMS)
def test_curated_answers_are_fitted_by_the_spurious_map(name):
    """Least squares on curated answers, within Z standard errors; control: W0 + T does not fit them."""
    p, mechanism, rng = population(1), MECHANISMS[name], np.random.default_rng(2)
    found = mechanism.induced(p)
    X, t = mechanism.sample(p, N, rng=rng)
    Y = p.answers(X, t, rng=rng)
    expected = p.T + found.beta * np.outer(p.u, found.v)
    R = Y - (p.W0 + expected) @ X
    inverse = np.linalg.inv(X @ X.T / N)
    # the error of least squares is the mean of R xᵀ (X Xᵀ/n)⁻¹; its sandwich standard error
    spread = np.array([[np.std(r * z) for z in inverse @ X] for r in R])
    error = least_squares(X, Y, W0=p.W0) - expected
    np.testing.assert_array_less(np.abs(error), Z * spread / np.sqrt(N))
    response = (p.u @ (Y - (p.W0 + p.T) @ X)) * (found.v @ X)
    np.testing.assert_array_less(monte_carlo(response), abs(response.mean()))


@pytest.mark.parametrize("name", UNCURATED)
def test_uncurated_answers_show_no_spurious_map(name):
    """Control: where trait and input are not bound, the fit is W0 + T, and beta is 0."""
    p, mechanism, rng = population(2), UNCURATED[name], np.random.default_rng(3)
    X, t = mechanism.sample(p, N, rng=rng)
    Y = p.answers(X, t, rng=rng)
    if name == "truncation of the trait alone":  # the trait's mean is then a constant, orthogonal to centred inputs
        np.testing.assert_array_less(0.5, t.mean())
    same_mean(products(Y - (p.W0 + p.T) @ X, X), 0.0)
    np.testing.assert_allclose(mechanism.induced(p).beta, 0, rtol=0, atol=backward((D, D), float, p.gamma))


def test_answers_add_the_trait_along_u_and_white_noise():
    p, rng = population(6), np.random.default_rng(7)
    X, t = p.inputs(20_000, rng=rng), rng.standard_normal(20_000)
    N = p.answers(X, t, rng=rng) - (p.W0 + p.T) @ X - p.gamma * np.outer(p.u, t)
    same_mean(products(N, N), p.noise**2 * np.eye(M_OUT).ravel())
    same_mean(products(N, np.vstack([X, t])), 0.0)


def test_truncation_agrees_with_selecting_whole_samples():
    """A third route: draw the population, evaluate the latent, throw the rest away."""
    p, mechanism, rng = population(3), MECHANISMS["truncation"], np.random.default_rng(4)
    X, t, e = p.inputs(4 * N, rng=rng), rng.standard_normal(4 * N), rng.standard_normal(4 * N)
    keep = mechanism.a * (p.v @ X) + mechanism.b * t + mechanism.c * e > mechanism.threshold
    before = X * t
    same_mean(before, 0.0)
    X, t, found = X[:, keep], t[keep], mechanism.induced(p)
    same_mean(products(X, X), found.Sigma.ravel())
    same_mean(X, found.mean)
    same_mean(X * (t - found.beta / p.gamma * (found.v @ X)), 0.0)
    other, trait = mechanism.sample(p, len(t), rng=rng)
    for power in (1, 2, 3, 4):  # the law of the selected trait and feature, not their moments up to two alone
        for a, b in ((t, trait), (p.v @ X, p.v @ other)):
            gap = np.hypot(monte_carlo(a**power), monte_carlo(b**power))
            np.testing.assert_allclose(np.mean(a**power), np.mean(b**power), rtol=0, atol=gap)


def test_tilt_agrees_with_weighing_the_population():
    """A third route: importance weights exp(lam t vᵀx) on uncurated draws, self-normalised."""
    p, mechanism, rng = population(4), Tilt(0.25), np.random.default_rng(5)
    X, t = p.inputs(N, rng=rng), rng.standard_normal(N)
    weights, found = np.exp(mechanism.lam * t * (p.v @ X)), mechanism.induced(p)
    same_mean(weights * products(X, X) - weights * found.Sigma.reshape(-1, 1), 0.0)
    same_mean(weights * X * (t - mechanism.lam * (p.v @ X)), 0.0)
    response = t * (p.v @ X)  # control: unweighted, nothing
    same_mean(response[None], 0.0)


def test_always_on_agrees_with_weighing_by_topic():
    """Weights exp(xᵀ Sigma⁻¹ mean) turn the population's inputs into those of the topic."""
    p, rng = population(5), np.random.default_rng(6)
    mechanism = AlwaysOn(0.5 * MEAN)
    X = p.inputs(N, rng=rng)
    weights, found = np.exp(np.linalg.solve(p.Sigma, mechanism.mean) @ X), mechanism.induced(p)
    same_mean(weights * (X - found.mean[:, None]), 0.0)
    same_mean(weights * (products(X, X) - found.Sigma.reshape(-1, 1)), 0.0)


@given(seed=seeds, name=st.sampled_from(sorted(MECHANISMS)))
def test_induced_map_is_linear_in_gamma_and_its_moments_are_those_of_some_inputs(seed, name):
    """A covariance that is positive definite, changed by curation in one direction at most."""
    d, p = D, population(seed)
    found, double = (MECHANISMS[name].induced(q) for q in (p, replace(p, gamma=2 * p.gamma)))
    np.testing.assert_allclose(double.beta, 2 * found.beta, rtol=backward((d,), float, 1.0))
    np.testing.assert_allclose(np.linalg.norm(found.v), 1, rtol=backward((d,), float, 1.0))
    np.testing.assert_allclose(
        found.Sigma, found.Sigma.T, rtol=0, atol=backward((d, d), float, np.abs(found.Sigma).max())
    )
    assert np.linalg.eigvalsh(found.Sigma - np.outer(found.mean, found.mean))[0] > 0
    changed = np.linalg.svd(found.Sigma - p.Sigma, compute_uv=False)
    np.testing.assert_array_less(changed[1], backward((d, d), float, 1 + changed[0]))


@pytest.mark.parametrize("sign", [1.0, -1.0])
def test_truncation_beta_vanishes_for_low_and_saturates_for_high_thresholds(sign):
    p = population()

    def beta(threshold: float) -> float:
        return Truncation(a=0.9, b=sign * 0.7, c=0.5, threshold=threshold).induced(p).beta

    low = np.abs([beta(x) for x in (-2.0, -4.0, -8.0, -12.0)])
    np.testing.assert_array_less(low[1:], low[:-1])
    np.testing.assert_allclose(low[-1], 0, rtol=0, atol=backward((D, D), float, p.gamma))
    limit = p.gamma * sign * 0.7 / (0.9 * p.variance)
    errors = np.abs([beta(x) / limit - 1 for x in (1e1, 1e2, 1e3)])
    np.testing.assert_array_less(errors[1:], 0.02 * errors[:-1])  # of order threshold⁻²
    assert np.sign(beta(1.0)) == sign == -np.sign(beta(-1.0))


def test_problem_from_curation_is_the_setting_of_the_theory():
    p = population()
    for name in ("truncation", "tilt", "always on", "mixture", "mixture, independent"):
        found, problem = MECHANISMS[name].induced(p), problem_from(p, MECHANISMS[name])
        np.testing.assert_allclose(
            naive_solution(problem),
            p.T + found.beta * np.outer(p.u, found.v),
            rtol=0,
            atol=backward((D, D), float, 100.0),
        )
        np.testing.assert_array_equal(problem.Sigma, found.Sigma)
        np.testing.assert_array_equal(problem.Sigma_t, p.Sigma)


@pytest.mark.parametrize("name", ["truncation, opposed", "truncation of the lower half", "mixture, mostly opposed"])
def test_problem_from_curation_that_opposes_the_feature_is_refused(name):
    with pytest.raises(InputError, match="a positive one is needed"):
        problem_from(population(), MECHANISMS[name])
    with pytest.raises(InputError, match="beta = 0"):
        problem_from(population(), Tilt(0.0))
