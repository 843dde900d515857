"""Where noise ends: Tracy-Widom margin, white and factored edges against draws of pure noise, scale from a median."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.integrate import quad
from scipy.optimize import brentq, minimize_scalar
from strategies import rotation
from tolerance import Z, binomial

from grasp_theory.identification.floor import (
    Edge,
    factored_edge,
    gavish_donoho_threshold,
    marchenko_pastur_quantile,
    noise_scale,
    tracy_widom_quantile,
    white_edge,
)

# --- quantiles -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    # Tracy-Widom law of order 1, published tables (Johnstone 2001; Bejan 2005)
    ("level", "quantile"),
    [(0.5, -1.2686), (0.9, 0.4501), (0.95, 0.9793), (0.99, 2.0234), (0.995, 2.4224), (0.999, 3.2724)],
)
def test_tracy_widom_quantile_equals_the_table(level, quantile):
    np.testing.assert_allclose(tracy_widom_quantile(level), quantile, rtol=0, atol=0.02)


# --- white noise -----------------------------------------------------------------------------------------------

SIZES = [(64, 64), (96, 32), (40, 160)]
DRAWS = 1000


def largest_of_noise(m: int, d: int, draws: int) -> np.ndarray:
    m, d = min(m, d), max(m, d)
    X = np.random.default_rng(0).standard_normal((draws, m, d))
    return np.sqrt(np.linalg.eigvalsh(X @ np.swapaxes(X, 1, 2))[:, -1])


@pytest.mark.parametrize(("m", "d"), SIZES)
def test_white_edge_false_alarms_are_the_level(m, d):
    largest = largest_of_noise(m, d, DRAWS)
    edge = white_edge(m, d)
    for level in (0.9, 0.99):
        alarms = np.mean(largest > edge.floor(level))
        # the law is reached at rate min(m, d)^(-2/3); here that is less than the Monte-Carlo error
        np.testing.assert_allclose(alarms, 1 - level, rtol=0, atol=binomial(1 - level, DRAWS))
    # control: the edge without a margin
    np.testing.assert_array_less(0.05, np.mean(largest > np.sqrt(edge.centre)))
    np.testing.assert_array_less(0.05, np.mean(largest > np.sqrt(m) + np.sqrt(d)))


def test_white_edge_is_symmetric_and_scales():
    for m, d in SIZES:
        np.testing.assert_allclose(white_edge(m, d).floor(0.99), white_edge(d, m).floor(0.99))
        np.testing.assert_allclose(white_edge(m, d, s=3.0).floor(0.99), 3 * white_edge(m, d).floor(0.99))
    np.testing.assert_allclose(white_edge(10_000, 40_000).centre, 300.0**2, rtol=1e-4)


def test_edge_floor_is_never_negative():
    assert Edge(0.01, 1.0, 1.0).floor(0.5) == 0.0


# --- factored noise --------------------------------------------------------------------------------------------


def spectra() -> dict[str, tuple[int, np.ndarray]]:
    rng = np.random.default_rng(0)
    return {
        "flat": (300, np.ones(20)),
        "one": (50, np.array([2.0])),
        "peft": (256, np.linalg.eigvalsh(_peft(rng, 16, 128))),
        "decaying": (100, 0.7 ** np.arange(30)),
        "outlier": (100, np.array([100.0] + [1.0] * 15)),
        "wide": (20, rng.uniform(0.1, 3, 200)),
        "tiny": (100, 1e-12 * rng.uniform(0.1, 3, 20)),
        "huge": (100, 1e12 * rng.uniform(0.1, 3, 20)),
    }


def _peft(rng: np.random.Generator, r: int, d: int) -> np.ndarray:
    A = rng.uniform(-1, 1, (r, d)) / np.sqrt(d)
    return A @ A.T


@pytest.mark.parametrize("name", list(spectra()))
@pytest.mark.parametrize("s", [1.0, 0.3])
def test_factored_edge_equals_minimisation(name, s):
    m, l = spectra()[name]
    edge = factored_edge(m, l, s=s)

    def x(a: np.ndarray) -> np.ndarray:
        return m / a + np.sum(l / (1 - np.asarray(a)[..., None] * l), axis=-1)

    grid = np.linspace(0, 1 / l.max(), 20_002)[1:-1]
    values = x(grid)
    best = int(values.argmin())
    around = (grid[max(best - 1, 0)], grid[min(best + 1, grid.size - 1)])
    found = minimize_scalar(x, bounds=around, method="bounded", options={"xatol": 1e-14 * grid[best]})
    np.testing.assert_allclose(edge.centre, s * s * min(found.fun, values[best]), rtol=1e-9)
    np.testing.assert_array_less(edge.centre, s * s * values * (1 + 1e-12))
    # width³ = x''(a)/2 by a central difference
    h = 1e-4 * min(edge.at, 1 / l.max() - edge.at)
    second = (x(edge.at + h) - 2 * x(edge.at) + x(edge.at - h)) / h**2
    np.testing.assert_allclose(edge.width, s * s * (second / 2) ** (1 / 3), rtol=1e-3)


@pytest.mark.slow
@pytest.mark.parametrize(("m", "r"), [(100, 16), (50, 50), (20, 90), (10**9, 1), (1, 10**6), (1, 1)])
def test_factored_edge_with_equal_eigenvalues_is_white(m, r):
    edge = factored_edge(m, np.full(r, 4.0), s=0.5)
    np.testing.assert_allclose(edge.centre, (np.sqrt(m) + np.sqrt(r)) ** 2, rtol=1e-12)
    np.testing.assert_allclose(edge.width, (m**0.5 + r**0.5) * (m**-0.5 + r**-0.5) ** (1 / 3), rtol=1e-7)
    padded = factored_edge(m, np.array([4.0] * r + [0.0] * 7), s=0.5)
    np.testing.assert_allclose(padded.centre, edge.centre, rtol=1e-14)


def factored_noise(m: int, r: int, d: int, draws: int, seed: int) -> tuple[list[np.ndarray], list[np.ndarray]]:
    """(eigenvalues of AAᵀ, singular values of N A) of pure-noise updates."""
    rng = np.random.default_rng(seed)
    lam, values = [], []
    for _ in range(draws):
        gram = _peft(rng, r, d)
        N = rng.standard_normal((m, r))
        lam.append(np.linalg.eigvalsh(gram))
        values.append(np.linalg.svd(N @ np.linalg.cholesky(gram), compute_uv=False))
    return lam, values


@pytest.mark.slow
@pytest.mark.parametrize(("m", "r", "d"), [(256, 8, 256), (256, 32, 256), (128, 64, 512)])
def test_factored_edge_false_alarms_are_at_most_the_level(m, r, d):
    draws = 500
    lam, values = factored_noise(m, r, d, draws, seed=0)
    largest = np.array([S[0] for S in values])
    floors = np.array([factored_edge(m, l).floor(0.99) for l in lam])
    np.testing.assert_array_less(np.mean(largest > floors), 0.01 + binomial(0.01, draws))
    # and it is no loose bound: the margin is needed, and the floor is near the values
    edges = np.array([np.sqrt(factored_edge(m, l).centre) for l in lam])
    np.testing.assert_array_less(0.05, np.mean(largest > edges))
    np.testing.assert_array_less(floors, largest * 1.25)


@pytest.mark.parametrize(("m", "r", "d"), [(512, 16, 256), (256, 32, 256), (128, 64, 512)])
def test_edge_of_b_applied_to_the_product_would_false_alarm(m, r, d):
    """Control: the m x r edge, scaled by the spectrum of BA itself or by A's mean square, alarms in most draws."""
    draws = 200
    lam, values = factored_noise(m, r, d, draws, seed=1)
    unit = white_edge(m, r).floor(0.99)
    by_median = [S[0] > noise_scale(S, m, r) * unit for S in values]
    by_mean = [S[0] > np.sqrt(np.mean(l)) * unit for l, S in zip(lam, values, strict=True)]
    np.testing.assert_array_less(0.5, np.mean(by_median))
    np.testing.assert_array_less(0.5, np.mean(by_mean))


