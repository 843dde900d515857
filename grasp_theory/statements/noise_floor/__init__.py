"""noise-floor (limit). The largest singular value that noise alone shows, in a full and in a factored update.

Statement. dW = N A, A (r x d) observed, N (m x r) of independent entries of one variance s² and finite fourth moment,
l_j the eigenvalues of AAᵀ. As m, r → ∞ in proportion the largest noise singular value S₁ obeys

    S₁² ≈ edge² + width · TW₁,   **edge² = s² min_{0<a<1/l_max} [m/a + Σ_j l_j/(1 − a l_j)]**,
    width³ = s⁶ [m/a³ + Σ_j (l_j/(1 − a l_j))³] at the minimum,

TW₁ the Tracy-Widom law of order 1 (mean −1.2065, variance 1.6078, 99% quantile 2.0234). A = I is the white m x d case:
edge = s(√m + √d). At every size edge <= s ‖A‖₂ (√m + √r), with equality iff A's rows are orthogonal and of one length.

An edge without a margin, and the m x r edge with s from the spectrum of BA, which forgets A's own spread, are crossed
far more often than a floor should be (false variants). Noise is N: a *converged* rank-r fit of m x d noise carries the
top of the m x d spectrum and is no instance of it (violator). s comes from the median of the singular values of N where
A is known.

Assumes: finite fourth moment; one variance; N independent of A (no converged fit); regular edge.

Regular edge: no single l_j carries the edge; here, the largest has at most 85% of Σ (l_j/(1 − a l_j))³. One long row
of A breaks it (l₁ = 4, the others 1, m = 512, r = 64): the mean is −1.9 widths in place of −1.2, on the safe side. The
law fails by degrees, so the border is not sharp.

Proof. Marchenko-Pastur in the form x(a), a = tr(x − N A Aᵀ Nᵀ)⁻¹, whose bulk ends where x' = 0 (Silverstein 1995); the
fluctuation is width · TW₁ with width³ = x''/2 (Johnstone 2001; El Karoui 2007; Lee and Schnelli 2016 for real N). The
bound: replacing every l_j by l_max increases x(a) at every a, and l = const is solved in ``symbolic.py``.
∎ Source: proved in the works named; the bound here. The quantiles are recomputed from the Painlevé II equation.

Finite-size terms of the claims, measured, n = min(m, r): n^(−⅓) widths for the mean with Gaussian entries, 2.5
n^(−⅓) with others (a fourth cumulant moves it), ½ n^(−⅓) for white Gaussian noise (Ma's half integers; tried at 300
times the size too, often enough to tell the mean to 13%, with the share below a floor), 0.01 for the share of false
alarms, 1/n relative for s. The mean is approached from below: the floor errs on the safe side.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from ...identification.floor import TRACY_WIDOM, Edge, factored_edge, noise_scale, tracy_widom_quantile, white_edge
from ..shared.draws import log_uniform, orthonormal
from ..shared.spiked import LAWS, Law, average, chain, entries, tracy_widom, tracy_widom_square
from ..statement import Border, Claim, Rate, Relation, Route, Sides, Statement, exact

LARGER = 300
MEAN, VARIANCE = -1.2065335746, 1.6077810346  # of the Tracy-Widom law of order 1
SD = VARIANCE**0.5


FEW = 300
STATED = "5 standard errors of the mean, and the finite-size term stated above, measured"


@dataclass(frozen=True, eq=False)
class Instance:
    """``trials`` draws of N A. uneven : log spread of the row variances. converged : top r of m x 8r noise instead."""

    m: int
    A: Float[ndarray, "r d"]
    s: float
    level: float
    seed: int
    law: Law = "gaussian"
    uneven: float = 0.0
    converged: bool = False
    trials: int = FEW

    @cached_property
    def values(self) -> tuple[Float[ndarray, "trials r"], Float[ndarray, "trials r"]]:
        """Singular values, decreasing, of N A and of N."""
        rng, r = np.random.default_rng(self.seed), len(self.A)
        if self.law == "gaussian" and not (self.uneven or self.converged):
            return self._of(self.s * triangular(rng, self.m, r, self.trials))
        N = self.s * entries(rng, self.trials * self.m, 8 * r if self.converged else r, self.law)
        N = N.reshape(self.trials, self.m, -1) * np.exp(self.uneven * rng.standard_normal((self.trials, self.m, 1)))
        if not self.converged:
            return self._of(N)
        own = np.sqrt(np.linalg.eigvalsh(N.swapaxes(1, 2) @ N).clip(0))[:, : -r - 1 : -1]
        return own, own

    def _of(self, N: Float[ndarray, "trials k r"]) -> tuple[Float[ndarray, "trials r"], Float[ndarray, "trials r"]]:
        pair = N @ np.linalg.cholesky(self.A @ self.A.T), N  # the first has the singular values of N A
        found = [np.sqrt(np.linalg.eigvalsh(M.swapaxes(1, 2) @ M).clip(0))[:, ::-1] for M in pair]
        return found[0], found[1]

    @cached_property
    def large(self) -> Float[ndarray, " trials"]:
        """S₁/s of white Gaussian noise at 300 times the size, by ``chain``: often enough to tell 8% of TW₁'s mean."""
        trials = 6 * self.trials if self.trials > FEW else FEW
        return chain(np.random.default_rng(self.seed), LARGER * self.m, LARGER * len(self.lam), 0.0, trials)[:, 1]

    @property
    def share(self) -> float:
        """Of the largest l_j in Σ (l_j/(1 − a l_j))³ at the edge."""
        gain = (self.lam / (1 - factored_edge(self.m, self.lam).at * self.lam)) ** 3
        return float(gain.max() / gain.sum())

    @cached_property
    def lam(self) -> Float[ndarray, " r"]:
        """Eigenvalues of AAᵀ."""
        return np.linalg.eigvalsh(self.A @ self.A.T)

    @cached_property
    def edge(self) -> Edge:
        """Of the spectrum of N A."""
        return factored_edge(self.m, self.lam, s=self.s)


