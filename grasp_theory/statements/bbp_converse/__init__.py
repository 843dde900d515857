"""bbp-converse (converse). In an unstructured task no method sees below beta_c, nor more than the SVD above it.

Statement. M = T + beta u vᵀ, T (m x d) Gaussian of variance s², u and v uniform on their spheres, all independent. A =
beta²/(m s²), B = beta²/(d s²). The largest squared overlap with u that any estimator reaches tends to q_u, with v to
q_v, the stable solution of

    q_u = A q_v/(1 + A q_v),   q_v = B q_u/(1 + B q_u):
    q_u = (AB − 1)/(B(A + 1)), q_v = (AB − 1)/(A(B + 1)) if AB > 1, i.e. beta > beta_c = s (m d)^¼, else 0.

These are the overlaps of ``phase-transition``: the SVD is optimal, and beta_c is a border for every method.

Assumes: T Gaussian; u, v uniform; (u, v) independent of T.

Proof (source). The prior may be replaced by a Gaussian one. Row i of M then is a scalar channel u_i + noise of
signal-to-noise ratio A q_v, column j one of ratio B q_u; the Gaussian posterior mean gives the two equations, which
are stationarity of the mutual information sup_{q_v} inf_{q_u} psi(A q_v) + (A/B) psi(B q_u) − ½A q_u q_v, psi(r) = ½(r
− log(1 + r)) (the second route optimises it). That the potential is exact is the cited theorem. ∎ Source: proved in
Miolane 2017 and Luneau, Macris and Barbier 2020 (spheres); that it equals the SVD's overlap is derived in
``symbolic.py``. What is measured is that four estimators do not beat it, not that none does; finite-size terms as in
``phase-transition``.

Each assumption hides room for a method: one-sparse u, v are read off the largest entry, a task of two known values ±s
off the remainder M − s sign(M), a task that carries the factor as its own top pair off the SVD, at 0.6 beta_c.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from ...identification.spectra import Spike, critical_strength, spike
from ..shared.draws import log_uniform, unit
from ..shared.spiked import FINITE, average, chain, entries, finite_size, sizes, top_triple
from ..statement import Claim, Relation, Route, Sides, Statement, exact

Prior = Literal["uniform", "one-sparse", "planted"]
LARGER = 1000


@dataclass(frozen=True, eq=False)
class Instance:
    """``trials`` draws of M. prior : law of (u, v); "planted" takes the top pair of T. signs : T has entries ±s."""

    m: int
    d: int
    beta: float
    s: float
    seed: int
    prior: Prior = "uniform"
    signs: bool = False
    trials: int = 10

    @property
    def AB(self) -> tuple[float, float]:
        """(A, B) of the two equations."""
        return (self.beta / self.s) ** 2 / self.m, (self.beta / self.s) ** 2 / self.d

    @property
    def finite_size(self) -> float:
        """As in ``phase-transition``."""
        return finite_size(min(self.m, self.d), self.beta / critical_strength(self.m, self.d, s=self.s))

    @cached_property
    def large(self) -> Float[ndarray, " trials"]:
        """Squared overlap of the SVD at 1000 times the size, all assumptions kept, by ``chain``."""
        m, d, beta = LARGER * self.m, LARGER * self.d, self.beta / self.s * np.sqrt(LARGER)
        return chain(np.random.default_rng(self.seed), m, d, beta, 60)[:, 0]

    @cached_property
    def found(self) -> dict[str, Float[ndarray, " trials"]]:
        """Squared overlap of each estimator with u, in every trial."""
        rng = np.random.default_rng(self.seed)
        rows: dict[str, list[float]] = {name: [] for name in ESTIMATORS}
        for _ in range(self.trials):
            T = self.s * entries(rng, self.m, self.d, "signs" if self.signs else "gaussian")
            u, v = unit(rng, self.m), unit(rng, self.d)
            if self.prior == "one-sparse":
                u, v = np.eye(self.m)[rng.integers(self.m)], np.eye(self.d)[rng.integers(self.d)]
            elif self.prior == "planted":
                u, _, v = top_triple(T)
            M = T + self.beta * np.outer(u, v)
            for name, estimate in ESTIMATORS.items():
                rows[name].append(float(estimate(M, self.s) @ u) ** 2)
        return {name: np.array(values) for name, values in rows.items()}


ESTIMATORS: dict[str, Callable[[ndarray, float], ndarray]] = {
    "svd": lambda M, s: top_triple(M)[0],
    "largest entry": lambda M, s: np.eye(len(M))[np.unravel_index(np.abs(M).argmax(), M.shape)[0]],
    "thresholded": lambda M, s: top_triple(np.sign(M) * np.maximum(np.abs(M) - s, 0))[0],  # for sparse factors
    "without ±s": lambda M, s: top_triple(M - s * np.sign(M))[0],
}


def fixed_point(i: Instance) -> tuple[float, float]:
    """(q_u, q_v) by iterating the two equations from 1."""
    (A, B), left, before = i.AB, 1.0, np.inf
    for _ in range(4000):
        if abs(left - before) < 1e-14:
            break
        right, before = B * left / (1 + B * left), left
        left = A * right / (1 + A * right)
    return left, B * left / (1 + B * left)


def potential(i: Instance) -> float:
    """q_u as the minimiser inside the saddle point of the mutual information: nested scipy optimisation."""
    from scipy.optimize import minimize_scalar

    A, B = i.AB

    def psi(r: float) -> float:
        return 0.5 * (r - np.log1p(r))

    def inner(y: float) -> tuple[float, float]:
        found: Any = minimize_scalar(
            lambda x: A / B * psi(B * x) - 0.5 * A * x * y, bounds=(0, 1), method="bounded", options={"xatol": 1e-9}
        )
        return psi(A * y) + found.fun, found.x

    outer: Any = minimize_scalar(lambda y: -inner(y)[0], bounds=(0, 1), method="bounded", options={"xatol": 1e-9})
    return inner(outer.x)[1]


def _flat(i: Instance) -> float:
    """How far the optimum may be off: the potential flattens at the border like 1 − (beta_c/beta)⁴."""
    return 1e-6 / min(abs(1 - i.m * i.d * (i.s / i.beta) ** 4), 1.0)


def draw(rng: np.random.Generator) -> Instance:
    """Both sides of the border and as close as 2% to it, where the iteration still converges geometrically.

    A fifth is long, at about twice the border, which tells the overlaps with u and with v apart.
    """
    long = rng.random() < 0.2
    m, d = rng.permutation([60, 480]).tolist() if long else sizes(rng)
    spans = ((0.3, 0.9), (0.85, 0.98), (1.02, 1.2), (1.15, 4), (1.15, 4))
    ratio = log_uniform(rng, *((1.8, 2.4) if long else spans[rng.integers(5)]))
    s = log_uniform(rng, 0.1, 10)
    seed = int(rng.integers(2**31))
    return Instance(m, d, ratio * critical_strength(m, d, s=s), s, seed, trials=20 if long else 10)


def hidden(prior: Prior, *, signs: bool = False) -> Callable[[np.random.Generator], Instance]:
    """150 x 150 at 0.6 beta_c, where one assumption alone gives the factor away."""
    beta = 0.6 * critical_strength(150, 150)
    return lambda rng: Instance(150, 150, beta, 1.0, int(rng.integers(2**31)), prior, signs)


def best(i: Instance, limit: float) -> Sides:
    """The estimator whose mean overlap most clearly exceeds a limit for all of them; the SVD at a large size too."""
    found = [average(values, limit, i.finite_size) for values in i.found.values()]
    return max([*found, at_large(i, limit)], key=lambda s: s.measured - s.slack)


def at_large(i: Instance, limit: float) -> Sides:
    """The SVD's mean overlap at the large size against its limit."""
    ratio = i.beta / critical_strength(i.m, i.d, s=i.s)
    return average(i.large, limit, finite_size(LARGER * min(i.m, i.d), ratio))