@pytest.mark.slow
def test_factored_edge_of_a_stack_takes_all_eigenvalues_together():
    rng = np.random.default_rng(0)
    m, draws, alarms = 200, 300, 0
    for _ in range(draws):
        parts = [s * np.linalg.cholesky(_peft(rng, 8, 64)) for s in (1.0, 3.0, 0.2)]
        stack = np.hstack([rng.standard_normal((m, 8)) @ part for part in parts])
        eigenvalues = np.concatenate([np.linalg.eigvalsh(part @ part.T) for part in parts])
        alarms += np.linalg.norm(stack, 2) > factored_edge(m, eigenvalues).floor(0.99)
    np.testing.assert_array_less(alarms / draws, 0.01 + binomial(0.01, draws))


# --- noise scale -----------------------------------------------------------------------------------------------


def median_by_quadrature(c: float) -> float:
    """Median of the Marchenko-Pastur law from its density, by adaptive quadrature in the angle of x."""

    def density(phi: float) -> float:
        # √((b−x)(x−a))/(2π c x) dx with x = 1 + c − 2 √c cos φ; at c = 1 the quotient is cos²(φ/2)/(π/2)
        if c == 1:
            return 2 / np.pi * np.cos(phi / 2) ** 2
        return 2 / np.pi * np.sin(phi) ** 2 / (1 + c - 2 * np.sqrt(c) * np.cos(phi))

    def below(t: float) -> float:
        return quad(density, 0, t, epsabs=1e-13, epsrel=1e-12, limit=200)[0] - 0.5

    return 1 + c - 2 * np.sqrt(c) * np.cos(brentq(below, 1e-6, np.pi, xtol=1e-14))


