"""Spiked laws: the two forms of the formula, limits, draws at finite size, rates, and the sample thresholds."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.integrate import quad
from scipy.linalg import eigh
from scipy.optimize import brentq
from strategies import rotation
from tolerance import finite_size, monte_carlo, slope

from grasp_theory.identification.floor import factored_edge
from grasp_theory.identification.spectra import (
    critical_strength,
    factored_visible_strength,
    sample_critical_strength,
    sample_threshold,
    spike,
)

# --- the formulas ----------------------------------------------------------------------------------------------


def longer_form(theta: float, c: float) -> tuple[float, float]:
    """The squared overlaps as Benaych-Georges and Nadakuditi (2012) write them: 1 − c(1+θ²)/(θ²(θ²+c)) and mirrored."""
    t = theta**2
    return 1 - c * (1 + t) / (t * (t + c)), 1 - (c + t) / (t * (t + 1))


@given(m=st.integers(1, 3000), d=st.integers(1, 3000), ratio=st.floats(1.0001, 1e3), s=st.floats(1e-3, 1e3))
def test_spike_two_forms_agree(m, d, ratio, s):
    beta = ratio * critical_strength(m, d, s=s)
    found = spike(beta, m, d, s=s)
    left, right = longer_form(beta / (s * np.sqrt(d)), m / d)
    np.testing.assert_allclose([found.left, found.right], [left, right], rtol=1e-9, atol=1e-12)
    # the transpose exchanges left and right, the unit of length changes nothing but the value
    other, unit = spike(beta, d, m, s=s), spike(beta / s, m, d)
    np.testing.assert_allclose(
        [other.left, other.right, other.value], [right, left, found.value], rtol=1e-9, atol=1e-12
    )
    np.testing.assert_allclose([unit.left, unit.value * s], [found.left, found.value], rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize(("m", "d"), [(300, 300), (100, 700), (900, 50)])
def test_spike_is_continuous_at_the_threshold_and_tends_to_one(m, d):
    critical = critical_strength(m, d, s=2.0)
    below, above = spike(critical * (1 - 1e-9), m, d, s=2.0), spike(critical * (1 + 1e-9), m, d, s=2.0)
    np.testing.assert_array_equal([below.left, below.right], 0)
    np.testing.assert_allclose([above.left, above.right], 0, atol=1e-7)
    np.testing.assert_allclose(above.value, below.value, rtol=1e-7)
    np.testing.assert_allclose(below.value, 2.0 * (np.sqrt(m) + np.sqrt(d)))
    far = spike(1e6 * critical, m, d, s=2.0)
    np.testing.assert_allclose([far.left, far.right, far.value / (1e6 * critical)], 1, atol=1e-9)
    strengths = np.linspace(1.0, 20, 200) * critical
    for values in zip(*[(p.left, p.right, p.value) for p in (spike(b, m, d, s=2.0) for b in strengths)], strict=True):
        np.testing.assert_array_less(0, np.diff(values[1:]))


@pytest.mark.parametrize("layers", [1, 4, 16, 81])
def test_critical_strength_pools_as_the_fourth_root(layers):
    np.testing.assert_allclose(critical_strength(40, 90, s=0.5), 0.5 * 3600**0.25)
    # √(Σ beta_l²) is what is critical: each of L equal strengths may be L^(-¼) of one layer's
    each = critical_strength(40, 90, s=0.5, layers=layers) / np.sqrt(layers)
    np.testing.assert_allclose(each, critical_strength(40, 90, s=0.5) * layers**-0.25)


# --- draws -----------------------------------------------------------------------------------------------------


def top_triples(m: int, d: int, beta: float, draws: int, seed: int) -> np.ndarray:
    """(draws, 3): ⟨û,u⟩², ⟨v̂,v⟩², ŝ₁ of noise plus beta u vᵀ, u and v random."""
    rng = np.random.default_rng(seed)
    rows = []
    for _ in range(draws):
        u, v = rotation(rng, m, 1)[:, 0], rotation(rng, d, 1)[:, 0]
        M = rng.standard_normal((m, d)) + beta * np.outer(u, v)
        small = M if m <= d else M.T
        lam, Q = eigh(small @ small.T, subset_by_index=[min(m, d) - 1] * 2)
        one = Q[:, -1]
        two = small.T @ one / np.sqrt(lam[-1])
        left, right = (one, two) if m <= d else (two, one)
        rows.append(((left @ u) ** 2, (right @ v) ** 2, np.sqrt(lam[-1])))
    return np.array(rows)


@pytest.mark.slow
@pytest.mark.parametrize("ratio", [1.3, 2.0, 4.0])
def test_spike_equals_draws_above_the_threshold(ratio):
    m, d = 400, 600
    beta = ratio * critical_strength(m, d)
    found, law = top_triples(m, d, beta, 40, seed=0), spike(beta, m, d)
    np.testing.assert_allclose(found[:, 0].mean(), law.left, rtol=0, atol=monte_carlo(found[:, 0]) + finite_size(m, d))
    np.testing.assert_allclose(found[:, 1].mean(), law.right, rtol=0, atol=monte_carlo(found[:, 1]) + finite_size(m, d))
    np.testing.assert_allclose(
        found[:, 2].mean(), law.value, rtol=0, atol=monte_carlo(found[:, 2]) + finite_size(m, d) * np.sqrt(m)
    )


def test_spike_below_the_threshold_is_not_seen():
    """Control: at 0.6 of the critical strength the overlap is that of chance and the value that of noise."""
    m, d = 200, 300
    found = top_triples(m, d, 0.6 * critical_strength(m, d), 30, seed=1)
    np.testing.assert_array_less(found[:, :2].mean(axis=0), 0.05)
    np.testing.assert_allclose(found[:, 2].mean(), spike(1.0, m, d).value, rtol=0.02)


@pytest.mark.slow
def test_spike_overlap_converges_at_rate_one_half():
    sizes, errors = [48, 96, 192, 384], []
    for m in sizes:
        d = 3 * m // 2
        beta = 2.0 * critical_strength(m, d)
        found = top_triples(m, d, beta, 24_000 // m, seed=m)
        errors.append(np.sqrt(np.mean((found[:, 0] - spike(beta, m, d).left) ** 2)))
    rate, _ = slope(sizes, errors)
    # 24000/m draws know an rms to √(m/48000): up to 9% at the largest size, 0.05 in the slope over three doublings
    np.testing.assert_allclose(rate, -0.5, rtol=0, atol=0.1)


@pytest.mark.slow
@pytest.mark.parametrize("profile", ["equal", "one layer"])
def test_pooled_layers_follow_the_law_of_the_whole_norm(profile):
    """L independent tasks side by side: an m x (L d) spike of strength √(Σ beta_l²), whatever the profile."""
    m, d, L, draws = 100, 100, 8, 40
    rng = np.random.default_rng(0)
    total = 1.5 * critical_strength(m, d, layers=L)
    betas = np.full(L, total / np.sqrt(L)) if profile == "equal" else np.array([total] + [0.0] * (L - 1))
    overlap = []
    for _ in range(draws):
        u = rotation(rng, m, 1)[:, 0]
        stack = np.hstack([rng.standard_normal((m, d)) + b * np.outer(u, rotation(rng, d, 1)[:, 0]) for b in betas])
        overlap.append((np.linalg.eigh(stack @ stack.T)[1][:, -1] @ u) ** 2)
    law = spike(total, m, L * d).left
    np.testing.assert_allclose(np.mean(overlap), law, rtol=0, atol=monte_carlo(np.array(overlap)) + finite_size(m))
    # control: a single one of the equal layers is below its own threshold
    assert spike(total / np.sqrt(L), m, d).left == 0


# --- samples ---------------------------------------------------------------------------------------------------


def marchenko_pastur_quantiles(n: int, d: int) -> np.ndarray:
    """Eigenvalues of XᵀX for n Gaussian samples in R^d: n times the d midpoint quantiles of MP(d/n)."""
    c = d / n
    phi = np.linspace(0, np.pi, 20_001)
    x = 1 + c - 2 * np.sqrt(c) * np.cos(phi)
    density = np.sin(phi) ** 2 / x
    mass = np.concatenate([[0], np.cumsum(0.5 * (density[1:] + density[:-1]))])
    return n * np.interp((np.arange(d) + 0.5) / d * mass[-1], mass, x)


def critical_by_root(lam: np.ndarray, m: int, s: float) -> float:
    """The defining equations of ``sample-threshold``, solved by scipy."""
    d = lam.size
    a = brentq(lambda a: np.mean(a**2 / (lam - a) ** 2) - m / d, 1e-12 * lam.min(), lam.min() * (1 - 1e-12), xtol=1e-15)
    return s * np.sqrt(m / (a * np.mean(lam / (lam - a))))


@pytest.mark.parametrize(("m", "d", "n"), [(300, 300, 1000), (40, 200, 260), (500, 20, 25), (7, 1, 1), (60, 60, 61)])
@pytest.mark.parametrize("s", [1.0, 0.2])
def test_sample_critical_strength_solves_its_equations(m, d, n, s):
    X = np.random.default_rng(0).standard_normal((n, d))
    lam = np.linalg.eigvalsh(X.T @ X)
    np.testing.assert_allclose(sample_critical_strength(lam, m, s=s), critical_by_root(lam, m, s), rtol=1e-6)


def test_sample_critical_strength_of_equal_eigenvalues_is_the_white_one():
    # XᵀX = n I: noise of variance s²/n
    np.testing.assert_allclose(
        sample_critical_strength(np.full(90, 400.0), 40, s=3.0), critical_strength(40, 90, s=3.0 / 20), rtol=1e-9
    )


@pytest.mark.parametrize(("beta", "samples", "stated_before"), [(1.0, 1015, 600), (0.3, 4385, 3633), (4.0, 453, 319)])
def test_sample_critical_strength_gives_the_table(beta, samples, stated_before):
    """m = d = 300, s = 1: the number of samples at which beta is critical; and the refuted d + s²√(md)/beta²."""
    m = d = 300
    n = brentq(lambda n: sample_critical_strength(marchenko_pastur_quantiles(n, d), m) - beta, 310, 9000, xtol=0.5)
    np.testing.assert_allclose(n, samples, rtol=0.03)
    np.testing.assert_array_less(1.15 * stated_before, n)
    X = np.random.default_rng(0).standard_normal((samples, d))
    drawn = sample_critical_strength(np.linalg.eigvalsh(X.T @ X), m)
    np.testing.assert_allclose(drawn, beta, rtol=0.05)


@pytest.mark.parametrize(("m", "d"), [(300, 300), (75, 300), (600, 150)])
def test_sample_threshold_raw_is_the_expansion_of_the_exact_border(m, d):
    """Error o(d) as n/d grows: the neglected term is of order d²/n, so eight times n leaves an eighth of it."""
    relative = []
    for n in (30 * d, 240 * d):
        beta = sample_critical_strength(marchenko_pastur_quantiles(n, d), m)
        relative.append(abs(sample_threshold(beta, m, d) - n) / d)
    np.testing.assert_array_less(relative[0], 0.5 * (1 + m / d) ** 2)
    np.testing.assert_array_less(relative[1], 0.25 * relative[0])
    root = np.sqrt(m / d)
    offset = sample_threshold(0.1, m, d) - np.sqrt(m * d) / 0.01
    np.testing.assert_allclose(offset, 0.5 * (1 + root) * (3 + root) * d, rtol=1e-9)


def test_sample_threshold_offset_is_never_d_in():
    np.testing.assert_allclose(sample_threshold(1.0, 300, 300) - 300, 4 * 300)
    np.testing.assert_allclose(sample_threshold(1e9, 3, 3_000_000) / 3_000_000, 1.5, rtol=0.01)


@pytest.mark.parametrize(("m", "d"), [(300, 300), (75, 300), (600, 150)])
@pytest.mark.parametrize("s", [1.0, 0.4])
def test_sample_threshold_whitened_is_the_white_one_in_min_n_d_dimensions(m, d, s):
    for n in (d // 8, d // 2, d, 2 * d, 9 * d):
        # dW X has a factor of strength beta √n in m x min(n, d) white noise
        beta = critical_strength(m, min(n, d), s=s) / np.sqrt(n)
        np.testing.assert_allclose(sample_threshold(beta, m, d, s=s, whitened=True), n, rtol=1e-9)


def test_sample_threshold_whitened_is_continuous_and_below_the_raw_one():
    m, d = 200, 100
    beta = (m * d) ** 0.25 / np.sqrt(d)  # where n = d
    near = [sample_threshold(b * beta, m, d, whitened=True) for b in (1 - 1e-9, 1 + 1e-9)]
    np.testing.assert_allclose(near, d, rtol=1e-7)
    for b in np.geomspace(0.1, 10, 9):
        np.testing.assert_array_less(sample_threshold(b, m, d, whitened=True), sample_threshold(b, m, d))


# --- factored --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("ratio", [1.2, 1.6, 3.0])
@pytest.mark.parametrize("spread", [0.0, 0.35])
def test_factored_visible_strength_inverts_a_drawn_spike(ratio, spread):
    """The strength of the factor is read back from the singular value it comes out at, within 2%."""
    m, r, s, draws = 1500, 100, 0.5, 6
    rng = np.random.default_rng(0)
    l = rng.uniform(1 - spread, 1 + spread, r)
    visible = factored_visible_strength(m, l, np.sqrt(factored_edge(m, l, s=s).centre) * ratio, s=s)
    root = np.sqrt(l)
    read = []
    for _ in range(draws):
        # N A in an orthonormal basis of A's row space: A = diag(√l); w spread evenly
        u, w = rotation(rng, m, 1)[:, 0], rng.choice([-1.0, 1.0], r) / np.sqrt(r)
        M = s * rng.standard_normal((m, r)) * root + visible * np.outer(u, w)
        read.append(factored_visible_strength(m, l, float(np.linalg.norm(M, 2)), s=s))
    np.testing.assert_allclose(np.mean(read), visible, rtol=0.02)


@pytest.mark.parametrize(("m", "r"), [(200, 50), (100, 100), (40, 160)])
@pytest.mark.parametrize("ratio", [1.001, 1.5, 8.0])
def test_factored_visible_strength_with_equal_eigenvalues_is_the_spike_law(m, r, ratio):
    beta = ratio * critical_strength(m, r, s=0.3)
    value = spike(beta, m, r, s=0.3).value
    np.testing.assert_allclose(factored_visible_strength(m, np.ones(r), value, s=0.3), beta, rtol=1e-5)


def test_factored_visible_strength_grows_with_the_value():
    l = np.array([3.0, 1.0, 0.2, 0.0])
    edge = np.sqrt(factored_edge(30, l).centre)
    strengths = [factored_visible_strength(30, l, edge * t) for t in np.linspace(1 + 1e-9, 5, 30)]
    np.testing.assert_array_less(0, np.diff(strengths))
    np.testing.assert_allclose(factored_visible_strength(30, l, 1e6), 1e6 * np.sqrt(1.0), rtol=1e-4)


def test_marchenko_pastur_quantiles_are_those_of_the_law():
    """Of the helper above: its mean is n, its spread that of the density."""
    n, d = 1000, 300
    lam = marchenko_pastur_quantiles(n, d) / n
    np.testing.assert_allclose(lam.mean(), 1, rtol=1e-3)
    c = d / n
    low, high = (1 - np.sqrt(c)) ** 2, (1 + np.sqrt(c)) ** 2
    second = quad(lambda x: x * np.sqrt((high - x) * (x - low)) / (2 * np.pi * c), low, high)[0]
    np.testing.assert_allclose(np.mean(lam**2), second, rtol=2e-3)