def largest_overlap(i: Instance) -> float:
    return fixed_point(i)[0]


def fixed(side: int, law: Callable[[Instance], float]) -> Claim[Instance]:
    return exact("=", lambda i: fixed_point(i)[side], law)


def svd(i: Instance, share: float = 1.0) -> Spike:
    """What the SVD sees of this share of the factor."""
    return spike(share * i.beta, i.m, i.d, s=i.s)


def reaches(name: str, law: Callable[[Instance], float], relation: Relation = "=") -> Claim[Instance]:
    """The mean overlap of this estimator against the law."""
    return Claim(relation, lambda i: average(i.found[name], law(i), i.finite_size), slack=FINITE)


STATEMENT = Statement(
    key="bbp-converse",
    kind="converse",
    law="no estimator has overlap below beta_c = s (m d)^¼; above it none beats the SVD",
    basis="proved in Miolane 2017; that it is the SVD's overlap: derived here; the four estimators: measured",
    assumptions={
        "T Gaussian": lambda i: not i.signs,
        "u, v uniform": lambda i: i.prior != "one-sparse",
        "(u, v) independent of T": lambda i: i.prior != "planted",
    },
    draw=draw,
    always=frozenset({"fixed point is the SVD's, left", "fixed point is the SVD's, right"}),
    claims={
        "fixed point is the SVD's, left": fixed(0, lambda i: svd(i).left),
        "fixed point is the SVD's, right": fixed(1, lambda i: svd(i).right),
        "no estimator beats it": Claim("<=", lambda i: best(i, largest_overlap(i)), slack=FINITE),
        "the SVD reaches it": reaches("svd", largest_overlap),
        "the SVD reaches it, large": Claim("=", lambda i: at_large(i, largest_overlap(i)), slack=FINITE),
    },
    violators={
        "T Gaussian": hidden("uniform", signs=True),
        "u, v uniform": hidden("one-sparse"),
        "(u, v) independent of T": hidden("planted"),
    },
    regimes={"beta = beta_c": lambda i: i.beta / critical_strength(i.m, i.d, s=i.s) - 1},
    route=Route("fixed point is the SVD's, left", potential, _flat, "measured", ("Instance.AB",)),
    draws=40,
)
