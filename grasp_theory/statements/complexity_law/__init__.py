"""complexity-law (limit). A more complex task hides the factor less: the exact overlap for a flat Haar task of rank k.

Statement. M = T + beta u vᵀ, T = tau · (Haar partial isometry of rank k), u, v independent of T; m, d, k → ∞ with k/m
and k/d fixed. phi_N(z) = (k/N) z/(z² − tau²) + (1 − k/N)/z. ŝ₁ → z, the root above tau of

    phi_m(z) phi_d(z) = 1/beta²,  ⟨û,u⟩² → −2 phi_m/(beta² (phi_m phi_d)'),  ⟨v̂,v⟩² → −2 phi_d/(beta² (phi_m phi_d)').

There is no threshold. k = m = d: z = (beta + √(beta² + 4tau²))/2 and both overlaps are z²/(z² + tau²) > ½ for every
beta > 0: a maximally complex task never hides the factor beyond 45°, although ``prior-angle`` promises nothing there.
At fixed Frobenius norm tau√k both overlaps increase with k (measured, not proved).

Assumes: (u, v) independent of T; T flat (equal singular values).

Proof (here, elementary). T = tau P Qᵀ. Within range(P) x range(Q) let a = Pᵀu, b = Qᵀv. On what is orthogonal to a and
b T is tau times an isometry that M leaves alone; the rest of M is 3 x 3:

    diag(tau, tau, 0) + beta x yᵀ,   x = (|a|, 0, √(1 − |a|²)),   y = (b₁, b₂, √(1 − |b|²)),  b₁ = ⟨a,b⟩/|a|.

By Haar invariance |a|² → k/m, |b|² → k/d and ⟨a,b⟩ = O(n^(−½)) → 0, so the law is the top triple of **one 3 x 3
matrix** (the second route), and its rms rate is −½, with a constant by the variances of the three. Its secular equation
is phi_m phi_d = 1/beta², its residues are the overlaps (``symbolic.py``); for k = m = d it is z² − beta z − tau² = 0,
and z > tau gives ½. Also in Benaych-Georges and Nadakuditi 2012, by free probability. ∎

Each claim is tried at n about 130 with dense matrices, and at 30 times the size by the reduction of the proof, where
only the right limit is left. Finite-size term, measured: 2(1 + tau/beta)²/n with n = min(m, d), relative for ŝ₁.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from ..shared.draws import log_uniform, orthonormal, unit
from ..shared.spiked import average, sizes, top_triple
from ..statement import Claim, Rate, Route, Sides, Statement, exact

LARGER = 30


@dataclass(frozen=True, eq=False)
class Instance:
    """``trials`` draws. planted : (u, v) is a pair of T. spread : T's values differ, at equal norm. k2 >= k."""

    m: int
    d: int
    k: int
    beta: float
    tau: float
    seed: int
    k2: int
    planted: bool = False
    spread: bool = False
    trials: int = 10

    @cached_property
    def found(self) -> Float[ndarray, "trials 3"]:
        """⟨û,u⟩², ⟨v̂,v⟩², ŝ₁/beta of every trial, from dense matrices."""
        rng = np.random.default_rng(self.seed)
        values = np.linspace(0.0 if self.spread else 1.0, 1.0, self.k) ** 4
        values *= self.tau * np.sqrt(self.k) / np.linalg.norm(values)
        rows = []
        for _ in range(self.trials):
            P, Q = orthonormal(rng, self.m, self.k), orthonormal(rng, self.d, self.k)
            u, v = (P[:, 0], Q[:, 0]) if self.planted else (unit(rng, self.m), unit(rng, self.d))
            left, value, right = top_triple(P * values @ Q.T + self.beta * np.outer(u, v))
            rows.append(((left @ u) ** 2, (right @ v) ** 2, value / self.beta))
        return np.array(rows)

    @cached_property
    def large(self) -> Float[ndarray, "trials 3"]:
        """The same at 30 times the size, by the exact reduction of the proof."""
        rng = np.random.default_rng(self.seed)
        m, d, k = (LARGER * n for n in (self.m, self.d, self.k))
        return np.array([reduced(*coordinates(rng, m, d, k), self.beta, self.tau) for _ in range(60)])

    def limits(self, k: int | None = None) -> Float[ndarray, " 3"]:
        """The three limits; with another k at the same Frobenius norm."""
        k = k or self.k
        return law(self.beta, self.tau * np.sqrt(self.k / k), self.m, self.d, k)