def draw(rng: np.random.Generator) -> Instance:
    """A as at a LoRA start (Gaussian or uniform), with spread rows, or orthonormal (the white case) but for one row.

    A third, the narrowest, has three times the trials.
    """
    m, r = int(rng.integers(64, 161)), int(rng.integers(32, 65))
    d, law = int(r * log_uniform(rng, 1.5, 8)), LAWS[rng.integers(3)]
    A = orthonormal(rng, d, r).T if rng.random() < 0.3 else entries(rng, r, d, law) / np.sqrt(d)
    A = A * np.exp(rng.choice([0.0, 0.15]) * rng.standard_normal((r, 1)))
    if rng.random() < 0.5:
        A = orthonormal(rng, d, r).T
        A[0] *= np.sqrt(rng.uniform(1.1, 1.9))
    level = float(rng.choice(list(TRACY_WIDOM)))
    trials = 1000 if r < 42 else FEW  # enough to tell a false alarm in 10 from one in 100
    return Instance(m, A, log_uniform(rng, 0.1, 10), level, int(rng.integers(2**31)), law, trials=trials)


def triangular(rng: np.random.Generator, m: int, r: int, trials: int) -> Float[ndarray, "trials r r"]:
    """R of N = Q R for Gaussian m x r N: Bartlett's factor, with the singular values of N A in R A."""
    R, site = np.triu(rng.standard_normal((trials, r, r)), 1), np.arange(r)
    R[:, site, site] = np.sqrt(rng.chisquare(m - site, (trials, r)))
    return R


def long_row(rng: np.random.Generator) -> Instance:
    """l₁ = 4, the others 1, m = 512, r = 64."""
    A = orthonormal(rng, 80, 64).T
    A[0] *= 2
    return Instance(512, A, 1.0, 0.99, int(rng.integers(2**31)), trials=600)


def orthogonal(rng: np.random.Generator, **broken) -> Instance:
    """A with orthonormal rows, 96 x 24."""
    return Instance(96, orthonormal(rng, 80, 24).T, 1.0, 0.99, int(rng.integers(2**31)), **broken)


def by_minimiser(i: Instance) -> float:
    """The edge by scipy's bounded minimisation of x(a)."""
    from scipy.optimize import minimize_scalar

    l = np.linalg.svd(i.A, compute_uv=False) ** 2
    found: Any = minimize_scalar(
        lambda b: i.m * l[0] / b + float(np.sum(l / (1 - b * l / l[0]))),
        bounds=(0, 1),
        method="bounded",
        options={"xatol": 1e-10},
    )
    return i.s * float(np.sqrt(found.fun))


