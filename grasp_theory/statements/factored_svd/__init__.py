"""factored-svd (identity). The singular value decomposition of an update from its factors, without forming it.

Statement. dW = scaling * B A with B (m × r), A (r × d); B = Qb Rb, Aᵀ = Qa Ra (QR). The SVD x S yᵀ of the r × r core
scaling * Rb Raᵀ gives that of dW: the same singular values (min(m, r, d) of them, the others of dW are 0) and vectors
Qb x, Qa y, in O((m + d) r²). The core from the Gram matrices, (BᵀB)^½ (AAᵀ)^½, has the same singular values; it is
quicker, but its rounding errors are eps K²/s_i with K = |scaling| ‖B‖‖A‖, not eps K, so it is used only where that
bound is within tolerance and QR otherwise (``LowRank.svd``, whose own bound ``error`` is checked here). Gram with
*Cholesky* raises on rank-deficient factors (every fresh LoRA: B = 0) and loses half of the digits otherwise.
The result does not depend on the gauge: (B G, G⁻¹ A) gives the same S, up to eps · cond(G) · K, which is the rounding
of the products B G and G⁻¹ A themselves and not of the decomposition.

Assumes: squares of the entries do not overflow; G is invertible.

Proof (here). dW = Qb (scaling Rb Raᵀ) Qaᵀ with orthonormal columns of Qb, Qa. Nonzero eigenvalues of X Y and Y X agree:
those of dW dWᵀ = s² B (AAᵀ) Bᵀ are those of s² BᵀB AAᵀ, as are the squared singular values of s (BᵀB)^½ (AAᵀ)^½.
Gauge: B G G⁻¹ A = B A. Solving for G⁻¹A is backward stable: (G + E) Y = A, ‖E‖ <= c eps ‖G‖, so
‖B G Y − B A‖ = ‖B E Y‖ <= c eps ‖B‖‖G‖‖G⁻¹‖‖A‖; the rounding of B G has the same bound; Weyl. ∎

Assumed: squares of the entries do not overflow (the first thing computed are Gram matrices; else ``LowRank`` refuses).
Source: proved here; rounding errors as in Higham, Accuracy and Stability of Numerical Algorithms.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from ...errors import InputError
from ...lowrank import EPS, FactoredSVD, LowRank
from ..shared.draws import log_uniform, orthonormal, with_spectrum
from ..statement import Claim, Sides, Statement


@dataclass(frozen=True, eq=False)
class Instance:
    """Factors, a gauge, and the singular value (``index``, 0 beyond those that the factors allow) to compare."""

    B: Float[ndarray, "m r"]
    A: Float[ndarray, "r d"]
    scaling: float
    G: Float[ndarray, "r r"]
    index: int

    @cached_property
    def dense(self) -> Float[ndarray, "m d"]:
        """dW, formed."""
        return self.scaling * (self.B @ self.A)

    @cached_property
    def K(self) -> float:
        """|scaling| ‖B‖‖A‖, the scale of rounding errors."""
        return float(abs(self.scaling) * np.linalg.norm(self.B, 2) * np.linalg.norm(self.A, 2))

    @property
    def n(self) -> int:
        """Sum of the sizes: rounding errors grow with it at most."""
        return sum(self.dense.shape) + self.B.shape[1]

    @cached_property
    def factored(self) -> FactoredSVD:
        """From the factors; NaN where they are refused."""
        try:
            return LowRank(self.B, self.A, self.scaling).svd()
        except InputError:
            (m, d), q = self.dense.shape, min(*self.dense.shape, self.B.shape[1])
            return FactoredSVD(np.full((m, q), np.nan), np.full(q, np.nan), np.full((q, d), np.nan), np.nan, "qr")

    @cached_property
    def cond(self) -> float:
        """cond(G), cut at 1e12."""
        return float(min(np.linalg.cond(self.G), 1e12))

    @cached_property
    def gauged(self) -> LowRank:
        """(B G, G⁻¹ A)."""
        inverse = np.linalg.solve(self.G, self.A) if self.cond < 1e12 else np.linalg.pinv(self.G) @ self.A
        return LowRank(self.B @ self.G, inverse, self.scaling)


def draw(rng: np.random.Generator) -> Instance:
    """Generic factors; a fresh LoRA (B = 0); zero columns; condition up to 1e10, or B A cancelling; r > m."""
    m, d, r = (int(n) for n in rng.integers([1, 1, 1], [20, 20, 9]))
    B, A = rng.standard_normal((m, r)), rng.standard_normal((r, d))
    kind = rng.integers(5)
    if kind == 0:
        B *= 0.0
    elif kind == 1:
        B[:, rng.integers(r)] = 0.0
    elif kind == 2:  # singular values from 1 down to 1/cond, in rotated bases
        values = np.logspace(0, -rng.uniform(2, 10), min(m, r))
        B = with_spectrum(rng, m, r, values)
        A = np.linalg.pinv(B + 1e-3 * B.std()) @ rng.standard_normal((m, d)) if rng.random() < 0.5 else A
    Q = orthonormal(rng, r, r)
    G = Q * np.logspace(0, rng.uniform(0, 8), r) @ orthonormal(rng, r, r).T
    size = log_uniform(rng, 1e-3, 1e3)
    return Instance(size * B, A, rng.choice([1.0, -2.0, 0.25]) * log_uniform(rng, 0.1, 10), G, int(rng.integers(r)))


def overflowing(rng: np.random.Generator) -> Instance:
    """Entries of 1e160: the dense product is finite, their squares are not."""
    i = Instance(rng.standard_normal((5, 2)), rng.standard_normal((2, 4)), 1.0, np.eye(2), 0)
    return replace(i, B=1e160 * i.B, A=1e-160 * i.A)


def no_gauge(rng: np.random.Generator) -> Instance:
    """G of rank 1 for factors of rank 3: the product has lost two directions."""
    B, A, g = rng.standard_normal((7, 3)), rng.standard_normal((3, 6)), rng.standard_normal((3, 2))
    return Instance(B, A, 1.0, np.outer(g[:, 0], g[:, 1]), 0)


def route(i: Instance) -> Sides:
    """S from the factors against the positive eigenvalues of [[0, dW], [dWᵀ, 0]]."""
    m, d = i.dense.shape
    both = np.zeros((m + d, m + d))
    both[:m, m:], both[m:, :m] = i.dense, i.dense.T
    return Sides(at(i.factored.S, i.index), at(np.linalg.eigvalsh(both)[::-1][: min(m, d)], i.index), slack(i))


def at(values: Float[ndarray, " q"], index: int) -> float:
    """The value at index; 0 beyond the end, which is what a matrix of that rank has there."""
    return float(values[index]) if index < len(values) else 0.0


def slack(i: Instance, extra: float = 0.0) -> float:
    """The decomposition's own bound, the dense one's rounding, and ``extra`` in the same units."""
    return i.factored.error + extra + 4 * i.n * EPS * i.K + 1e-300


def dense_values(i: Instance) -> ndarray:
    return np.linalg.svd(i.dense, compute_uv=False)


def compare(values) -> Claim[Instance]:
    """values(instance), one of them, against the dense singular values."""
    return Claim("=", lambda i: Sides(at(values(i), i.index), at(dense_values(i), i.index), slack(i)))


def _error(i: Instance) -> Sides:
    """The largest error of any singular value; it may be the bound that comes with them, and rounding."""
    f = i.factored
    return Sides(float(np.abs(dense_values(i)[: len(f.S)] - f.S).max()), 0.0, slack(i))


def _rebuilt(i: Instance) -> Sides:
    """‖U S Vh − dW‖_F in units of K."""
    f = i.factored
    return Sides(float(np.linalg.norm((f.U * f.S) @ f.Vh - i.dense)) / max(i.K, 1e-300), 0.0, 1e-9)


def _orthonormal(i: Instance) -> Sides:
    """Largest entry of UᵀU − I and Vh Vhᵀ − I. The Gram route promises 1e-10 s₁/s_q, QR rounding."""
    f = i.factored
    off = max(float(np.abs(X.T @ X - np.eye(len(f.S))).max()) for X in (f.U, f.Vh.T))
    return Sides(off, 0.0, 1e-10 * float(f.S[0] / f.S[-1]) if f.route == "gram" else 1e-12)


def gauge(power: float, i: Instance) -> Sides:
    """S of (B G, G⁻¹ A) against S of (B, A): slack eps · cond(G)^power · K."""
    S = i.gauged.svd(0)
    return Sides(at(S.S, i.index), at(i.factored.S, i.index), slack(i, 4 * i.n * EPS * i.cond**power * i.K))


STATEMENT = Statement(
    key="factored-svd",
    kind="identity",
    law="SVD from the factors in O((m+d) r²) = dense SVD of scaling·BA; a gauge G moves it by eps·cond(G)·‖B‖‖A‖",
    basis="proved here",
    assumptions={
        "squares of the entries do not overflow": lambda i: bool(max(np.abs(i.B).max(), np.abs(i.A).max()) < 1e150),
        "G is invertible": lambda i: i.cond < 1e12,
    },
    draw=draw,
    claims={
        "values": compare(lambda i: i.factored.S),
        "vectors": Claim("=", _rebuilt),
        "orthonormal vectors": Claim("=", _orthonormal),
        "every value within the error bound": Claim("=", _error),
        "gauge": Claim("=", lambda i: gauge(1, i)),
    },
    violators={"squares of the entries do not overflow": overflowing, "G is invertible": no_gauge},
    route=route,
)
