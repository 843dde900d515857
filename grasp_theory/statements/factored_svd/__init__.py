"""factored-svd (identity). The singular value decomposition of an update from its factors, without forming it.

Statement. dW = scaling * B A with B (m × r), A (r × d); B = Qb Rb, Aᵀ = Qa Ra (QR). The SVD x S yᵀ of the r × r core
scaling * Rb Raᵀ gives that of dW: the same singular values (min(m, r, d) of them, the others of dW are 0) and vectors
Qb x, Qa y, in O((m + d) r²); their squares add up to scaling² tr(BᵀB AAᵀ). From the Gram matrices: with RᵀR = BᵀB
(Cholesky, or the eigendecomposition where that finds a pivot below 0) the squares are the eigenvalues of scaling² R AAᵀ
Rᵀ. This is quicker, but its rounding errors are eps K²/s_i with K = |scaling| ‖B‖‖A‖, not eps K, so it is used only
where that bound is within tolerance and QR otherwise (``LowRank.svd``, whose own bound ``error`` is checked here).
*Cholesky alone* raises on rank-deficient factors (every fresh LoRA: B = 0) and loses half of the digits of others. The
result does not depend on the gauge: (B G, G⁻¹ A) gives the same S by QR, up to 2 eps · cond(G) · K: G⁻¹ A is as
inaccurate as that before anything is decomposed.

Assumes: G is invertible.

Proof (here). dW = Qb (scaling Rb Raᵀ) Qaᵀ with orthonormal columns of Qb, Qa. Nonzero eigenvalues of X Y and Y X agree:
those of dW dWᵀ = s² B (AAᵀ) Bᵀ are those of s² BᵀB AAᵀ = s² RᵀR AAᵀ, and of s² R AAᵀ Rᵀ.
Gauge: B G G⁻¹ A = B A. Solving for G⁻¹A is backward stable: (G + E) Y = A, ‖E‖ <= c eps ‖G‖, so
‖B G Y − B A‖ = ‖B E Y‖ <= c eps ‖B‖‖G‖‖G⁻¹‖‖A‖; the rounding of B G has the same bound; Weyl. ∎

Entries whose squares overflow are refused (the first thing computed are Gram matrices), as is an overflowing product.
Source: proved here; rounding errors as in Higham, Accuracy and Stability of Numerical Algorithms.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from jaxtyping import Float
from numpy import ndarray
from scipy.linalg import eigh

from ...lowrank import EPS, FactoredSVD, LowRank
from ..shared.draws import log_uniform, orthonormal, with_spectrum
from ..statement import Claim, Route, Sides, Statement


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
    def eta(self) -> float:
        """(√max(m, d) + r) eps K: rounding of one decomposition, a dot product's √n and a multiple of r."""
        return float((np.sqrt(max(self.dense.shape)) + self.B.shape[1]) * EPS * self.K)

    @cached_property
    def factored(self) -> FactoredSVD:
        """From the factors."""
        return LowRank(self.B, self.A, self.scaling).svd()

    @cached_property
    def cond(self) -> float:
        """cond(G), cut at 1e12."""
        return float(min(np.linalg.cond(self.G), 1e12))

    @cached_property
    def gauged(self) -> LowRank:
        """(B G, G⁻¹ A)."""
        inverse = np.linalg.solve(self.G, self.A) if self.cond < 1e12 else np.linalg.pinv(self.G, rcond=1e-10) @ self.A
        return LowRank(self.B @ self.G, inverse, self.scaling)


def draw(rng: np.random.Generator) -> Instance:
    """Generic factors; a fresh LoRA (B = 0); zero columns; condition up to 1e10, or B A cancelling; r > m."""
    m, d, r = (int(n) for n in rng.integers([1, 1, 1], [20, 20, 9]))
    B, A = rng.standard_normal((m, r)), rng.standard_normal((r, d))
    kind = rng.integers(5)
    if kind == 0 and rng.random() < 0.2:
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


def no_gauge(rng: np.random.Generator) -> Instance:
    """G of rank 1 for factors of rank 3: the product has lost two directions."""
    B, A, g = rng.standard_normal((7, 3)), rng.standard_normal((3, 6)), rng.standard_normal((3, 2))
    return Instance(B, A, 1.0, np.outer(g[:, 0], g[:, 1]), 1)


