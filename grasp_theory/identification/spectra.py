"""Spiked-matrix laws: what the SVD sees of a rank-one factor in noise, and the weakest factor it can see.

Setting: M = T + beta u vᵀ, T (m x d) of independent entries of variance s², (u, v) independent of T, c = m/d.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from ..errors import InputError
from .floor import factored_edge


def critical_strength(m: int, d: int, *, s: float = 1.0, layers: int = 1) -> float:
    """beta_c = s (m d layers)^¼: below it the top singular vectors say nothing (statement ``phase-transition``).

    With several layers it is the critical value of √(Σ beta_l²) for independent T_l, whatever the profile of strengths
    (statement ``pooled-layers``): equal strengths gain layers^(-¼) each.
    """
    _positive(m=m, d=d, s=s, layers=layers)
    return float(s * (m * d * layers) ** 0.25)


@dataclass(frozen=True)
class Spike:
    """Limits for one factor: squared overlaps of the top singular vectors with u and v, top singular value."""

    left: float
    right: float
    value: float


def spike(beta: float, m: int, d: int, *, s: float = 1.0) -> Spike:
    """Limit of the top singular triple of T + beta u vᵀ (statement ``phase-transition``).

    With theta = beta/(s√d): above theta⁴ = c, ⟨û,u⟩² → (theta⁴ − c)/(theta²(theta² + c)),
    ⟨v̂,v⟩² → (theta⁴ − c)/(theta²(theta² + 1)), ŝ₁ → s√d √((1 + theta²)(c + theta²))/theta; below 0, 0, s(√m + √d).
    Source: Benaych-Georges and Nadakuditi 2012 (a finite fourth moment is needed). rms rate m^(-½) above. Raises
    InputError for a strength that is negative or not finite.
    """
    _positive(m=m, d=d, s=s)
    if not (beta >= 0 and np.isfinite(beta)):
        raise InputError(f"beta must be finite and not negative, got {beta}")
    c, theta2 = m / d, (beta / s) ** 2 / d
    if theta2**2 <= c:
        return Spike(0.0, 0.0, float(s * (np.sqrt(m) + np.sqrt(d))))
    gain = theta2**2 - c
    value = s * np.sqrt(d * (1 + theta2) * (c + theta2) / theta2)
    return Spike(float(gain / (theta2 * (theta2 + c))), float(gain / (theta2 * (theta2 + 1))), float(value))


def spike_strength(value: float, m: int, d: int, *, s: float = 1.0) -> float:
    """Strength beta of the factor that comes out at the singular value ``value``: the inverse of :func:`spike`.

    With y² = value²/(s² d): **theta² = ½ (y² − 1 − c + √((y² − 1 − c)² − 4 c))**, the larger root of
    (1 + theta²)(c + theta²) = y² theta², beta = s√d theta. Proved here: the smaller one has theta⁴ <= c.
    InputError for a value below the edge s(√m + √d), where the value does not tell the strength.
    """
    _positive(m=m, d=d, s=s, value=value)
    edge = s * (np.sqrt(m) + np.sqrt(d))
    if value < edge * (1 - 1e-12):
        raise InputError(f"a factor shows only above the noise edge {edge:.4g}, got the value {value:.4g}")
    c = m / d
    b = (value / s) ** 2 / d - 1 - c
    return float(s * np.sqrt(d * (b + np.sqrt(max(b * b - 4 * c, 0.0))) / 2))


def finite_size(n: int, ratio: float) -> float:
    """How far a mean squared overlap may be from its limit at size n and beta/beta_c = ratio.

    min(2/(n (1 − q²)²), n^(-⅓)), q = min(ratio, 1/ratio): the rates of statement ``phase-transition``, above and at the
    border; the constant is measured there, not proved.
    """
    q = min(ratio, 1 / ratio) if ratio > 0 else 0.0
    away = (1 - q * q) ** 2
    return min(2 / (n * away), n ** (-1 / 3)) if away > 0 else n ** (-1 / 3)


def sample_critical_strength(eigenvalues: Float[ndarray, " d"], m: int, *, s: float = 1.0) -> float:
    """Critical beta for the SVD of the least-squares solution (statement ``sample-threshold``, raw).

    Its noise has right covariance s²(XᵀX)⁻¹. With lambda_j the eigenvalues of XᵀX (all positive: n >= d), a in
    (0, lambda_min) solves (1/d) Σ a²/(lambda_j − a)² = m/d; **beta_c² = s² m / (a (1/d) Σ lambda_j/(lambda_j − a))**.
    Raises InputError for an eigenvalue that is not positive.
    """
    lam = np.asarray(eigenvalues, dtype=np.float64)
    _positive(m=m, s=s)
    if lam.ndim != 1 or not lam.size or not (np.isfinite(lam) & (lam > 0)).all():
        raise InputError("needs the d positive eigenvalues of XᵀX; with n < d inputs least squares is not unique")
    # In b = a/lambda_min the left side increases from 0 to ∞ on (0, 1).
    ratio, low, high = lam.min() / lam, 0.0, 1.0
    for _ in range(200):
        b = 0.5 * (low + high)
        if np.mean((b * ratio / (1 - b * ratio)) ** 2) < m / lam.size:
            low = b
        else:
            high = b
    a = low * lam.min()
    return float(s * np.sqrt(m / (a * np.mean(lam / (lam - a)))))


def sample_threshold(beta: float, m: int, d: int, *, s: float = 1.0, whitened: bool = False) -> float:
    """Number of Gaussian samples above which the factor shows (statement ``sample-threshold``).

    whitened (SVD of dW X): n_c = s²√(m d)/beta² if that is >= d, else s⁴m/beta⁴; exact in the limit, no offset.
    raw (SVD of dW): n_c ≈ s²√(m d)/beta² + ½(1 + √c)(3 + √c) d, an expansion for n >> d; for the exact border use
    :func:`sample_critical_strength` on the eigenvalues at hand.
    """
    _positive(m=m, d=d, s=s, beta=beta)
    base = s**2 * np.sqrt(m * d) / beta**2
    if whitened:
        return float(base if base >= d else s**4 * m / beta**4)
    root = np.sqrt(m / d)
    return float(base + 0.5 * (1 + root) * (3 + root) * d)


def factored_visible_strength(m: int, eigenvalues: Float[ndarray, " r"], value: float, *, s: float = 1.0) -> float:
    """Strength theta of a factor in N @ A whose singular value comes out at ``value``, above the noise edge.

    For M = s N A + theta u wᵀ with A = (AAᵀ)^½ Q, w spread evenly over the rows of Q and l_j the eigenvalues of s²AAᵀ:
    **theta² (a/m) mean_j 1/(1 − a l_j) = 1** where value² = m/a + Σ l_j/(1 − a l_j), 0 < a < edge. Proved here: the
    spike condition theta² x uᵀ(x − MMᵀ)⁻¹u · wᵀ(x − MᵀM)⁻¹w = 1 at x = value², with the deterministic equivalents
    tr(x − MMᵀ)⁻¹ = a and (x − MᵀM)⁻¹ ≈ (x(1 − aΛ))⁻¹ of the Marchenko-Pastur equation in :func:`factored_edge`. Raises
    InputError for a value at or below the noise edge.
    """
    l = s * s * np.asarray(eigenvalues, dtype=np.float64)
    l = l[l > 0]
    edge = factored_edge(m, l)
    if value**2 < edge.centre:
        raise InputError(f"a factor shows only above the noise edge {edge.centre**0.5:.4g}, got the value {value:.4g}")
    low, high = 0.0, edge.at  # x(a) decreases on (0, edge)
    for _ in range(200):
        a = 0.5 * (low + high)
        if a == 0 or m / a + np.sum(l / (1 - a * l)) > value**2:
            low = a
        else:
            high = a
    return float(np.sqrt(m / (high * np.mean(1 / (1 - high * l)))))


def _positive(**arguments: float) -> None:
    for name, value in arguments.items():
        if not value > 0 or not np.isfinite(value):
            raise InputError(f"{name} must be positive and finite, got {value}")
