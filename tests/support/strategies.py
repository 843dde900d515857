"""Hypothesis strategies for factors and updates. Directions are dense and random always, never axis-aligned:

several wrong methods are right on coordinate vectors.
"""

from __future__ import annotations

import os
from dataclasses import dataclass

import numpy as np
from hypothesis import settings
from hypothesis import strategies as st

from grasp_theory import LowRank, Update
from grasp_theory.linear import LinearProblem, draw_problem

KINDS = ("generic", "deficient", "duplicated", "zero", "clustered", "ill")


def examples(*, ci: int) -> settings:
    """Decorator for a test that wants another number of examples than the profile's: ``@examples(ci=120)``."""
    wanted = {"dev": 50, "ci": ci, "nightly": 2000}
    return settings(max_examples=wanted[os.environ.get("HYPOTHESIS_PROFILE", "ci")], deadline=None)


def rotation(rng: np.random.Generator, n: int, k: int | None = None) -> np.ndarray:
    """n x k orthonormal columns, uniformly distributed."""
    Q, R = np.linalg.qr(rng.standard_normal((n, n if k is None else k)))
    return Q * np.sign(np.diag(R))


def with_singular_values(rng: np.random.Generator, m: int, n: int, values: np.ndarray) -> np.ndarray:
    """m x n with these singular values (as many as fit) between random rotations."""
    values = np.asarray(values, float)[: min(m, n)]
    return rotation(rng, m, len(values)) * values @ rotation(rng, n, len(values)).T


def factor(rng: np.random.Generator, m: int, n: int, kind: str, condition: float = 1e10) -> np.ndarray:
    """A dense m x n factor of the given kind, of norm about 1."""
    q = min(m, n)
    if not q:
        return np.zeros((m, n))
    if kind == "zero":
        return np.zeros((m, n))
    if kind == "deficient":
        return with_singular_values(rng, m, n, np.linspace(1, 0.5, max(1, q // 2)))
    if kind == "duplicated":
        X = rng.standard_normal((m, n)) / np.sqrt(max(m, n))
        return X[:, rng.integers(0, max(1, n // 2), n)]
    if kind == "clustered":
        return with_singular_values(rng, m, n, np.where(np.arange(q) < (q + 1) // 2, 1.0, 0.25))
    if kind == "ill":
        return with_singular_values(rng, m, n, np.geomspace(1, 1 / condition, q))
    return rng.standard_normal((m, n)) / np.sqrt(max(m, n))


@dataclass(frozen=True)
class Case:
    """Factors and what a test needs to know of them: dW in float64, and K = |scaling| ‖B‖‖A‖, the scale of rounding."""

    lowrank: LowRank
    dense: np.ndarray
    K: float

    def __repr__(self) -> str:
        p = self.lowrank
        return f"Case({p.B.shape} @ {p.A.shape}, {p.B.dtype}/{p.A.dtype}, scaling {p.scaling:.3g}, K {self.K:.3g})"


def case(lowrank: LowRank) -> Case:
    """A case around given factors."""
    B, A = lowrank.B.astype(np.float64), lowrank.A.astype(np.float64)
    norms = [np.linalg.norm(X, 2) if X.size else 0.0 for X in (B, A)]
    return Case(lowrank, lowrank.scaling * (B @ A), float(abs(lowrank.scaling) * norms[0] * norms[1]))


sizes = st.sampled_from([1, 2, 3, 5, 8, 17, 40])
shapes = st.one_of(
    st.tuples(sizes, sizes, sizes),
    st.sampled_from([(60, 4, 5), (5, 4, 60), (3, 9, 4), (30, 1, 20), (1, 1, 1), (6, 6, 6), (4, 20, 4)]),
)
empty_shapes = st.sampled_from([(0, 2, 3), (3, 2, 0), (3, 0, 4), (0, 0, 0), (0, 3, 0), (5, 0, 0)])
seeds = st.integers(0, 2**32 - 1)
scalings = st.sampled_from([1.0, 2.0, 0.5, -1.0, -0.3, 1 / 3, 1e-6, 1e6, -1e6])
dtypes = st.sampled_from([np.float64, np.float64, np.float32])
kinds = st.sampled_from(KINDS)


@st.composite
def cases(draw, shapes=shapes, kinds=kinds, dtypes=dtypes, scalings=scalings) -> Case:
    """Factors of all kinds, shapes and scales, the two factors drawn independently of each other."""
    m, r, d = draw(shapes)
    rng = np.random.default_rng(draw(seeds))
    condition = draw(st.sampled_from([1e2, 1e5, 1e8, 1e10]))
    B = factor(rng, m, r, draw(kinds), condition) * draw(st.sampled_from([1e-6, 1.0, 1e6]))
    A = factor(rng, r, d, draw(kinds), condition)
    return case(LowRank(B.astype(draw(dtypes)), A.astype(draw(dtypes)), draw(scalings)))


def planted(rng: np.random.Generator, m: int, d: int, beta: float, tau: float, values: np.ndarray):
    """(M, T, u, v): M = T + beta u vᵀ, T of spectral norm tau with a spectrum proportional to ``values``."""
    T = with_singular_values(rng, m, d, np.asarray(values, float) * (tau / np.max(values)))
    u, v = rotation(rng, m, 1)[:, 0], rotation(rng, d, 1)[:, 0]
    return T + beta * np.outer(u, v), T, u, v


def extremal(rng: np.random.Generator, m: int, d: int, beta: float, tau: float):
    """(M, T, u, v) with both sines equal to tau/ŝ₁ and ŝ₁ = beta: T = tau [[−s, q], [q, s]], s = tau/beta, rotated."""
    s = tau / beta
    q = np.sqrt(1 - s * s)
    left, right = rotation(rng, m, 2), rotation(rng, d, 2)
    T = left @ (tau * np.array([[-s, q], [q, s]])) @ right.T
    u, v = left[:, 0], right[:, 0]
    return T + beta * np.outer(u, v), T, u, v


def full_rank(M: np.ndarray) -> LowRank:
    """M as factors: B orthonormal, A = Bᵀ M."""
    Q = np.linalg.qr(M)[0]
    return LowRank(Q, Q.T @ M)


def update(lowrank: LowRank, layer: int | None = 0, side: str | None = "write", **fields) -> Update:
    """An update with a name that fits."""
    name = f"model.layers.{layer}.self_attn.{'o_proj' if side == 'write' else 'q_proj'}"
    return Update(name, layer, side, lowrank.shape, lowrank.rank, lowrank, **fields)


def problems(shape: tuple[int, int], count: int = 3) -> list[LinearProblem]:
    """Problems of one shape: dense directions, generic Sigma, Sigma_t and H of condition number up to 4."""
    rng, found = np.random.default_rng(0), []
    while len(found) < count:
        p = draw_problem(rng, sizes=(min(shape), max(shape)), metric=True, condition=4)
        found += [p] if p.shape == shape else []
    return found