def _by_bisection(i: Instance) -> float:
    """The singular value as an eigenvalue of [[0, dW], [dWᵀ, 0]], by LAPACK's bisection on Sturm sequences."""
    m, d = len(i.B), i.A.shape[1]
    k = m + d - 1 - i.index
    if i.index >= min(m, d):
        return 0.0
    both = np.zeros((m + d, m + d))
    both[:m, m:] = i.scaling * (i.B @ i.A)
    return float(eigh(both + both.T, eigvals_only=True, subset_by_index=[k, k], driver="evx")[0])


def at(values: Float[ndarray, " q"], index: int) -> float:
    """The value at index; 0 beyond the end, which is what a matrix of that rank has there."""
    return float(values[index]) if index < len(values) else 0.0


BOUNDS = "the bound that comes with the decomposition, and (√max(m, d) + r) eps K for the dense one"


def slack(i: Instance, extra: float = 0.0) -> float:
    """The decomposition's own bound, the dense one's rounding, and ``extra``."""
    return i.factored.error + i.eta + extra + 1e-300


def dense_values(i: Instance) -> ndarray:
    return np.linalg.svd(i.dense, compute_uv=False)


def compare(values) -> Claim[Instance]:
    """values(instance), one of them, against the dense singular values."""
    return Claim("=", lambda i: Sides(at(values(i), i.index), at(dense_values(i), i.index), slack(i)), slack=BOUNDS)


def _error(i: Instance) -> Sides:
    """The largest error of any singular value; it may be the bound that comes with them, and rounding."""
    f = i.factored
    return Sides(float(np.abs(dense_values(i)[: len(f.S)] - f.S).max()), 0.0, slack(i))


def rebuilt(i: Instance, off: Float[ndarray, "m d"]) -> Sides:
    """A difference from dW in the Frobenius norm, where every value and vector adds its bound."""
    return Sides(float(np.linalg.norm(off)), 0.0, 1.5 * np.sqrt(len(i.factored.S)) * slack(i))


def _orthonormal(i: Instance) -> Sides:
    """Largest entry of UᵀU − I and Vh Vhᵀ − I: 2 error/s_q by the Gram route, which divides by s, rounding by QR."""
    f = i.factored
    off = max(float(np.abs(X.T @ X - np.eye(len(f.S))).max()) for X in (f.U, f.Vh.T))
    rounding = 2 * (np.sqrt(max(i.dense.shape)) + i.B.shape[1]) * EPS
    return Sides(off, 0.0, rounding + (2 * float(f.error / f.S[-1]) if f.route == "gram" else 0.0))


def _energy(i: Instance) -> Sides:
    """Σ s_i² against scaling² tr(BᵀB AAᵀ)."""
    return Sides.exact(np.sum(i.factored.S**2), i.scaling**2 * np.sum((i.B.T @ i.B) * (i.A @ i.A.T)), scale=i.K**2)


def gauge(power: float, i: Instance) -> Sides:
    """S of (B G, G⁻¹ A) by QR against S of (B, A): slack 2 eps · cond(G)^power · K."""
    S = i.gauged.svd(0, rtol=0).S
    return Sides(at(S, i.index), at(i.factored.S, i.index), slack(i, 2 * i.cond**power * EPS * i.K))


STATEMENT = Statement(
    key="factored-svd",
    kind="identity",
    law="SVD from the factors in O((m+d) r²) = dense SVD of scaling·BA; a gauge G moves it by eps·cond(G)·‖B‖‖A‖",
    basis="proved here",
    assumptions={"G is invertible": lambda i: i.cond < 1e12},
    draw=draw,
    always=frozenset({"sum of squares"}),
    claims={
        "values": compare(lambda i: i.factored.S),
        "vectors": Claim(
            "=",
            lambda i: rebuilt(i, (i.factored.U * i.factored.S) @ i.factored.Vh - i.dense),
            slack=f"1.5√q times {BOUNDS}",
        ),
        "orthonormal vectors": Claim("=", _orthonormal, slack="2 error/s_q by the Gram route, and rounding"),
        "sum of squares": Claim("=", _energy),
        "every value within the error bound": Claim("=", _error, slack=BOUNDS),
        "gauge": Claim("=", lambda i: gauge(1, i), slack=f"{BOUNDS}, and 2 eps cond(G) K"),
    },
    violators={"G is invertible": no_gauge},
    route=Route("values", _by_bisection, lambda i: 2 * i.eta + 1e-300),
)
