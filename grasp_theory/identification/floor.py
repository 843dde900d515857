"""Where noise ends: the largest singular value that pure noise would show (statement ``noise-floor``).

Model of a factored update: dW = scaling * (N + signal) @ A with A observed and N (m x r) of independent entries of
variance s², which is what early training, or training with A frozen, leaves in B. It says nothing about a *converged*
fit, whose components are the top r of an m x d spectrum and flatter than any of these laws.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from ..errors import InputError

LEVEL = 0.99  # pure noise stays below the floor with this probability
TRACY_WIDOM = {0.9: 0.4501, 0.95: 0.9793, 0.99: 2.0234, 0.995: 2.4224, 0.999: 3.2724}
MIN_RANK = 16  # below it the median of r singular values is no estimate of the noise


@lru_cache
def tracy_widom_quantile(level: float) -> float:
    """Quantile of the Tracy-Widom law of order 1, the fluctuation of the largest eigenvalue of real noise.

    The usual levels are the published values (Bejan 2005). Others come from a shifted gamma law with the same
    three moments (Chiani 2014, arXiv:1209.3394); its error is below 0.03 for 0.5 <= level <= 0.999. Raises InputError
    for a level outside (0, 1).
    """
    if not 0 < level < 1:
        raise InputError(f"level must lie between 0 and 1, got {level}")
    if level in TRACY_WIDOM:
        return TRACY_WIDOM[level]
    from scipy.special import gammaincinv

    return float(0.186054 * gammaincinv(46.446, level) - 9.84801)


@dataclass(frozen=True)
class Edge:
    """Edge of the noise spectrum: the largest noise eigenvalue of M Mᵀ is centre + width * (Tracy-Widom)."""

    centre: float
    width: float
    at: float  # the a that attains the minimum in factored_edge; tr(x − M Mᵀ)⁻¹ at the edge

    def floor(self, level: float = LEVEL) -> float:
        """Singular value that noise exceeds with probability 1 − level."""
        return float(np.sqrt(max(self.centre + self.width * tracy_widom_quantile(level), 0.0)))


def white_edge(m: int, d: int, *, s: float = 1.0) -> Edge:
    """Edge for an m x d matrix of independent entries of variance s²: (√m + √d)² s² with Johnstone's width.

    The half-integer corrections are Ma's (2012, arXiv:1203.0839), accurate to O(min(m, d)^(-2/3)). Raises InputError
    for a matrix without a row or a column.
    """
    if m < 1 or d < 1:
        raise InputError(f"a noise matrix needs at least one row and one column, got {m} x {d}")
    a, b = np.sqrt(m - 0.5), np.sqrt(d - 0.5)
    return Edge(float(s * s * (a + b) ** 2), float(s * s * (a + b) * (1 / a + 1 / b) ** (1 / 3)), float("nan"))


def factored_edge(m: int, eigenvalues: Float[ndarray, " r"], *, s: float = 1.0) -> Edge:
    """Edge of the spectrum of N @ A given A: **edge² = s² min over 0 < a < 1/l_max of [m/a + Σ l_j/(1 − a l_j)]**.

    l_j are the eigenvalues of AAᵀ; with l_j = 1 it is (√m + √r)² s². (The m x r edge applied to the spectrum of BA
    forgets A's own spread and raises a false alarm in 71-100% of pure-noise updates.) Stacked updates share the law
    with the eigenvalues of all of them together, each scaled by its own noise variance.

    Source: Marchenko-Pastur equation for x(a), a = tr(x − M Mᵀ)⁻¹; width³ = x''(a)/2 (El Karoui 2007).
    Errors: InputError if m < 1 or no eigenvalue is positive. Cost O(r) per step of a bisection.
    """
    l = _finite("eigenvalues", eigenvalues)
    l = l[l > 0]
    if m < 1 or l.size == 0:
        raise InputError(f"needs m >= 1 and a positive eigenvalue of A Aᵀ, got m = {m} and {l.size} positive ones")
    # x'(a) = −m/a² + Σ (l/(1 − a l))² increases from −∞ to +∞: one root, found by bisection in b = a l_max.
    top, t = l.max(), l / l.max()
    low, high = 0.0, 1.0
    while high - low > 4 * np.finfo(float).eps * high:
        b = 0.5 * (low + high)
        low, high = (b, high) if np.sum((t / (1 - b * t)) ** 2) < m / b**2 else (low, b)
    a = low / top
    centre = m / a + np.sum(l / (1 - a * l))
    width = (m / a**3 + np.sum((l / (1 - a * l)) ** 3)) ** (1 / 3)
    return Edge(float(s * s * centre), float(s * s * width), float(a))


@lru_cache(maxsize=256)
def marchenko_pastur_quantile(aspect: float, level: float = 0.5) -> float:
    """Quantile of the Marchenko-Pastur law with ratio 0 < aspect <= 1 and unit variance (support (1 ± √aspect)²).

    With x = 1 + aspect + 2 √aspect cos φ the density becomes smooth in φ; a trapezoid rule on 16,384 points gives
    eight digits. The median, level ½, is mu_beta of Gavish and Donoho (2014). Raises InputError for numbers outside
    these ranges.
    """
    if not (0 < aspect <= 1 and 0 < level < 1):
        raise InputError(f"aspect must lie in (0, 1] and level in (0, 1), got {aspect} and {level}")
    phi = np.linspace(np.pi, 0.0, 16385)
    x = 1 + aspect + 2 * np.sqrt(aspect) * np.cos(phi)
    with np.errstate(invalid="ignore", divide="ignore"):
        density = np.where(x > 0, np.sin(phi) ** 2 / x, 1.0)  # aspect 1: the limit at the left end is 1
    mass = np.concatenate([[0.0], np.cumsum(0.5 * (density[1:] + density[:-1]))])
    return float(np.interp(level * mass[-1], mass, x))


def noise_scale(singular_values: Float[ndarray, " q"], m: int, r: int) -> float:
    """Standard deviation of the entries of an m x r matrix that is noise plus at most min(m, r)/2 signals.

    s = S_j/√(max(m, r) mu_j): the lower median S_j over the Marchenko-Pastur quantile mu_j that it estimates. (The
    ordinary median of an even number averages a signal in when half of the values are signals.)
    Source: Gavish and Donoho 2014, eq. 12, with the order statistic for the median.
    Raises InputError unless all min(m, r) values are given.
    """
    S = np.sort(_finite("singular_values", singular_values))
    n = min(m, r)
    if S.size != n or not n:
        raise InputError(f"needs all {n} singular values of a {m} x {r} matrix, got {S.size}")
    lower = (n - 1) // 2
    return float(S[lower] / np.sqrt(max(m, r) * marchenko_pastur_quantile(n / max(m, r), (lower + 0.5) / n)))


def gavish_donoho_threshold(singular_values: Float[ndarray, " q"], m: int, d: int) -> float:
    """Hard threshold for the singular values of a *full* m x d matrix with unknown noise: omega(c) * median(S).

    omega(c) = lambda(c)/√mu_c with lambda² = 2(c + 1) + 8c/((c + 1) + √(c² + 14c + 1)), c = min/max. It minimises the
    squared error of the denoised matrix; it is no test, and lies above the noise edge. Gavish and Donoho 2014. Raises
    InputError unless all min(m, d) values are given.
    """
    S = _finite("singular_values", singular_values)
    if S.size != min(m, d) or not S.size:
        raise InputError(f"needs all {min(m, d)} singular values of a {m} x {d} matrix, got {S.size}")
    c = min(m, d) / max(m, d)
    known = np.sqrt(2 * (c + 1) + 8 * c / ((c + 1) + np.sqrt(c * c + 14 * c + 1)))
    return float(np.median(S) * known / np.sqrt(marchenko_pastur_quantile(c)))


def _finite(name: str, values: Float[ndarray, " n"]) -> Float[ndarray, " n"]:
    values = np.asarray(values, dtype=np.float64)
    if not np.isfinite(values).all():
        raise InputError(f"{name} must be finite, got {values[~np.isfinite(values)][0]}")
    return values