def law(beta: float, tau: float, m: int, d: int, k: int) -> Float[ndarray, " 3"]:
    """(⟨û,u⟩², ⟨v̂,v⟩², z/beta) from phi_m phi_d = 1/beta², whose root on (tau, tau + beta] is unique."""
    from scipy.optimize import root_scalar

    def phi(z: float, n: int) -> float:
        return k / n * z / (z * z - tau * tau) + (1 - k / n) / z

    def slope(z: float, n: int) -> float:
        return -k / n * (z * z + tau * tau) / (z * z - tau * tau) ** 2 - (1 - k / n) / z**2

    bracket = [tau * (1 + 1e-14), (tau + beta) * (1 + 1e-9)]
    z = float(root_scalar(lambda z: beta**2 * phi(z, m) * phi(z, d) - 1, bracket=bracket, xtol=1e-15).root)
    product = slope(z, m) * phi(z, d) + phi(z, m) * slope(z, d)
    return np.array([-2 * phi(z, m) / (beta**2 * product), -2 * phi(z, d) / (beta**2 * product), z / beta])


def draw(rng: np.random.Generator) -> Instance:
    """k from 1 in 20 to full rank; beta on both sides of tau, where nothing happens, half of them close."""
    m, d = sizes(rng)
    full = min(m, d)
    k = full if rng.random() < 0.2 else int(rng.integers(full // 20, full))
    k2 = int(rng.integers(k, full + 1))
    tau, ratio = log_uniform(rng, 0.1, 10), rng.uniform(0.82, 1.18) if rng.random() < 0.5 else log_uniform(rng, 0.4, 5)
    return Instance(m, d, k, tau * ratio, tau, int(rng.integers(2**31)), k2)


def _case(**broken: bool) -> Callable[[np.random.Generator], Instance]:
    """100 x 120, k = 50, beta = tau."""
    return lambda rng: Instance(100, 120, 50, 1.0, 1.0, int(rng.integers(2**31)), 80, **broken)


def by_three_by_three(i: Instance) -> float:
    """⟨û,u⟩² of the limiting 3 x 3 matrix at k2 and the same norm."""
    tau = i.tau * np.sqrt(i.k / i.k2)
    return float(reduced(np.sqrt(i.k2 / i.m), np.array([0.0, np.sqrt(i.k2 / i.d)]), i.beta, tau)[0])


def reduced(a: float, b: Float[ndarray, " 2"], beta: float, tau: float) -> Float[ndarray, " 3"]:
    """⟨û,u⟩², ⟨v̂,v⟩², ŝ₁/beta of the 3 x 3 matrix of the proof."""
    x, y = np.array([a, 0.0, np.sqrt(max(1 - a * a, 0.0))]), np.array([*b, np.sqrt(max(1 - b @ b, 0.0))])
    U, S, Vh = np.linalg.svd(np.diag([tau, tau, 0.0]) + beta * np.outer(x, y))
    return np.array([(U[:, 0] @ x) ** 2, (Vh[0] @ y) ** 2, S[0] / beta])


def coordinates(rng: np.random.Generator, m: int, d: int, k: int) -> tuple[float, Float[ndarray, " 2"]]:
    """(|a|, (b₁, b₂)) of drawn u and v."""
    a, b = unit(rng, m)[:k], unit(rng, d)[:k]
    along = a @ b / np.linalg.norm(a)
    return float(np.linalg.norm(a)), np.array([along, np.sqrt(b @ b - along**2)])


def _error(column: int) -> Callable[[int, np.random.Generator], float]:
    """rms error at k = n/2, m = n, d = 2n, beta = 1.5 tau: the reduction of the proof, with drawn u and v, is exact."""

    def error(n: int, rng: np.random.Generator) -> float:
        k, beta = n // 2, 1.5
        limit = law(beta, 1.0, n, 2 * n, k)[column]
        found = [reduced(*coordinates(rng, n, 2 * n, k), beta, 1.0)[column] for _ in range(400)]
        return float(np.sqrt(np.mean((np.array(found) - limit) ** 2)))

    return error


def _constant(column: int) -> float:
    """√n times that rms error: |a|², |b|² and the cosine of a and b vary by 2p(1−p)/m, 2q(1−q)/d and 1/k."""

    def at(p: float, q: float, cos: float) -> float:
        b = np.sqrt(q) * np.array([cos, np.sqrt(1 - cos**2)])
        return float(reduced(np.sqrt(p), b, 1.5, 1.0)[column])

    p, q, h = 0.5, 0.25, 1e-5
    slopes = (
        at(p + h, q, 0.0) - at(p - h, q, 0.0),
        at(p, q + h, 0.0) - at(p, q - h, 0.0),
        at(p, q, h) - at(p, q, -h),
    )
    variances = (2 * p * (1 - p), q * (1 - q), 2.0)  # times n, for m = n, d = 2n, k = n/2
    return float(np.sqrt(np.dot(variances, np.square(slopes)))) / (2 * h)


SLACK = "5 standard errors of the mean, and the finite-size term stated above, measured"


def claim(column: int, limit: Callable[[Instance], float] | None = None, *, large: bool = True) -> Claim[Instance]:
    def sides(i: Instance) -> Sides:
        bound = float(i.limits()[column]) if limit is None else limit(i)
        finite = 2 * (1 + i.tau / i.beta) ** 2 / (min(i.m, i.d) * (LARGER if large else 1))
        return average((i.large if large else i.found)[:, column], bound, finite * (bound if column == 2 else 1.0))

    return Claim("=", sides, slack=SLACK)


def square(overlap: Callable[[float, float], float]) -> Claim[Instance]:
    """The law at k = m = d against a closed form in (z, tau)."""

    def sides(i: Instance) -> Sides:
        z = (i.beta + np.sqrt(i.beta**2 + 4 * i.tau**2)) / 2
        return Sides.exact(law(i.beta, i.tau, i.m, i.m, i.m)[0], overlap(z, i.tau))

    return Claim("=", sides)


def budget(column: int, *, reverse: bool = False) -> Claim[Instance]:
    return exact("<=" if reverse else ">=", lambda i: i.limits(i.k2)[column], lambda i: i.limits()[column])


STATEMENT = Statement(
    key="complexity-law",
    kind="limit",
    law="overlaps −2 phi/(beta² (phi_m phi_d)') at phi_m phi_d = 1/beta²: no threshold, > ½ at full complexity",
    basis="proved here; that the overlaps increase with k at fixed norm: measured",
    assumptions={
        "(u, v) independent of T": lambda i: not i.planted,
        "T flat (equal singular values)": lambda i: not i.spread,
    },
    draw=draw,
    always=frozenset({"k = m = d"}),
    claims={
        "left": claim(0, large=False),
        "right": claim(1, large=False),
        "value": claim(2, large=False),
        "left, large": claim(0),
        "right, large": claim(1),
        "value, large": claim(2),
        "k = m = d": square(lambda z, tau: z**2 / (z**2 + tau**2)),
        "left increases with k": budget(0),
        "right increases with k": budget(1),
    },
    violators={
        "(u, v) independent of T": _case(planted=True),
        "T flat (equal singular values)": _case(spread=True),
    },
    regimes={"beta = tau": lambda i: i.beta / i.tau - 1},
    route=Route("left increases with k", by_three_by_three, 1e-9, "measured"),
    rates=(
        Rate("left", (64, 128, 256, 512, 1024), _error(0), -1 / 2, 0.08, _constant(0), (2048,)),
        Rate("right", (64, 128, 256, 512, 1024), _error(1), -1 / 2, 0.08, _constant(1), (2048,)),
        Rate("ŝ₁", (64, 128, 256, 512, 1024), _error(2), -1 / 2, 0.08, _constant(2), (2048,)),
    ),
    draws=24,
)
