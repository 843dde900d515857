"""Theorem 1 on samples: its constants, its probability, edge shapes, and what each part says of runs made by hand."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy.stats import binom

from grasp_theory.statements.shared.draws import orthonormal, sharp, sine, unit
from grasp_theory.statements.theorem_1 import STATEMENT, claims
from grasp_theory.statements.theorem_1.converse import overlaps, second_moment, told_nothing, told_v
from grasp_theory.statements.theorem_1.cores import draw_cores, errors_in_variables
from grasp_theory.statements.theorem_1.descent import adam_steps
from grasp_theory.statements.theorem_1.draws import inputs, plant, worst

IDENTIFICATION = ("angles", "noise, probability", "angle, probability", "every update", "descent", "Adam's first step")
REMOVAL = ("response", "whole response", "risk, parts", "risk", "task lost")


def planted(m: int, d: int, n: int, *, seed: int = 0, rank: int = 1, right_side: float = 0.8):
    rng = np.random.default_rng(seed)
    X = rng.standard_normal((d, n))
    v = X @ rng.standard_normal(n)  # seen by the inputs, also where n < d
    i = plant(rng, rng.standard_normal((m, d)), unit(rng, m), v / np.linalg.norm(v), X, right_side=right_side)
    return replace(i, rank=rank, run=replace(i.run, step=i.run.step / 100))


def test_right_side_is_the_one_stated():
    """By hand: Ŝ = I, ‖T‖ = 1, s = 2, m = 4, q = 9, t = 1, n = 144, beta = 5: 2 (1 + 2 (2 + 3 + 1)/12)/5 = 0.8."""
    rng = np.random.default_rng(0)
    X = 12 * orthonormal(rng, 144, 9).T
    T = orthonormal(rng, 4, 4) @ np.diag([1.0, 0.5, 0.2, 0.1]) @ orthonormal(rng, 9, 4).T
    i = replace(plant(rng, T, unit(rng, 4), unit(rng, 9), X, beta=5.0, noise=2.0), t=1.0)
    np.testing.assert_allclose(i.right_side, 0.8)
    np.testing.assert_allclose(i.S @ i.S.T, np.eye(9), atol=1e-12)
    np.testing.assert_allclose(i.b, 5.0)


@pytest.mark.parametrize(("m", "d", "n"), [(6, 5, 40), (6, 12, 5), (1, 4, 20), (5, 1, 30), (12, 9, 9)], ids=str)
@pytest.mark.parametrize("rank", [1, 3])
def test_factor_is_found_in_samples_but_for_the_stated_share(m, d, n, rank):
    """The fit is made from (X, Y) afresh each time; t = 0.5 leaves room for e^(−1/8) = 88%, t = 2 for 14%."""
    trials, rng = 200, np.random.default_rng(1)
    for t in (0.5, 2.0):
        i = replace(planted(m, d, n, right_side=0.95), t=t)
        if i.right_side >= 1:
            i = replace(i, beta=i.beta * i.right_side / 0.95)
        missed = loud = 0
        for _ in range(trials):
            Y = (i.T + i.beta * np.outer(i.u, i.v)) @ i.X + i.noise * rng.standard_normal((m, n))
            dW = np.linalg.lstsq(i.X.T, Y.T, rcond=None)[0].T
            U, s, Vh = np.linalg.svd(dW @ i.X, full_matrices=False)
            fit = U[:, :rank] * s[:rank] @ Vh[:rank]
            theta = np.arcsin(min(sine(np.linalg.svd(fit)[0][:, 0], i.u), 1.0))
            missed += theta > 0.5 * np.arcsin(i.right_side) + 1e-9
            noise = Y - (i.T + i.beta * np.outer(i.u, i.v)) @ i.X
            seen = noise @ np.linalg.pinv(i.X) @ i.X / np.sqrt(n)
            loud += np.linalg.norm(seen, 2) > i.allowed
        allowed = binom.isf(1e-6, trials, np.exp(-(t**2) / 2))
        assert max(missed, loud) <= allowed
        assert i.G.shape == (m, min(n, d))


@pytest.mark.parametrize(("m", "d", "n"), [(1, 4, 12), (5, 1, 12), (4, 7, 3), (3, 3, 3)], ids=str)
@pytest.mark.parametrize("rank", [1, 2, 9])
def test_claims_hold_for_edge_shapes(m, d, n, rank):
    for seed in range(3):
        i = planted(m, d, n, seed=seed, rank=rank)
        assert STATEMENT.broken(i) == []
        assert [name for name in (*IDENTIFICATION, *REMOVAL) if not STATEMENT.claims[name].holds(i)] == []


def test_noise_that_a_fit_sees_is_m_by_q_gaussian():
    i = planted(3, 6, 4)
    rng = np.random.default_rng(0)
    draws = [replace(i, N=rng.standard_normal((3, 4))).G.ravel() for _ in range(4000)]
    np.testing.assert_allclose(np.cov(np.array(draws).T), i.noise**2 / 4 * np.eye(12), atol=0.15 * i.noise**2 / 4)


def test_direction_does_not_depend_on_the_rank_nor_on_unseen_inputs_and_does_on_a_penalty():
    i = planted(6, 9, 5)
    first = i.top[0]
    for other in (replace(i, rank=3), replace(i, null=9 * i.null)):
        assert sine(other.top[0], first) < 1e-9
    dense = planted(6, 5, 40)
    ridge = dense.Y @ dense.X.T @ np.linalg.inv(dense.X @ dense.X.T + 40 * np.diag([0.1, 1, 10, 100, 1000]))
    assert sine(np.linalg.svd(ridge @ dense.S)[0][:, 0], dense.top[0]) > 1e-3


def test_bound_is_attained_by_task_and_noise_together_and_fails_beyond_the_border():
    rng = np.random.default_rng(0)
    i = worst(rng, 5, inputs(rng, 4, 9), rho=0.4, noisy=0.5)
    assert i.noise > 0
    np.testing.assert_allclose(claims.angles(i), sharp(0.4), rtol=1e-9)
    assert claims.angles(worst(rng, 5, inputs(rng, 4, 9), rho=0.55)) > 0.99


# the converse


@pytest.mark.parametrize(("m", "a"), [(2, 0.5), (6, 1.5), (20, 4.0)])
def test_nobody_told_v_is_better_than_the_exact_mean(m, a):
    rng = np.random.default_rng(0)
    z = a * np.eye(m)[0] + rng.standard_normal((200_000, m))
    found = z[:, 0] ** 2 / np.sum(z**2, axis=1)
    np.testing.assert_allclose(found.mean(), told_v(m, a), atol=5 * found.std() / np.sqrt(len(found)))
    assert told_v(m, a) < (1 + a * a) / (m + a * a)


@pytest.mark.parametrize(("m", "q", "share"), [(3, 5, 0.3), (10, 4, 0.8), (30, 30, 0.5)])
def test_second_moment_is_its_series_and_below_the_bound(m, q, share):
    a, rng = (share * m * q) ** 0.25, np.random.default_rng(1)
    x, y = (rng.standard_normal((400_000, n)) for n in (m, q))
    x, y = (z[:, 0] / np.linalg.norm(z, axis=1) for z in (x, y))
    found = np.exp(a * a * x * y) * (x * x - 1 / m)
    np.testing.assert_allclose(found.mean(), second_moment(m, q, a), atol=6 * found.std() / np.sqrt(len(found)))
    assert 1 / m + np.sqrt(second_moment(m, q, a)) <= told_nothing(m, q, a)


def test_nothing_is_identified_below_the_sample_border_and_something_above():
    below = [told_nothing(m, m, (0.5 * m * m) ** 0.25) for m in (100, 10_000, 1_000_000)]
    assert below[0] > below[1] > below[2]
    np.testing.assert_allclose(below[2] * 1000, np.sqrt(0.5**-1.5 - 1.25), rtol=1e-2)
    svd = overlaps(60, 60, (0.5 * 3600) ** 0.25, 0)[1].mean(), overlaps(60, 60, (4 * 3600) ** 0.25, 0)[1].mean()
    assert svd[0] < told_nothing(60, 60, (0.5 * 3600) ** 0.25) < 0.3
    assert svd[1] > 0.4
    assert told_nothing(60, 60, (1.01 * 3600) ** 0.25) == 1.0


# training


@pytest.mark.parametrize("h", [0.3, 1.0])
def test_descent_bound_holds_for_factors_that_move_by_any_rule(h):
    """Z_j drawn anew at each step: ‖K‖ <= √(eta k/(2 − h)), attained by one step at h = 1."""
    rng, eta = np.random.default_rng(0), 0.1
    for _ in range(50):
        K = np.zeros((6, 3))
        for k in range(1, 30):
            Z = rng.standard_normal((3, 6)) * rng.uniform(0.1, 1)
            Z *= min(1.0, np.sqrt(h / eta) / np.linalg.norm(Z, 2))
            K = K + eta * (np.eye(6) - K @ Z) @ Z.T
            assert np.linalg.norm(K, 2) <= np.sqrt(eta * k / (2 - h)) * (1 + 1e-12)
    Z = np.sqrt(1.0 / eta) * np.eye(6)[:3]
    np.testing.assert_allclose(np.linalg.norm(eta * Z.T, 2), np.sqrt(eta / (2 - 1.0)))


def test_adam_moves_an_entry_by_at_most_its_constant_and_attains_it():
    c = adam_steps(40)
    np.testing.assert_allclose(c[0], 1.0)
    np.testing.assert_allclose(adam_steps(20_000)[-1], 0.1 / np.sqrt(0.001 * (1 - 0.81 / 0.999)), rtol=1e-6)
    for t in (2, 10, 40):
        g = (0.9 / 0.999) ** np.arange(t)[::-1]  # gradients for which Cauchy–Schwarz is an equality
        m = 0.1 * g @ 0.9 ** np.arange(t)[::-1] / (1 - 0.9**t)
        v = 0.001 * g**2 @ 0.999 ** np.arange(t)[::-1] / (1 - 0.999**t)
        np.testing.assert_allclose(m / np.sqrt(v), c[t - 1], rtol=1e-9)


# curation


@pytest.mark.parametrize(("nu", "weight"), [(0.0, 0.0), (0.25, 0.5114), (0.5, 0.6522), (5.51, 0.87)])
def test_one_core_at_correlation_nine_tenths(nu, weight):
    """Noise of standard deviation ½ gives 0.51, of variance ½ 0.65; 0.87 takes a variance of 5.5. Never above 0.9."""
    cores = errors_in_variables(nu, 0.9)
    np.testing.assert_allclose(cores.weight(), [weight], atol=2e-4)
    np.testing.assert_allclose(cores.learnt()[0, 1], cores.weight()[0], atol=1e-12)


def test_weights_are_those_of_least_squares_on_samples():
    rng = np.random.default_rng(3)
    cores = draw_cores(rng)
    k, n = len(cores.g), 200_000
    joint = np.block([[cores.C, cores.g[:, None]], [cores.g[None], np.ones((1, 1))]])
    both = np.linalg.cholesky(joint) @ rng.standard_normal((k + 1, n))
    seen = both + np.vstack([np.linalg.cholesky(cores.E) @ rng.standard_normal((k, n)), np.zeros((1, n))])
    fit = np.linalg.lstsq(seen.T, (cores.L @ both[:k]).T, rcond=None)[0].T
    np.testing.assert_allclose(fit[:, -1], cores.weight(), atol=0.03 * np.abs(cores.learnt()).max())
    factor = cores.learnt() - cores.kept()
    assert np.linalg.matrix_rank(factor, tol=1e-9) == 1
    u = factor[:, -1] / np.linalg.norm(factor[:, -1])
    Q = np.linalg.qr(cores.L)[0]
    assert np.linalg.norm(u - Q @ (Q.T @ u)) < 1e-9  # u is in col(L)


def test_a_merely_correlated_factor_is_within_reach_only_of_very_noisy_cores():
    """nu kappa/√(1 + nu − kappa²) > 2 first at nu = 5.1 for kappa = 0.9."""
    ratios = [errors_in_variables(nu, 0.9).ratio() for nu in (0.25, 0.5, 5.0, 5.2)]
    np.testing.assert_allclose(ratios[:2], [0.3392, 0.5417], atol=1e-4)
    assert ratios[2] < 2 < ratios[3]
