"""sample-threshold (limit). How many samples show the factor, in the weights (raw) and in the outputs (whitened).

Statement. Y = X (beta u vᵀ)ᵀ + independent noise of variance s², X (n x d) standard Gaussian, d > 1,
dW the least-squares solution, lambda_j the eigenvalues of XᵀX, c = m/d, l_j = s²/lambda_j.

raw, n > d: in the SVD of dW the factor shows iff beta > beta_c, where 0 < a < lambda_min solves (1/d) Σ a²/(lambda_j −
a)² = c and **beta_c² = s² m/(a (1/d) Σ lambda_j/(lambda_j − a))**. Above it, all from one a:

    D(a) = beta² (a/m) mean 1/(1 − a l_j) = 1,     e(a) = 1 − (a²/m) Σ (l_j/(1 − a l_j))²,
    ⟨û,u⟩² → e/(a D'),     ⟨v̂,v⟩² → (m/a)² e/(beta² D' a x),    ŝ₁² → x = m/a + Σ l_j/(1 − a l_j).

In samples, n >> d: **n_c = s²√(m d)/beta² + ½(1 + √c)(3 + √c) d + O(d²/n)**: an offset of 4d for c = 1, of 1.5d for
c → 0, never the d of a parameter count. whitened: dW Xᵀ is the factor with strength beta √n in white m x min(n, d)
noise, whether n > d or n < d: n_c = s²√(m d)/beta² if that is >= d, else s⁴m/beta⁴, no offset. So identify from dW X
when inputs are at hand.

Assumes: n > d; noise independent between outputs; isotropic Gaussian inputs; no task.

Proof. dW = beta u vᵀ + s N (XᵀX)^(−½)-distributed: noise with right covariance l_j in a Haar basis independent of v.
With a = tr(x − RRᵀ)⁻¹ Marchenko-Pastur gives x(a) and (x − RᵀR)⁻¹ ≈ (x(1 − a Λ))⁻¹, hence D = beta² phi_m phi_d, the
overlaps as residues −2 phi/(beta² (phi_m phi_d)'), and the border at x' = 0. Expansion:
``symbolic.py``. Whitened: the noise of dW (XᵀX)^½ is s N itself, ‖Xv‖² ≈ n; for n < d dW interpolates, dW Xᵀ = Yᵀ. ∎
Source: proved in Benaych-Georges and Nadakuditi 2012 with Silverstein 1995; expansion and overlaps here.

Just below n = d the raw law, given the positive eigenvalues, is off by v's share outside them alone: no sharp border.
Finite-size term of the claims, measured: that of ``phase-transition`` at n = min(m, d), beta/beta_c of the SVD
concerned.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from jaxtyping import Float
from numpy import ndarray
from scipy.optimize import root_scalar

from ...identification.floor import factored_edge
from ...identification.spectra import (
    critical_strength,
    factored_visible_strength,
    sample_critical_strength,
    sample_threshold,
    spike,
)
from ..shared.draws import log_uniform, unit
from ..shared.spiked import (
    FINITE,
    anisotropic_law,
    average,
    finite_size,
    least_squares_noise,
    sample_law,
    top_triple,
    top_vector,
)
from ..statement import Border, Claim, Rate, Route, Sides, Statement, exact


@dataclass(frozen=True, eq=False)
class Instance:
    """``trials`` fits. few : (n, beta) with n < d, for the whitened SVD there.

    stretch : input variance along v. task, shared : rank-one T over beta, common noise over s.
    """

    m: int
    d: int
    n: int
    beta: float
    s: float
    seed: int
    few: tuple[int, float]
    shared: float = 0.0
    stretch: float = 1.0
    task: float = 0.0
    trials: int = 8

    @cached_property
    def fits(self) -> tuple[Float[ndarray, "trials 3"], list[Float[ndarray, " _"]]]:
        """⟨û,u⟩² and ⟨v̂,v⟩² of dW, ⟨û,u⟩² of dW Xᵀ; the positive eigenvalues of XᵀX."""
        rng, rows, spectra = np.random.default_rng(self.seed), [], []
        for _ in range(self.trials):
            u, v, X = unit(rng, self.m), unit(rng, self.d), rng.standard_normal((self.n, self.d))
            X += (np.sqrt(self.stretch) - 1) * np.outer(X @ v, v)
            M = self.beta * (np.outer(u, v) + self.task * np.outer(unit(rng, self.m), unit(rng, self.d)))
            noise = rng.standard_normal((self.n, self.m))
            noise += self.shared * np.outer(rng.standard_normal(self.n), np.sqrt(self.m) * unit(rng, self.m))
            G = X.T @ X
            lam, wanted = np.linalg.eigvalsh(G), G @ M.T + self.s * X.T @ noise
            if lam[0] > 1e-10 * lam[-1]:
                dW = np.linalg.solve(G, wanted)
            else:
                lam, E = np.linalg.eigh(G)
                E, lam = E[:, lam > 1e-10 * lam[-1]], lam[lam > 1e-10 * lam[-1]]
                dW = E / lam @ (E.T @ wanted)
            left, _, right = top_triple(dW.T)
            rows.append(((left @ u) ** 2, (right @ v) ** 2, (top_vector(dW.T @ G @ dW) @ u) ** 2))
            spectra.append(lam)
        return np.array(rows), spectra

    @cached_property
    def raw(self) -> Float[ndarray, " 2"]:
        """Both overlaps by the law, given the eigenvalues, averaged over the trials."""
        return np.mean([anisotropic_law(self.s**2 / lam, self.m, self.beta)[:2] for lam in self.fits[1]], axis=0)

    @cached_property
    def interpolated(self) -> Float[ndarray, " trials"]:
        """⟨û,u⟩² of dW Xᵀ at n < d samples, dW the least-squares solution of least norm."""
        rng, (n, beta), rows = np.random.default_rng(self.seed), self.few, []
        for _ in range(40):
            u, v, X = unit(rng, self.m), unit(rng, self.d), rng.standard_normal((n, self.d))
            Y = beta * np.outer(X @ v, u) + self.s * rng.standard_normal((n, self.m))
            rows.append((top_triple((X @ (X.T @ np.linalg.solve(X @ X.T, Y))).T)[0] @ u) ** 2)
        return np.array(rows)

    @cached_property
    def spectrum(self) -> Float[ndarray, " _"]:
        """Positive eigenvalues of XᵀX of the first trial."""
        rng = np.random.default_rng(self.seed)
        _, v, X = unit(rng, self.m), unit(rng, self.d), rng.standard_normal((self.n, self.d))
        X += (np.sqrt(self.stretch) - 1) * np.outer(X @ v, v)
        lam = np.linalg.eigvalsh(X.T @ X)
        return lam[lam > 1e-10 * lam[-1]]

    @cached_property
    def border(self) -> float:
        """beta_c of the first trial."""
        return sample_critical_strength(self.spectrum, self.m, s=self.s)


TRIALS = {"close": 8, "alike": 40, "few outputs": 16, "few inputs": 24}


def draw(rng: np.random.Generator) -> Instance:
    """beta on both sides of the exact border; n close to d; or few outputs or inputs, which tell the overlaps apart."""
    kind = rng.choice(["alike", "close", "few outputs", "few inputs"], p=[0.34, 0.32, 0.17, 0.17])
    s = log_uniform(rng, 0.1, 10)
    if kind == "few outputs":  # beta moderately above the border of dW
        m, d, n = 60, 360, 540
        beta = log_uniform(rng, 1.7, 2.2) * sample_law(n, m, d, 1.0, s)[2]
    elif kind == "few inputs":  # beta moderately above the border of dW X
        m, d, n = 240, 60, 240
        beta = log_uniform(rng, 1.4, 1.9) * critical_strength(m, d, s=s) / np.sqrt(n)
    else:
        m, d = (int(k) for k in rng.integers(100, 171, 2))
        close = rng.choice([rng.uniform(0.82, 1), rng.uniform(1.06, 1.19)])
        n, beta = int(d * (close if kind == "close" else log_uniform(rng, 1.3, 5))), np.nan
    k = int(d * rng.uniform(0.25, 0.95 if rng.random() < 0.2 else 0.4))
    over = log_uniform(rng, *((1.35, 1.6) if rng.random() < 0.8 else (0.6, 1.3)))
    if kind == "few inputs":  # so few samples, and beta so large, that the overlaps with u and v differ
        k, over = int(rng.integers(48, d)), log_uniform(rng, 1.8, 2.4)
    few = (k, over * critical_strength(m, k, s=s) / np.sqrt(k))
    i = Instance(m, d, n, float(beta), s, int(rng.integers(2**31)), few, trials=TRIALS[kind])
    if np.isnan(beta):  # both sides of the border, half of the time close to it
        span = (0.84, 1.19) if rng.random() < 0.5 else (0.5, 4) if kind == "close" else (1.35, 1.6)
        return replace(i, beta=i.border * log_uniform(rng, *span))
    return i


def _case(n: int = 300, over: float = 2.0, **broken) -> Callable[[np.random.Generator], Instance]:
    """120 x 120, n samples, beta at ``over`` times the border of 300 samples."""
    beta = over * sample_law(300, 120, 120)[2]
    return lambda rng: Instance(120, 120, n, beta, 1.0, int(rng.integers(2**31)), (60, 1.0), **broken)


def by_visibility(i: Instance) -> float:
    """beta_c as the strength of a factor that comes out at the noise's own edge."""
    l = i.s**2 / i.spectrum
    return factored_visible_strength(i.m, l, np.sqrt(factored_edge(i.m, l).centre) * (1 + 1e-13))