@pytest.mark.parametrize("aspect", [1e-3, 0.01, 0.1, 0.25, 0.5, 0.75, 0.9, 1.0])
def test_marchenko_pastur_quantile_equals_quadrature(aspect):
    np.testing.assert_allclose(marchenko_pastur_quantile(aspect), median_by_quadrature(aspect), rtol=0, atol=1e-7)


def scales(m: int, r: int, signals: int, strength: float, draws: int) -> np.ndarray:
    """noise_scale of ``draws`` matrices of noise 0.7 with planted signals."""
    rng = np.random.default_rng(0)
    found = []
    for _ in range(draws):
        M = 0.7 * rng.standard_normal((m, r))
        if signals:
            M += strength * rotation(rng, m, signals) @ rotation(rng, r, signals).T
        found.append(noise_scale(np.linalg.svd(M, compute_uv=False), m, r))
    return np.array(found)


@pytest.mark.parametrize(("m", "r"), [(256, 16), (400, 33), (64, 64), (30, 90)])
def test_noise_scale_recovers_the_scale(m, r):
    found = scales(m, r, 0, 0.0, 60)
    # bias of the median of q values about 1/q of the bulk's width, beside the Monte-Carlo error
    bias = 0.7 / min(m, r) * np.sqrt(min(m, r) / max(m, r))
    np.testing.assert_allclose(found.mean(), 0.7, rtol=0, atol=Z * found.std(ddof=1) / np.sqrt(60) + bias)


@pytest.mark.parametrize("strength", [1e2, 1e4, 1e6])
@pytest.mark.parametrize(("m", "r", "signals"), [(512, 16, 4), (512, 16, 8), (512, 17, 8), (300, 32, 16)])
def test_noise_scale_survives_signals_up_to_half_the_rank(m, r, signals, strength):
    """However strong k <= r/2 signals are, the estimate stays inside the noise bulk s(√m ± √r)/√(m mu).

    The mean of the two middle values of an even number would take half a signal in.
    """
    found = scales(m, r, signals, strength, 10)
    unit = 0.7 / np.sqrt(m * marchenko_pastur_quantile(r / m))
    np.testing.assert_array_less(found, white_edge(m, r).floor(0.999) * unit)
    np.testing.assert_array_less((np.sqrt(m) - np.sqrt(r)) * unit, found)


@pytest.mark.parametrize(("m", "r", "signals"), [(512, 16, 9), (512, 17, 9)])
def test_noise_scale_with_more_signals_is_lost(m, r, signals):
    """Control: one signal more, and the median is a signal."""
    np.testing.assert_array_less(100 * 0.7, scales(m, r, signals, 1e4, 5))


# --- Gavish and Donoho -----------------------------------------------------------------------------------------


def test_gavish_donoho_factor_of_square_matrices():
    """4/√3 for known noise becomes omega(1) = 2.858 for the median."""
    S = np.linspace(0.5, 1.5, 7)
    np.testing.assert_allclose(gavish_donoho_threshold(S, 7, 7), 2.858, rtol=0, atol=1e-3)
    known = gavish_donoho_threshold(S, 7, 7) / (noise_scale(S, 7, 7) * np.sqrt(7))
    np.testing.assert_allclose(known, 4 / np.sqrt(3), rtol=1e-12)


@pytest.mark.parametrize("aspect", [0.05, 0.25, 0.5, 0.75, 1.0])
def test_gavish_donoho_factor_equals_the_published_approximation(aspect):
    # omega(c) ≈ 0.56 c³ − 0.95 c² + 1.82 c + 1.43, off by at most 0.02 (Gavish and Donoho 2014, eq. 5)
    m = round(100 * aspect)
    found = gavish_donoho_threshold(np.ones(m), m, 100)
    np.testing.assert_allclose(found, np.polyval([0.56, -0.95, 1.82, 1.43], aspect), rtol=0, atol=0.02)
    np.testing.assert_allclose(found, gavish_donoho_threshold(np.ones(m), 100, m))


def test_gavish_donoho_threshold_lies_above_the_edge():
    S = np.linalg.svd(np.random.default_rng(0).standard_normal((200, 300)), compute_uv=False)
    np.testing.assert_array_less(white_edge(200, 300).floor(0.99), gavish_donoho_threshold(S, 200, 300))
