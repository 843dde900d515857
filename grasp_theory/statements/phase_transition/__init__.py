"""phase-transition (limit). What the SVD sees of one factor in an unstructured task.

Statement. M = T + beta u vᵀ, T (m x d) of independent entries of mean 0, variance s² and finite fourth moment, unit u,
v independent of T. m, d → ∞ with c = m/d, theta = beta/(s√d). With (û, ŝ₁, v̂) the top singular triple of M:

    theta⁴ > c:   ⟨û,u⟩² → (theta⁴ − c)/(theta²(theta² + c)),   ⟨v̂,v⟩² → (theta⁴ − c)/(theta²(theta² + 1)),
                  ŝ₁/(s√d) → √((1 + theta²)(c + theta²))/theta;
    theta⁴ <= c:  0, 0, 1 + √c.                                 The threshold is beta_c = s (m d)^¼.

Rates of the rms error in the size n, measured for Gaussian T: −½ for all three above, −⅓ for the overlaps at beta_c, −1
for the overlaps and −⅔ for ŝ₁ below; one slope for everything is wrong.

Assumes: finite fourth moment; (u, v) independent of T.

Proof (Gaussian T; sketch of the source). phi_m(z) = (1/m) tr z(z² − TTᵀ)⁻¹ and phi_d likewise for TᵀT concentrate, and
u, v independent of T see nothing else of it. det(z − M) = 0 outside the bulk becomes phi_m(z) phi_d(z) = 1/beta², and
the residue there gives ⟨û,u⟩² = −2 phi_m/(beta² (phi_m phi_d)'); Marchenko-Pastur makes both explicit
(``symbolic.py``; by quadrature and root finding: the second route). Below the edge no root is left. ∎ Source: proved in
Benaych-Georges and Nadakuditi 2012, Theorems 2.8 to 2.10; the entries' law is universal (finite fourth moment needed).

Each claim is tried at n about 130 with three laws of the entries, and for Gaussian ones at 1000 times the size, where
only the right limit is left. Finite-size term of the claims, measured: min(2/(n(1 − q²)²), n^(−⅓)), n = min(m, d), q =
min(beta/beta_c, beta_c/beta), for the mean overlaps; ½n^(−⅔) relative for ŝ₁. It covers beta = beta_c, so no window has
to be assumed away.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from ...identification.spectra import critical_strength, spike
from ..shared.draws import log_uniform, unit
from ..shared.spiked import LAWS, Law, average, chain, entries, finite_size, marchenko_pastur, sizes, top_triple
from ..statement import Claim, Rate, Route, Sides, Statement

NAMES = ("left", "right", "value")
LARGER = 1000


@dataclass(frozen=True, eq=False)
class Instance:
    """``trials`` draws of M at one size. planted : (u, v) is the top singular pair of T, not independent."""

    m: int
    d: int
    beta: float
    s: float
    law: Law
    seed: int
    planted: bool = False
    trials: int = 12

    @cached_property
    def found(self) -> Float[ndarray, "trials 3"]:
        """⟨û,u⟩², ⟨v̂,v⟩², ŝ₁/(s√d) of every trial."""
        rng = np.random.default_rng(self.seed)
        rows = []
        for _ in range(self.trials):
            T = self.s * entries(rng, self.m, self.d, self.law)
            u, v = unit(rng, self.m), unit(rng, self.d)
            if self.planted:
                u, _, v = top_triple(T)
            left, value, right = top_triple(T + self.beta * np.outer(u, v))
            rows.append(((left @ u) ** 2, (right @ v) ** 2, value / (self.s * np.sqrt(self.d))))
        return np.array(rows)

    @cached_property
    def large(self) -> Float[ndarray, "trials 3"]:
        """The same at 1000 times the size with Gaussian entries, independent of (u, v), by ``chain``."""
        m, d, beta = LARGER * self.m, LARGER * self.d, self.beta / self.s * np.sqrt(LARGER)
        rng = np.random.default_rng(self.seed)
        left, right = chain(rng, m, d, beta, 60), chain(rng, d, m, beta, 60)
        return np.column_stack([left[:, 0], right[:, 0], left[:, 1] / np.sqrt(d)])

    def law_values(self) -> Float[ndarray, " 3"]:
        """The three limits, from ``spectra.spike``."""
        p = spike(self.beta, self.m, self.d, s=self.s)
        return np.array([p.left, p.right, p.value / (self.s * np.sqrt(self.d))])


def draw(rng: np.random.Generator) -> Instance:
    """Both sides of the threshold and close to it, aspects from ⅓ to 3, three laws of the entries."""
    m, d = sizes(rng)
    spans = ((0.2, 0.9), (0.85, 1.0), (1.0, 1.2), (1.015, 1.03), (1.2, 1.8), (1.2, 4))
    ratio = log_uniform(rng, *spans[rng.integers(len(spans))])
    s = log_uniform(rng, 0.1, 10)
    return Instance(m, d, ratio * critical_strength(m, d, s=s), s, LAWS[rng.integers(3)], int(rng.integers(2**31)))


def at(ratio: float, law: Law = "gaussian", *, planted: bool = False) -> Callable[[np.random.Generator], Instance]:
    """An instance of 200 x 300 at ratio * beta_c."""
    beta = ratio * critical_strength(200, 300)
    return lambda rng: Instance(200, 300, beta, 1.0, law, int(rng.integers(2**31)), planted)


def by_quadrature(i: Instance) -> float:
    """⟨û,u⟩² from phi_m phi_d = 1/theta² by quadrature over the bulk, a root and a difference."""
    from scipy.optimize import root_scalar

    c, theta2 = i.m / i.d, (i.beta / i.s) ** 2 / i.d
    x, w = marchenko_pastur(c if c <= 1 else 1 / c)
    if c > 1:
        x = c * x  # the d nonzero eigenvalues of TTᵀ/(s²d)

    def phi(z: float) -> tuple[float, float]:
        bulk = float(np.sum(w * z / (z * z - x)))
        return (bulk, c * bulk + (1 - c) / z) if c <= 1 else ((bulk + (c - 1) / z) / c, bulk)

    edge = (1 + np.sqrt(c)) * (1 + 1e-9)
    if theta2 * np.prod(phi(edge)) <= 1:
        return 0.0
    bracket = [edge, 10 + 10 * np.sqrt(theta2 + c)]
    z = float(root_scalar(lambda z: theta2 * np.prod(phi(z)) - 1, bracket=bracket, xtol=1e-13).root)
    h = 1e-5 * (z - 1 - np.sqrt(c))
    slope = (np.prod(phi(z + h)) - np.prod(phi(z - h))) / (2 * h)
    return float(-2 * phi(z)[0] / (theta2 * slope))


def _rate(
    of: str, column: int, ratio: float, order: float, tolerance: float, constant: float, trials: int = 240
) -> Rate:
    def error(n: int, rng: np.random.Generator) -> float:
        m, d = n, 2 * n
        beta = ratio * critical_strength(m, d)
        p = spike(beta, m, d)
        left, value = chain(rng, m, d, beta, trials).T
        gap = (value - p.value) / np.sqrt(d) if column == 2 else left - p.left
        return float(np.sqrt(np.mean(gap**2)))

    return Rate(of, (64, 128, 256, 512, 1024), error, order, tolerance, constant, (2048,))


SLACK = "5 standard errors of the mean, and the finite-size term stated above, measured"


def claim(column: int, limit: Callable[[Instance], float] | None = None, *, large: bool = False) -> Claim[Instance]:
    def sides(i: Instance) -> Sides:
        law = float(i.law_values()[column]) if limit is None else limit(i)
        n = min(i.m, i.d) * (LARGER if large else 1)
        finite = (
            finite_size(n, i.beta / critical_strength(i.m, i.d, s=i.s)) if column < 2 else 0.5 * law * n ** (-2 / 3)
        )
        return average((i.large if large else i.found)[:, column], law, finite)

    return Claim("=", sides, slack=SLACK)


STATEMENT = Statement(
    key="phase-transition",
    kind="limit",
    law="⟨û,u⟩² → (theta⁴ − c)/(theta²(theta² + c)) above beta_c = s (m d)^¼, 0 below",
    basis="proved in Benaych-Georges and Nadakuditi 2012, Theorems 2.8 to 2.10; rates and finite-size terms: measured",
    assumptions={
        "finite fourth moment": lambda i: i.law != "student-3",
        "(u, v) independent of T": lambda i: not i.planted,
    },
    draw=draw,
    claims={
        **{name: claim(column) for column, name in enumerate(NAMES)},
        **{f"{name}, large": claim(column, large=True) for column, name in enumerate(NAMES)},
    },
    violators={"finite fourth moment": at(1.5, "student-3"), "(u, v) independent of T": at(0.3, planted=True)},
    regimes={"beta = beta_c": lambda i: i.beta / critical_strength(i.m, i.d, s=i.s) - 1},
    route=Route("left, large", by_quadrature, 1e-4),
    rates=(
        _rate("left above", 0, 1.6, -1 / 2, 0.1, 0.562),
        _rate("ŝ₁ above", 2, 1.6, -1 / 2, 0.1, 0.548),
        _rate("left at beta_c", 0, 1.0, -1 / 3, 0.08, 0.90, 480),
        _rate("left below", 0, 0.3, -1.0, 0.12, 2.18, 1000),
        _rate("ŝ₁ below", 2, 0.3, -2 / 3, 0.1, 0.75),
    ),
    draws=32,
)