def claim(column: int, limit: Callable[[Instance], float]) -> Claim[Instance]:
    def sides(i: Instance) -> Sides:
        if column == 2:
            ratio = i.beta * np.sqrt(i.n) / critical_strength(i.m, min(i.n, i.d), s=i.s)
        else:
            ratio = i.beta / i.border
        return average(i.fits[0][:, column], limit(i), finite_size(min(i.m, i.d), ratio))

    return Claim("=", sides, slack=FINITE)


def interpolating(sizes: Callable[[Instance], tuple[int, int]]) -> Claim[Instance]:
    """⟨û,u⟩² of dW Xᵀ at n < d against white noise of these sizes."""

    def sides(i: Instance) -> Sides:
        n, beta = i.few
        ratio = beta * np.sqrt(n) / critical_strength(i.m, n, s=i.s)
        limit = spike(beta * np.sqrt(n), *sizes(i), s=i.s).left
        return average(i.interpolated, limit, finite_size(min(i.m, n), ratio))

    return Claim("=", sides, slack=FINITE)


def expansion(threshold: Callable[[float, int, int, float], float]) -> Claim[Instance]:
    """n against the formula at the exact border of n = 60 d to 400 d samples; slack 15 (1 + c)² d²/n."""

    def sides(i: Instance) -> Sides:
        n = i.d * (60 + i.seed % 341)
        found = threshold(sample_law(n, i.m, i.d, 1.0, i.s)[2], i.m, i.d, i.s)
        return Sides(found, n, 15 * (1 + i.m / i.d) ** 2 * i.d**2 / n)

    return Claim("=", sides, slack="the next term, O(d²/n), with a measured constant")