ROOT_SQUARE = np.hypot(MEAN, SD)  # of TW₁


def _white_error(n: int, rng: np.random.Generator) -> float:
    """rms of S₁²/edge² − 1 for white n x 2n noise."""
    edge = (1 + 2**0.5) * n**0.5
    return float(np.sqrt(np.mean(((chain(rng, n, 2 * n, 0.0, 400)[:, 1] / edge) ** 2 - 1) ** 2)))


def _factored_error(n: int, rng: np.random.Generator) -> float:
    """The same for N A, m = n, r = n/8, l_j evenly spaced in [0.5, 1.5]."""
    l = np.linspace(0.5, 1.5, n // 8)
    N = triangular(rng, n, n // 8, 200) * np.sqrt(l)
    top = np.linalg.eigvalsh(N.swapaxes(1, 2) @ N)[:, -1]
    return float(np.sqrt(np.mean((top / factored_edge(n, l).centre - 1) ** 2)))


def _factored_constant() -> float:
    """n^⅔ width/edge² times the root mean square of TW₁, for large n."""
    n = 8192
    edge = factored_edge(n, np.linspace(0.5, 1.5, n // 8))
    return float(ROOT_SQUARE * edge.width / edge.centre * n ** (2 / 3))


def mean_claim(column: int, mean: float = MEAN, power: int = 2, centre=None) -> Claim[Instance]:
    """S₁ of N A (column 0) or of N (1) to the ``power`` over that of the edge against 1 + mean * width/edge².

    centre : another edge² for the 1, centre(m, l) s².
    """

    def sides(i: Instance) -> Sides:
        edge = white_edge(i.m, len(i.lam), s=i.s) if column else i.edge
        width = edge.width / edge.centre
        finite = (2.5 if i.law != "gaussian" else 0.5 if column else 1.0) * min(i.m, len(i.lam)) ** (-1 / 3) * width
        law = (i.s**2 * float(centre(i.m, i.lam)) / edge.centre if centre else 1) + mean * width
        return average((i.values[column][:, 0] / np.sqrt(edge.centre)) ** power, law, finite)

    return Claim("=", sides, slack=STATED)


def mean_at_large(mean: float = MEAN) -> Claim[Instance]:
    """The same of white Gaussian noise at 300 times the size."""

    def sides(i: Instance) -> Sides:
        m, r = LARGER * i.m, LARGER * len(i.lam)
        edge = white_edge(m, r)
        width = edge.width / edge.centre
        return average(i.large**2 / edge.centre, 1 + mean * width, 0.5 * min(m, r) ** (-1 / 3) * width)

    return Claim("=", sides, slack=STATED)


def alarms_at_large(level: Callable[[Instance], float]) -> Claim[Instance]:
    """Share of white Gaussian noise at 300 times the size that stays below the floor of the instance's level."""

    def sides(i: Instance) -> Sides:
        m, r = LARGER * i.m, LARGER * len(i.lam)
        p = level(i)
        slack = 5 * float(np.sqrt(p * (1 - p) / len(i.large))) + 0.1 * min(m, r) ** (-1 / 3)
        return Sides(float(np.mean(i.large <= white_edge(m, r).floor(i.level))), p, slack)

    words = "5 standard errors of a share, and the finite-size term of the mean times 0.2, TW₁'s density from 85% on"
    return Claim("=", sides, slack=words)


def second(value: Callable[[float], float]) -> Claim[Instance]:
    """E (X − x)² for X of TW₁, x the quantile of the instance's level."""

    def sides(i: Instance) -> Sides:
        x = tracy_widom_quantile(i.level)
        return Sides(tracy_widom_square(x), value(x), 1e-7)

    return Claim("=", sides, slack="TW₁ beyond 8, and the integrator")


def curvature(i: Instance) -> float:
    """s² (x''/2)^⅓ where x' = 0, by a root of x'(a) = −m/a² + Σ (l/(1 − a l))² and a step into the complex plane."""
    from scipy.optimize import brentq

    l = np.linalg.svd(i.A, compute_uv=False) ** 2
    l, m = l / l[0], i.m

    def slope(b: complex) -> complex:
        return complex(-m / b**2 + np.sum((l / (1 - b * l)) ** 2))

    root: Any = brentq(lambda b: slope(b).real, 1e-6, 1 - 1e-9, xtol=1e-15)
    second = slope(complex(root, 1e-30)).imag / 1e-30
    return i.s**2 * float(np.linalg.norm(i.A, 2)) ** 2 * (second / 2) ** (1 / 3)


def width(found: Callable[[Instance], float]) -> Claim[Instance]:
    """A width over the one that the curvature of x(a) gives is 1."""
    return exact("=", lambda i: found(i) / curvature(i), lambda i: 1.0)


def norm(bound, relation: Relation = "<=", *, tight: bool = False) -> Claim[Instance]:
    """The edge against s² bound(m, l), rooted."""
    return exact(relation, lambda i: i.edge.centre**0.5, lambda i: i.s * float(bound(i.m, i.lam)) ** 0.5, tight=tight)


def white(m: int, r: int) -> float:
    """(√m + √r)²."""
    return (m**0.5 + r**0.5) ** 2


def alarms(floor: Callable[[Instance], float | ndarray]) -> Claim[Instance]:
    """Share of the draws above a floor that is to hold at 99%."""

    def sides(i: Instance) -> Sides:
        share = float(np.mean(i.values[0][:, 0] > floor(i)))
        return Sides(share, 0.01, 5 * np.sqrt(0.01 * 0.99 / i.trials) + 0.01)

    return Claim("<=", sides, slack="5 standard errors of a share of 1%, and 0.01 of finite size, measured")


def scale(estimate: Callable[[ndarray, int, int], float]) -> Claim[Instance]:
    def sides(i: Instance) -> Sides:
        found = np.array([estimate(S, i.m, len(i.lam)) for S in i.values[1]]) / i.s
        return average(found, 1.0, 1 / min(i.m, len(i.lam)))

    return Claim("=", sides, slack="5 standard errors of the mean, and 1/n, measured")


STATEMENT = Statement(
    key="noise-floor",
    kind="limit",
    law="S₁² ≈ edge² + width · TW₁, edge² = s² min_a [m/a + Σ l_j/(1 − a l_j)]",
    basis="proved in Silverstein 1995, El Karoui 2007, Lee and Schnelli 2016; finite sizes: measured",
    assumptions={
        "finite fourth moment": lambda i: i.law != "student-3",
        "one variance": lambda i: i.uneven == 0,
        "N independent of A (no converged fit)": lambda i: not i.converged,
        "regular edge": Border(lambda i: 0.85 / i.share - 1, sharp=False),
    },
    draw=draw,
    always=frozenset({"width"}),
    claims={
        "S₁ of N A": mean_claim(0),
        "S₁ of N": mean_claim(1),
        "S₁ of N, large": mean_at_large(),
        "share below the floor, large": alarms_at_large(lambda i: i.level),
        "mean and variance of the law": second(lambda x: VARIANCE + (MEAN - x) ** 2),
        "width": width(lambda i: i.edge.width),
        "false alarms": alarms(lambda i: i.edge.floor()),
        "s from the median": scale(noise_scale),
        "quantile": Claim(
            "=",
            lambda i: Sides(tracy_widom(tracy_widom_quantile(i.level)), i.level, 1e-5),
            slack="quantiles are stated to four digits",
        ),
        "edge <= s ‖A‖ (√m + √r)": norm(lambda m, l: l.max() * white(m, len(l)), tight=True),
    },
    extremal=orthogonal,
    violators={
        "finite fourth moment": lambda rng: orthogonal(rng, law="student-3"),
        "one variance": lambda rng: orthogonal(rng, uneven=0.5),
        "N independent of A (no converged fit)": lambda rng: orthogonal(rng, converged=True, trials=40),
        "regular edge": long_row,
    },
    route=Route("edge <= s ‖A‖ (√m + √r)", by_minimiser, lambda i: 1e-7 * i.s * np.sqrt(i.m), "measured"),
    rates=(
        Rate(
            "white, relative",
            (64, 128, 256, 512, 1024),
            _white_error,
            -2 / 3,
            0.08,
            ROOT_SQUARE * (1 + 0.5**0.5) ** (1 / 3) / (1 + 2**0.5),
            (2048,),
        ),
        Rate("factored, relative", (128, 256, 512, 1024), _factored_error, -2 / 3, 0.08, _factored_constant(), (2048,)),
    ),
    draws=16,
)
