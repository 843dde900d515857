"""Random matrices with one planted factor, their simulation at low cost, and means against limits."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import Literal

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from ...identification.spectra import finite_size as finite_size
from ..statement import Sides

Law = Literal["gaussian", "signs", "uniform", "student-3"]
LAWS: tuple[Law, ...] = ("gaussian", "signs", "uniform")  # those with a fourth moment
FINITE = "5 standard errors of the mean, and the finite-size term of phase-transition, measured"  # a slack


def sizes(rng: np.random.Generator) -> tuple[int, int]:
    """(m, d): the smaller about 130, the other up to three times as large."""
    m = int(rng.integers(110, 161))
    d = int(m * np.exp(rng.uniform(0, np.log(3))))
    return (m, d) if rng.random() < 0.5 else (d, m)


def entries(rng: np.random.Generator, m: int, d: int, law: Law = "gaussian") -> Float[ndarray, "m d"]:
    """Independent entries of mean 0 and variance 1. Student's t with 3 degrees has that variance, no fourth moment."""
    if law == "signs":
        return rng.integers(0, 2, (m, d)) * 2.0 - 1
    if law == "uniform":
        return rng.uniform(-np.sqrt(3), np.sqrt(3), (m, d))
    return rng.standard_t(3, (m, d)) / np.sqrt(3) if law == "student-3" else rng.standard_normal((m, d))


def top_triple(M: Float[ndarray, "m d"]) -> tuple[Float[ndarray, " m"], float, Float[ndarray, " d"]]:
    """(û, ŝ₁, v̂) from the Gram matrix of the smaller side: half the digits, far more than a Monte Carlo needs."""
    if M.shape[0] > M.shape[1]:
        v, value, u = top_triple(M.T)
        return u, value, v
    u = top_vector(M @ M.T)
    v = M.T @ u
    value = float(np.linalg.norm(v))
    return u, value, v / value


def top_vector(G: Float[ndarray, "n n"]) -> Float[ndarray, " n"]:
    """The eigenvector of the largest eigenvalue of a symmetric matrix."""
    from scipy.linalg import eigh

    return eigh(G, subset_by_index=[len(G) - 1, len(G) - 1], check_finite=False)[1][:, 0]


def average(values: Float[ndarray, " trials"], limit: float, finite: float) -> Sides:
    """A mean against its limit: slack of 5 standard errors and the finite-size term."""
    return Sides(float(values.mean()), float(limit), float(5 * values.std(ddof=1) / np.sqrt(len(values)) + finite))


def marchenko_pastur(c: float, nodes: int = 4000) -> tuple[Float[ndarray, " k"], Float[ndarray, " k"]]:
    """Nodes and weights of the Marchenko-Pastur law with ratio c <= 1, variance 1."""
    angle = (np.arange(nodes) + 0.5) * np.pi / nodes
    x = 1 + c + 2 * np.sqrt(c) * np.cos(angle)
    weight = np.sin(angle) ** 2 / x
    return x, weight / weight.sum()


def chain(rng: np.random.Generator, m: int, d: int, beta: float, trials: int) -> Float[ndarray, "trials 2"]:
    """(⟨û,u⟩², ŝ₁) of Gaussian M = T + beta u vᵀ, s = 1, from a bidiagonal matrix with exactly their joint law.

    Turned so that u = e₁, its first row has the length of (beta + g, chi(d − 1)), g Gaussian; Householder reflections
    that fix e₁ take the rest to chi(d − i) on the diagonal and chi(m − i) below. Its top pair lives on the first
    O(n^⅓) sites: the rest is cut off (error below 1e-4). For ⟨v̂,v⟩² exchange m and d. Cost O(trials · n^⅓).
    """
    from scipy.linalg import eigh_tridiagonal

    K = min(m, d, int(4 * max(m, d) ** (1 / 3)) + 12)
    site = np.arange(K)
    first = (beta + rng.standard_normal((trials, 1))) ** 2 + rng.chisquare(d - 1, (trials, 1))
    a2 = np.hstack([first, rng.chisquare(d - site[1:], (trials, K - 1))])  # squares of the diagonal, of what is below
    b2 = rng.chisquare(m - site[1:], (trials, K - 1))
    diagonal, beside = a2 + np.pad(b2, ((0, 0), (1, 0))), np.sqrt(a2[:, :-1] * b2)
    found = np.empty((trials, 2))
    for row, x, y in zip(found, diagonal, beside, strict=True):
        values, U = eigh_tridiagonal(x, y, select="i", select_range=(K - 1, K - 1), check_finite=False)
        row[:] = U[0, 0] ** 2, np.sqrt(values[0])
    return found