def border(law: Callable[[Instance], float]) -> Claim[Instance]:
    return exact("=", lambda i: i.border, law)


def white_border(threshold: Callable[[Instance], float]) -> Claim[Instance]:
    def root(i: Instance) -> float:
        def excess(n: float) -> float:
            return i.beta * np.sqrt(n) - i.s * (i.m * min(n, i.d)) ** 0.25

        return root_scalar(excess, bracket=[1e-9, 1e9], xtol=1e-12).root

    return exact("=", threshold, root)


def _offset(size: int, rng: np.random.Generator) -> float:
    """|n_c − expansion|/d at size = n/d, c = 1."""
    return abs(sample_threshold(sample_law(100 * size, 100, 100)[2], 100, 100) / 100 - size)


def _overlap(size: int, rng: np.random.Generator) -> float:
    """rms error of ⟨û,u⟩² at n = size, m = d = n/4, twice the border."""
    m = d = size // 4
    beta, gaps = 2 * sample_law(size, m, d)[2], []
    for _ in range(240):
        u, v = unit(rng, m), unit(rng, d)
        gaps.append((top_triple(least_squares_noise(rng, size, m, d) + beta * np.outer(u, v))[0] @ u) ** 2)
    return float(np.sqrt(np.mean((np.array(gaps) - sample_law(size, m, d, beta)[0]) ** 2)))


STATEMENT = Statement(
    key="sample-threshold",
    kind="limit",
    law="raw n_c ≈ s²√(m d)/beta² + ½(1 + √c)(3 + √c) d; whitened without the offset",
    basis="proved in Benaych-Georges and Nadakuditi 2012; expansion and overlaps: proved here; finite size: measured",
    assumptions={
        "n > d": Border(lambda i: i.n / i.d - 1, sharp=False),
        "noise independent between outputs": lambda i: i.shared == 0,
        "isotropic Gaussian inputs": lambda i: i.stretch == 1,
        "no task": lambda i: i.task == 0,
    },
    draw=draw,
    always=frozenset({"raw border", "whitened n_c"}),
    claims={
        "raw left": claim(0, lambda i: i.raw[0]),
        "raw right": claim(1, lambda i: i.raw[1]),
        "whitened left": claim(2, lambda i: spike(i.beta * np.sqrt(i.n), i.m, min(i.n, i.d), s=i.s).left),
        "whitened left, n < d": interpolating(lambda i: (i.m, i.few[0])),
        "raw border": border(lambda i: anisotropic_law(i.s**2 / i.spectrum, i.m, i.beta)[2]),
        "raw n_c": expansion(lambda beta, m, d, s: sample_threshold(beta, m, d, s=s)),
        "whitened n_c": white_border(lambda i: sample_threshold(i.beta, i.m, i.d, s=i.s, whitened=True)),
    },
    violators={
        "n > d": _case(40, 3.0),
        "noise independent between outputs": _case(shared=1.0),
        "isotropic Gaussian inputs": _case(300, 1.2, stretch=0.05),
        "no task": _case(task=3.0),
    },
    regimes={"beta = beta_c, raw": lambda i: i.beta / i.border - 1},
    route=Route("raw border", by_visibility, lambda i: 1e-6 * i.beta, "measured", ("Instance.spectrum",)),
    rates=(
        Rate("raw n_c, in n/d", (16, 64, 256, 1024), _offset, -1.0, 0.08, 8.0, (2048,), exact=True),
        Rate("raw left, in n", (48, 96, 192, 384), _overlap, -1 / 2, 0.15, 0.46, (768,)),
    ),
    draws=24,
)
