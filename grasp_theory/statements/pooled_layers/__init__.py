"""pooled-layers (limit). What L layers that write one direction gain together, and the best way to pool them.

Statement. M_l = T_l + beta_l u v_lᵀ, l = 1…L, T_l (m x d) independent of each other and of u and the v_l, independent
entries of variance s_l² and finite fourth moment; b_l = beta_l/s_l. The left singular vectors of the stack [M_l/s_l]
follow ``phase-transition`` for strength √(Σ b_l²) in an m x Ld matrix: **u shows iff Σ b_l² > √(m d L)**, whatever the
profile of strengths; L equal layers need L^(−¼) of the strength of one. Unequal noise is covered: divide by s_l first.

The profile matters to the best pooling (Baharav, Nicol, Irizarry and Ma 2025). With B_l = b_l²/d stack instead
[√w_l M_l/s_l], **w_l = B_l/(1 + B_l)**: its ⟨û,u⟩² tends to the solution q of the Bayes-optimal fixed point

    1 = (1 − q) Σ_l (d/m) B_l²/(1 + q B_l),          visible iff **Σ b_l⁴ > m d**,

never below the plain stack's (at the border by Cauchy-Schwarz, beyond it measured), equal to it for equal b_l. A factor
in one layer of L loses L^¼ in the plain stack, nothing in the weighted one. The weights are an oracle's.

Assumes: tasks share no left direction; one u in all layers; finite fourth moment.

Proof (here, on the deterministic equivalents of Benaych-Georges and Nadakuditi). For weights w_l and a = tr(x − MMᵀ)⁻¹
the noise has x(a) = m/a + d Σ w_l/(1 − a w_l) and the factor leaves the bulk where D(a) = Σ w_l b_l² a/(m(1 − a w_l))
= 1, with ⟨û,u⟩² = −a x'(a)/(m D'(a)). w_l = 1 gives the first law. At the edge, x' = 0, t_l = a w_l/(1 − a w_l) has Σ
t_l² = m/d while visibility is Σ b_l² t_l > m: the best t is proportional to b_l², which gives Σ b_l⁴ > m d. With w_l =
B_l/(1 + B_l), D(a) = 1 is the fixed point at a = 1 − q, and ⟨û,u⟩² = q (``symbolic.py``). ∎ That no
estimator which knows the b_l does better is from the literature on the fixed point (see ``bbp-converse``).

Rates of the rms error of both stacks for an uneven profile: −½, measured. Finite-size term of the claims, measured:
that of ``phase-transition`` at n = min(m, d), beta/beta_c of the pooling concerned. The plain stack of Gaussian layers
is tried at 1000 times the size too.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from ...identification.spectra import critical_strength, spike
from ..shared.draws import log_uniform, unit
from ..shared.spiked import FINITE, LAWS, Law, average, chain, entries, finite_size, top_vector
from ..statement import Claim, Rate, Route, Sides, Statement, exact

LARGER = 1000


@dataclass(frozen=True, eq=False)
class Instance:
    """``trials`` draws. shared : strength over beta_l of a left direction of all tasks. common : one u for all.

    law : of the entries.
    """

    m: int
    d: int
    b: Float[ndarray, " L"]
    s: Float[ndarray, " L"]
    seed: int
    shared: float = 0.0
    common: bool = True
    law: Law = "gaussian"
    trials: int = 10

    @property
    def B(self) -> Float[ndarray, " L"]:
        """b_l²/d."""
        return self.b**2 / self.d

    @property
    def total(self) -> float:
        """√(Σ b_l²)."""
        return float(np.linalg.norm(self.b))

    @cached_property
    def found(self) -> Float[ndarray, "trials 3"]:
        """⟨û,u⟩² of the plain and of the weighted stack, ŝ₁ of the plain one over √(L d)."""
        rng, rows = np.random.default_rng(self.seed), []
        for _ in range(self.trials):
            u, w = unit(rng, self.m), unit(rng, self.m)
            blocks = []
            for l, (b, s) in enumerate(zip(self.b, self.s, strict=True)):
                T = s * entries(rng, self.m, self.d, self.law)
                T += self.shared * b * s * np.outer(w, unit(rng, self.d))
                left = u if self.common or l == 0 else unit(rng, self.m)
                blocks.append((T + b * s * np.outer(left, unit(rng, self.d))) / s)
            products = np.stack([M @ M.T for M in blocks])  # of both stacks, each formed once, half of it by symmetry
            weights = self.B / (1 + self.B)
            both = products.sum(axis=0), np.tensordot(weights, products, 1)
            plain, best = (top_vector(G) for G in both)
            value = plain @ both[0] @ plain
            rows.append(((plain @ u) ** 2, (best @ u) ** 2, np.sqrt(value / (self.d * len(self.b)))))
        return np.array(rows)

    @cached_property
    def large(self) -> Float[ndarray, " trials"]:
        """⟨û,u⟩² of the plain Gaussian stack at 1000 times the size: an m x Ld matrix with one factor, by ``chain``."""
        m, width = LARGER * self.m, LARGER * self.d * len(self.b)
        return chain(np.random.default_rng(self.seed), m, width, self.total * np.sqrt(LARGER), 60)[:, 0]


def optimal(i: Instance) -> float:
    """q by iterating q/(1 − q) = Σ (d/m) B_l² q/(1 + q B_l) from 1; 0 below the border."""
    if np.sum(i.b**4) <= i.m * i.d:
        return 0.0
    q = 1.0
    for _ in range(5000):
        x = i.d / i.m * float(np.sum(i.B**2 * q / (1 + q * i.B)))
        if abs(x / (1 + x) - q) < 1e-14:
            break
        q = x / (1 + x)
    return q


def plain(i: Instance) -> float:
    """Limit of the plain stack."""
    return spike(i.total, i.m, i.d * len(i.b)).left


def by_edge(i: Instance, w: Float[ndarray, " L"]) -> tuple[float, float]:
    """(⟨û,u⟩², border of √(Σ b_l²) along this profile) of a weighted stack, from the equations in a by scipy."""
    from scipy.optimize import root_scalar

    def slope(a: float) -> float:  # −a² x'(a)/m
        return 1 - a * a * i.d / i.m * float(np.sum((w / (1 - a * w)) ** 2))

    def outlier(a: float) -> float:
        return float(np.sum(w * i.b**2 * a / (1 - a * w))) / i.m

    end = 1 / w.max()
    edge = float(root_scalar(slope, bracket=[1e-9 * end, end * (1 - 1e-12)], xtol=1e-15 * end).root)
    border = i.total / np.sqrt(outlier(edge))
    if outlier(edge) <= 1:
        return 0.0, border
    a = float(root_scalar(lambda a: outlier(a) - 1, bracket=[1e-12 * edge, edge], xtol=1e-15 * end).root)
    return slope(a) / (a * float(np.sum(w * i.b**2 / (1 - a * w) ** 2)) / i.m), border


def weighted_border(i: Instance) -> float:
    """√(Σ b_l²) along this profile from which on the best weights, which change with it, show u."""
    from scipy.optimize import root_scalar

    def excess(scale: float) -> float:
        at = replace(i, b=scale * i.b)
        return by_edge(at, at.B / (1 + at.B))[1] / at.total - 1

    # never above the plain stack's border, nor L^¼ below it
    top = critical_strength(i.m, i.d, layers=len(i.b)) / i.total
    bracket = [0.9 * top * len(i.b) ** -0.25, 1.1 * top]
    return i.total * float(root_scalar(excess, bracket=bracket, xtol=1e-14 * top).root)


def draw(rng: np.random.Generator) -> Instance:
    """Profiles drawn, concentrated, or equal and close to the border (the same for both poolings); unequal noise.

    Two in five are eight layers with one dominating, moderately above the plain border or below it, where the weighted
    stack alone shows u. Some are equal layers with many outputs, where strengths do not add up as in one layer.
    """
    kind = rng.choice(["uneven", "close", "tall", "any"], p=[0.4, 0.3, 0.1, 0.2])
    m, d, L = int(rng.integers(80, 161)), int(rng.integers(60, 121)), int(rng.integers(2, 9))
    if kind == "uneven":
        m, d, L = m + 40, d + 40, 8
    if kind == "tall":
        m, d, L = 160, 60, 8
    spread = {"uneven": 4.0, "any": rng.choice([1.5, 4.0])}.get(kind, 0.0)
    profile = np.exp(rng.normal(scale=spread, size=L))
    low, high = {
        "uneven": (1.3, 1.6) if rng.random() < 0.7 else (0.75, 0.95),
        "close": (0.82, 1.18),
        "tall": (1.8, 2.5),
        "any": (0.8, 4.0),
    }[kind]
    total = log_uniform(rng, low, high) * critical_strength(m, d, layers=L)
    s, b = np.exp(rng.uniform(-1, 1, L)), total * profile / np.linalg.norm(profile)
    seed, law = int(rng.integers(2**31)), LAWS[rng.integers(3)]
    return Instance(m, d, b, s, seed, law=law, trials=40 if kind == "uneven" else 10)


def equal(rng: np.random.Generator, **broken) -> Instance:
    """Eight equal layers at 1.5 times the border: there the two poolings agree."""
    total = 1.5 * critical_strength(120, 100, layers=8)
    return Instance(120, 100, np.full(8, total / np.sqrt(8)), np.ones(8), int(rng.integers(2**31)), **broken)


def _four(n: int, rng: np.random.Generator) -> Instance:
    """Four n x n layers, strengths as 2 : 1 : 1 : ½."""
    profile = np.array([2, 1, 1, 0.5])
    b = 2.2 * critical_strength(n, n, layers=4) * profile / np.linalg.norm(profile)
    return Instance(n, n, b, np.ones(4), int(rng.integers(2**31)), trials=240)


def _plain_error(n: int, rng: np.random.Generator) -> float:
    """rms error of the plain stack, an n x 4n matrix with one factor, by ``chain``."""
    i = _four(n, rng)
    return float(np.sqrt(np.mean((chain(rng, n, 4 * n, i.total, i.trials)[:, 0] - plain(i)) ** 2)))


def _weighted_error(n: int, rng: np.random.Generator) -> float:
    """rms error of the weighted stack."""
    i = _four(n, rng)
    return float(np.sqrt(np.mean((i.found[:, 1] - optimal(i)) ** 2)))


def overlap(column: int, limit: Callable[[Instance], float]) -> Claim[Instance]:
    def sides(i: Instance) -> Sides:
        return average(i.found[:, column], limit(i), finite_size(min(i.m, i.d), _ratio(i, column)))

    return Claim("=", sides, slack=FINITE)


def _ratio(i: Instance, column: int) -> float:
    """Strength over the border of the plain stack (0) or of the weighted one (1)."""
    if column == 0:
        return i.total / critical_strength(i.m, i.d, layers=len(i.b))
    return float((np.sum(i.b**4) / (i.m * i.d)) ** 0.25)


def border(strength: Callable[[Instance], float]) -> Claim[Instance]:
    """Of the weighted stack, against (Σ b_l⁴)^¼ = ``strength`` along the profile."""
    return exact("=", weighted_border, lambda i: i.total * strength(i) / np.sum(i.b**4) ** 0.25)


def at_large(i: Instance, limit: float) -> Sides:
    """The plain stack's mean overlap at the large size against its limit."""
    return average(i.large, limit, finite_size(LARGER * min(i.m, i.d), _ratio(i, 0)))