def anisotropic_law(
    l: Float[ndarray, " d"], m: int, beta: float, weights: tuple[ndarray, float] | None = None
) -> tuple[float, float, float]:
    """(⟨û,u⟩², ⟨v̂,v⟩², border) for noise of variances l in d Haar directions (statement ``sample-threshold``).

    weights : (w, 1/d) if value l_j stands for a share w_j of the directions; equal shares by default.
    """
    from scipy.optimize import root_scalar

    d = len(l) if weights is None else 1 / weights[1]
    w = np.full(len(l), 1 / len(l)) if weights is None else weights[0]

    def e(a: float) -> float:
        return 1 - a * a * d / m * float(w @ (l / (1 - a * l)) ** 2)

    def outlier(a: float) -> float:
        return beta**2 * a / m * float(w @ (1 / (1 - a * l)))

    end = 1 / l.max()
    edge = float(root_scalar(e, bracket=[1e-9 * end, end * (1 - 1e-13)], xtol=1e-15 * end, rtol=1e-14).root)
    border = beta / np.sqrt(outlier(edge))
    if border >= beta:
        return 0.0, 0.0, border
    a = float(root_scalar(lambda a: outlier(a) - 1, bracket=[1e-12 * edge, edge], xtol=1e-15 * end, rtol=1e-14).root)
    slope = beta**2 / m * float(w @ (1 / (1 - a * l) ** 2))
    x = m / a + d * float(w @ (l / (1 - a * l)))
    return e(a) / (a * slope), (m / a) ** 2 * e(a) / (beta**2 * slope * a * x), border


def sample_law(n: int, m: int, d: int, beta: float = 1.0, s: float = 1.0) -> tuple[float, float, float]:
    """The same for least squares on n Gaussian samples: l = s²/(n x), x of the Marchenko-Pastur law with ratio d/n."""
    x, w = marchenko_pastur(d / n, 1000)
    return anisotropic_law(s**2 / (n * x), m, beta, (w, 1 / d))


def least_squares_noise(rng: np.random.Generator, n: int, m: int, d: int) -> Float[ndarray, "m d"]:
    """The error of least squares on n Gaussian samples with unit noise: N R⁻¹, XᵀX = RᵀR by its Bartlett factor."""
    from scipy.linalg import solve_triangular

    root = np.tril(rng.standard_normal((d, d)), -1) + np.diag(np.sqrt(rng.chisquare(n - np.arange(d))))
    return solve_triangular(root.T, rng.standard_normal((d, m))).T


TAILS = 8.0  # beyond ±8 TW₁ has 1e-8 of its mass


def tracy_widom(x: float) -> float:
    """Distribution function of TW₁ from Painlevé II, q'' = xq + 2q³, q ~ Ai: exp(−½∫(q + (t − x)q²) dt)."""
    y = _hastings_mcleod()(x)
    return float(np.exp(-0.5 * (y[2] + y[4])))


def tracy_widom_square(x: float) -> float:
    """E (X − x)² for X of that law, by parts: (b − x)² − 2 ∫ (t − x) F(t) dt up to b = 8, where F is 1 but for 1e-8."""
    from scipy.integrate import simpson

    t = np.linspace(-TAILS, TAILS, 2001)
    y = _hastings_mcleod()(t)
    return float((TAILS - x) ** 2 - simpson(2 * (t - x) * np.exp(-0.5 * (y[2] + y[4])), x=t))


@lru_cache
def _hastings_mcleod() -> Callable[..., ndarray]:
    """(q, q', ∫q, ∫q², ∫(t' − t)q²) of t between −8 and 8, the integrals from t to ∞."""
    from scipy.integrate import quad, solve_ivp
    from scipy.special import airy

    def right(t: float, y: ndarray) -> list[float]:
        return [y[1], t * y[0] + 2 * y[0] ** 3, -y[0], -(y[0] ** 2), -y[3]]

    def ai(t: float) -> float:
        return float(airy(t)[0])

    tails = (quad(f, TAILS, np.inf)[0] for f in (ai, lambda t: ai(t) ** 2, lambda t: (t - TAILS) * ai(t) ** 2))
    start = [ai(TAILS), float(airy(TAILS)[1]), *tails]
    return solve_ivp(right, (TAILS, -TAILS), start, "DOP853", dense_output=True, rtol=1e-13, atol=1e-16).sol