def value(law: Callable[[Instance], float]) -> Claim[Instance]:
    def sides(i: Instance) -> Sides:
        limit = float(law(i))
        return average(i.found[:, 2], limit, 0.5 * limit * min(i.m, i.d) ** (-2 / 3))

    return Claim("=", sides, slack=FINITE)


def _edge(i: Instance) -> float:
    width = i.d * len(i.b)
    return spike(i.total, i.m, width).value / np.sqrt(width)


STATEMENT = Statement(
    key="pooled-layers",
    kind="limit",
    law="Σ (beta_l/s_l)² > √(m d L) for the plain stack, Σ (beta_l/s_l)⁴ > m d for the best weights",
    basis="proved here on deterministic equivalents; that weights never lose beyond the border, rates: measured",
    assumptions={
        "tasks share no left direction": lambda i: i.shared == 0,
        "one u in all layers": lambda i: i.common,
        "finite fourth moment": lambda i: i.law != "student-3",
    },
    draw=draw,
    always=frozenset({"border of the plain stack", "border of the weighted stack"}),
    claims={
        "plain stack": overlap(0, plain),
        "plain stack, large": Claim("=", lambda i: at_large(i, plain(i)), slack=FINITE),
        "ŝ₁": value(_edge),
        "weighted stack": overlap(1, optimal),
        "border of the plain stack": exact(
            "=", lambda i: by_edge(i, np.ones(len(i.b)))[1], lambda i: critical_strength(i.m, i.d, layers=len(i.b))
        ),
        "border of the weighted stack": border(lambda i: (i.m * i.d) ** 0.25),
        "weights never lose": exact(">=", optimal, plain, tight=True),
    },
    extremal=equal,
    violators={
        "tasks share no left direction": lambda rng: equal(rng, shared=1.4),
        "one u in all layers": lambda rng: equal(rng, common=False),
        "finite fourth moment": lambda rng: equal(rng, law="student-3", trials=40),
    },
    regimes={
        "Σ b_l² = √(m d L)": lambda i: _ratio(i, 0) - 1,
        "Σ b_l⁴ = m d": lambda i: _ratio(i, 1) - 1,
    },
    route=Route(
        "weights never lose",
        lambda i: by_edge(i, i.B / (1 + i.B))[0],
        1e-6,
        "measured",
        ("Instance.B", "Instance.total"),
    ),
    rates=(
        Rate("plain stack", (20, 40, 80, 128), _plain_error, -1 / 2, 0.12, 0.202, (256,)),
        Rate("weighted stack", (20, 40, 80, 128), _weighted_error, -1 / 2, 0.12, 0.187, (256,)),
    ),
    draws=24,
)
