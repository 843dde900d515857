"""The update of a LoRA fine-tune, dW = scaling * B @ A, handled through its factors and never as a dense matrix."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from . import linalg
from .errors import InputError

EPS = float(np.finfo(np.float64).eps)
ROWS = 2048  # of a factor that are widened to float64 at once
UNDERFLOW = 1e-250  # squares that small have lost digits


@dataclass(frozen=True, eq=False)
class FactoredSVD:
    """Singular values and the leading singular vectors of a factored matrix.

    Attributes:
        S: (q,) every singular value that the factors allow, q = min(m, r, d), in descending order.
        U, Vh: (m, k) and (l, d), the leading left and right singular vectors; k = l where both were asked for.
        error: bound on the error of every entry of S, in the units of S.
        route: "gram" or "qr", the route that was taken.
    """

    U: Float[ndarray, "m k"]
    S: Float[ndarray, " q"]
    Vh: Float[ndarray, "l d"]
    error: float
    route: Literal["gram", "qr"]


@dataclass(frozen=True, eq=False)
class _Gram:
    """The Gram route: dW v_i = B @ left_i and u_iᵀ dW = right_i @ A; rounding moves every s_i² by at most ``moved``."""

    S: Float[ndarray, " q"]
    left: Float[ndarray, "r q"]
    right: Float[ndarray, "q r"]
    moved: float

    @property
    def error(self) -> float:
        """min(moved/s, √moved) for the smallest singular value: what any of them may be off by."""
        return float(self.moved / max(self.S[-1], np.sqrt(self.moved)))

    def serves(self, k: int, rtol: float) -> bool:
        """Whether all singular values and the leading k vectors are as good as ``rtol`` asks."""
        return bool(self.error <= rtol * self.S[0] and (k == 0 or self.moved <= rtol * self.S[0] * self.S[k - 1]))


@dataclass(frozen=True, eq=False)
class LowRank:
    """dW = scaling * B @ A with B (m, r), A (r, d): orientation (d_out, d_in), so that y = dW @ x.

    No method forms the m x d product. Decompositions, norms, inner products and sums are computed in float64 whatever
    the factors are stored in; ``@`` follows numpy's promotion of its operands.

    Args:
        B, A: real arrays of shapes (m, r) and (r, d). r may exceed min(m, d); any size may be 0.
        scaling: finite real number.

    Raises:
        InputError: if a factor is not a real 2-D array, if the inner sizes differ, or if scaling is not finite. Factors
            that hold NaN or Inf are refused when they are first decomposed.
    """

    B: Float[ndarray, "m r"]
    A: Float[ndarray, "r d"]
    scaling: float = 1.0

    def __post_init__(self) -> None:
        for name, factor in (("B", self.B), ("A", self.A)):
            if not isinstance(factor, np.ndarray) or factor.ndim != 2 or factor.dtype.kind != "f":
                got = f"{factor.dtype} of shape {factor.shape}" if isinstance(factor, ndarray) else type(factor)
                raise InputError(f"factor {name} must be a 2-D array of floats, got {got}")
        if self.B.shape[1] != self.A.shape[0]:
            raise InputError(
                f"factors do not fit: B is {self.B.shape}, A is {self.A.shape}; "
                "the columns of B must be as many as the rows of A (orientation is (d_out, r) and (r, d_in))"
            )
        if not np.isfinite(self.scaling):
            raise InputError(f"scaling must be a finite number, got {self.scaling}")

    @property
    def shape(self) -> tuple[int, int]:
        """(m, d) = (d_out, d_in)."""
        return self.B.shape[0], self.A.shape[1]

    @property
    def rank(self) -> int:
        """Number r of columns of B: an upper bound on the rank of dW, not the numerical rank."""
        return self.B.shape[1]

    @property
    def T(self) -> LowRank:
        """The transpose, without a copy."""
        return LowRank(self.A.T, self.B.T, self.scaling)

    def svd(
        self, k: int | None = None, *, rtol: float = 1e-10, vectors: Literal["both", "left", "right"] = "both"
    ) -> FactoredSVD:
        """Singular value decomposition from the factors: dW v_i = s_i u_i.

        Law ``factored-svd``: with B = Qb Rb and Aᵀ = Qa Ra, the singular values of scaling * Rb @ Raᵀ are those of
        dW, and Qb, Qa carry its singular vectors over. Proved here: Qb and Qa have orthonormal columns.

        Two routes compute the triangular core. *Gram*: with BᵀB = RᵀR (Cholesky), s_i² are the eigenvalues of
        scaling² R AAᵀ Rᵀ, one pass over the factors. Rounding moves each Gram matrix, and what Cholesky makes of it,
        by at most eta ~ eps * (its norm), hence by Weyl every s_i² by at most eta * K², K = ``|scaling|`` ‖B‖‖A‖, and
        s_i by at most min(eta K²/s_i, √eta K). *QR*: backward stable,
        error about eps * K. Gram is taken where its bound is within ``rtol * s_1`` for every singular value and its
        vectors are as good to ``rtol * s_1 / s_k``; QR otherwise, so ill-conditioned and rank-deficient factors
        are decomposed as well as the stored factors allow.

        Args:
            k: how many singular vectors to return, all of them by default; 0 for singular values alone.
            rtol: error allowed in a singular value, relative to the largest one.
            vectors: the side they are wanted of; the other comes back with 0 of them.

        Cost: O((m + d) r²) time, O((m + d)(r + k)) memory. Raises InputError for a negative k.
        """
        limit = min(*self.shape, self.rank)
        k = limit if k is None else k
        if k < 0:
            raise InputError(f"k must not be negative, got {k}")
        k = min(k, limit)
        if limit == 0:
            m, d = self.shape
            return FactoredSVD(np.zeros((m, 0)), np.zeros(0), np.zeros((0, d)), 0.0, "gram")
        gram = self._gram
        left, right = (k if vectors in ("both", side) else 0 for side in ("left", "right"))
        if gram is None or not gram.serves(k, rtol):
            return self._svd_qr(left, right)
        # dW v_i = s_i u_i = B @ left_i: divides by s_i only, never by a small eigenvalue.
        U, Vh = np.zeros((self.shape[0], 0)), np.zeros((0, self.shape[1]))
        if left:
            U = self.B.astype(np.float64, copy=False) @ (gram.left[:, :left] / gram.S[:left])
        if right:
            Vh = (gram.right[:right] / gram.S[:right, None]) @ self.A.astype(np.float64, copy=False)
        return FactoredSVD(U, gram.S, Vh, gram.error, "gram")

    def singular_values(self, *, rtol: float = 1e-10) -> Float[ndarray, " q"]:
        """All min(m, r, d) singular values of dW, descending. Law, routes, ``rtol`` and cost as of :meth:`svd`."""
        return self.svd(0, rtol=rtol).S

    @cached_property
    def factor_grams(self) -> Float[ndarray, "2 r r"]:
        """BᵀB and AAᵀ in float64. InputError where they are not finite. Cost O((m + d) r²), once."""
        with np.errstate(all="ignore"):
            grams = np.stack([_gram_of(self.B), _gram_of(self.A.T)])
        for name, gram in zip("BA", grams, strict=True):
            if not np.isfinite(gram).all():
                raise InputError(f"factor {name} holds NaN, Inf or values whose squares overflow; nothing to decompose")
        return grams

    def factor_spectra(self) -> tuple[Float[ndarray, " r"], Float[ndarray, " r"]]:
        """(singular values of B, eigenvalues of AAᵀ), both descending: what the noise floor is made of.

        They depend on the gauge: (BG, G⁻¹A) is the same update with other values. Cost O((m + d) r²).
        """
        lb, la = linalg.eigvalsh(self.factor_grams).clip(0)[:, ::-1]
        return np.sqrt(lb), la

    @cached_property
    def _gram(self) -> _Gram | None:
        """The Gram route, or None for a zero, underflowing or overflowing product."""
        return _gram_routes([self])[0]

    def _svd_qr(self, left: int, right: int) -> FactoredSVD:
        _ = self.factor_grams  # refuses factors that are not finite
        Qb, Rb = linalg.qr(self.B.astype(np.float64, copy=False))
        Qa, Ra = linalg.qr(self.A.T.astype(np.float64, copy=False))
        with np.errstate(over="ignore", invalid="ignore"):
            core = self.scaling * (Rb @ Ra.T)
        if not np.isfinite(core).all():
            raise InputError(
                f"scaling * B @ A overflows with scaling {self.scaling:.3g}, though the factors are finite; rescale"
            )
        x, S, yh = linalg.svd(core)
        S = S[: min(*self.shape, self.rank)]
        K = abs(float(self.scaling)) * linalg.spectral_norm(Rb) * linalg.spectral_norm(Ra)
        error = float((np.sqrt(max(self.shape)) + self.rank) * EPS * K)
        return FactoredSVD(Qb @ x[:, :left], S, yh[:right] @ Qa.T, error, "qr")

    def norm(self, ord: Literal["fro", 2] = "fro") -> float:
        """Frobenius ("fro") or spectral (2) norm of dW, InputError for another ``ord``. Cost O((m + d) r²)."""
        S = self.singular_values()
        if ord == "fro":
            return linalg.length(S)
        if ord == 2:
            return float(S[0]) if S.size else 0.0
        raise InputError(f'ord must be "fro" or 2, got {ord!r}')

    def inner(self, other: LowRank) -> float:
        """Frobenius inner product tr(dWᵀ dW'); InputError for unequal shapes. Cost O((m + d)(r + r')²)."""
        if self.shape != other.shape:
            raise InputError(f"inner product needs equal shapes, got {self.shape} and {other.shape}")
        a, b = self.svd(), other.svd()  # not from BᵀB': an ill-conditioned gauge would cancel all digits
        return float(np.sum((a.S[:, None] * (a.U.T @ b.U) * b.S) * (a.Vh @ b.Vh.T)))

    def __matmul__(self, x: Float[ndarray, "d *n"]) -> Float[ndarray, "m *n"]:
        """dW @ x for a vector or a (d, n) block. Cost O((m + d) r n)."""
        return self.scaling * (self.B @ (self.A @ x))

    def __rmatmul__(self, y: Float[ndarray, "*n m"]) -> Float[ndarray, "*n d"]:
        """y @ dW for a vector or an (n, m) block."""
        return self.scaling * ((y @ self.B) @ self.A)

    # numpy would otherwise try `ndarray @ LowRank` by itself, element by element
    __array_ufunc__ = None

    def __mul__(self, factor: float) -> LowRank:
        """factor * dW, without a copy of the factors."""
        return LowRank(self.B, self.A, self.scaling * float(factor))

    __rmul__ = __mul__

    def __neg__(self) -> LowRank:
        return self * -1.0

    def __add__(self, other: LowRank) -> LowRank:
        """dW + dW' with the factors side by side: rank r + r'. The sum of n terms is better made by :func:`add`."""
        return add([self, other]) if isinstance(other, LowRank) else NotImplemented

    def __sub__(self, other: LowRank) -> LowRank:
        return self + (-other)

    def left_factor(self, *, rtol: float = 1e-10) -> Float[ndarray, "m q"]:
        """W = U diag(S), so that W Wᵀ = dW dWᵀ: the d_in columns of dW folded into at most r.

        It is what is stacked when updates with different d_in are pooled on the write side;
        ``lowrank.T.left_factor()`` is its mirror image. Singular values as good as ``rtol`` asks. Cost O((m + d) r²).
        """
        mixing = self.left_mixing(rtol=rtol)
        if mixing is not None:
            return self.B.astype(np.float64, copy=False) @ mixing
        svd = self.svd(rtol=rtol)
        return svd.U * svd.S

    def left_mixing(self, *, rtol: float = 1e-10) -> Float[ndarray, "r q"] | None:
        """C with B @ C = U diag(S), or None where the factors are too ill-conditioned for that to be accurate."""
        gram = self._gram
        return gram.left if gram is not None and gram.serves(0, rtol) else None


def decompose(terms: Sequence[LowRank]) -> None:
    """Compute what the decompositions of these updates start from, those of one rank at once; each keeps its own.

    Call overhead is most of what LAPACK takes for matrices of size r: a stack of them is one call. Errors as in
    :meth:`LowRank.svd`. Cost O((m + d) r²) each.
    """
    ranks: dict[int, list[LowRank]] = {}
    for term in terms:
        if "_gram" not in vars(term):
            ranks.setdefault(term.rank, []).append(term)
    for same in ranks.values():
        for term, route in zip(same, _gram_routes(same), strict=True):
            vars(term)["_gram"] = route


def _gram_of(X: Float[ndarray, "m r"]) -> Float[ndarray, "r r"]:
    """XᵀX in float64, ROWS rows at a time: what is widened stays in the cache."""
    gram = np.zeros((X.shape[1],) * 2)
    for start in range(0, len(X), ROWS):
        rows = X[start : start + ROWS].astype(np.float64, copy=False)
        gram += rows.T @ rows
    return gram


def _gram_routes(terms: Sequence[LowRank]) -> list[_Gram | None]:
    """The Gram route of updates of one rank; None for a zero, underflowing or overflowing product.

    With BᵀB = RᵀR and R AAᵀ Rᵀ = x diag(lambda) xᵀ: s_i = |scaling| √lambda_i, u_iᵀ dW = scaling x_iᵀ R A, and
    dW v_i = scaling² B AAᵀ Rᵀ x_i/s_i. Computed with both Gram matrices over their traces.
    """
    routes: list[_Gram | None] = [None] * len(terms)
    grams = np.stack([term.factor_grams for term in terms])
    traces = np.trace(grams, axis1=2, axis2=3)
    usable = np.flatnonzero(traces.min(axis=1) >= UNDERFLOW) if grams.shape[-1] else []
    if not len(usable):
        return routes
    grams = grams[usable] / traces[usable, :, None, None]
    R, AA = linalg.gram_root(grams[:, 0]), grams[:, 1]
    lam, x = linalg.eigh(R @ AA @ R.transpose(0, 2, 1))
    root, mixed = np.sqrt(lam.clip(0)), x.transpose(0, 2, 1) @ R
    inverse = np.divide(1, root, where=root > 0, out=np.zeros_like(root))
    towards = AA @ mixed.transpose(0, 2, 1) * inverse[:, None, :]
    # descending from here on
    descending = (part[:, ::-1] for part in (root, towards.transpose(0, 2, 1), mixed))
    for n, N, S, left, right in zip(usable, _norm_bounds(grams), *descending, strict=True):
        term, (b, a) = terms[n], (float(t) ** 0.5 for t in traces[n])
        scaling, limit = float(term.scaling), min(*terms[n].shape, terms[n].rank)
        size = abs(scaling) * b * a  # plain floats overflow without a warning
        K = size * float(np.sqrt(N.prod()))
        if size * S[0] == 0 or not K * K < np.inf:
            continue
        # Rounding of a dot product of length n grows like √n; the eigendecomposition adds a multiple of r.
        eta = (np.sqrt(max(term.shape)) + term.rank) * EPS
        routes[n] = _Gram(
            size * S[:limit], abs(scaling) * a * left[:limit].T, scaling * b * right[:limit], float(eta) * (K * K)
        )
    return routes


def _norm_bounds(grams: Float[ndarray, "*n r r"]) -> Float[ndarray, "*n"]:
    """Upper bounds on the spectral norms of positive semidefinite matrices of trace 1, no more than r^(1/16) of them.

    λ_max <= (Σ λ_i^16)^(1/16), the Frobenius norm of the eighth power; ten times as quick as eigenvalues.
    """
    for _ in range(3):
        grams = grams @ grams
    return np.linalg.norm(grams, axis=(-2, -1)) ** 0.125


def add(terms: Sequence[LowRank]) -> LowRank:
    """Sum of updates of one shape (else InputError), of rank Σ r: [s₁B₁ … s_nB_n] [A₁; …; A_n]."""
    if not terms:
        raise InputError("add needs at least one update")
    if len({t.shape for t in terms}) > 1:
        raise InputError(f"add needs equal shapes, got {sorted({t.shape for t in terms})}")
    return LowRank(np.hstack([t.scaling * t.B.astype(np.float64) for t in terms]), np.vstack([t.A for t in terms]))


def hstack(terms: Sequence[LowRank]) -> LowRank:
    """[dW₁ … dW_n], for updates that write to the same space: B side by side, A block-diagonal.

    The block-diagonal factor holds (Σ r)(Σ d) numbers; for the left singular vectors alone, stack
    :meth:`LowRank.left_factor` instead, which needs m Σ r. ``hstack([t.T …]).T`` stacks downwards. Raises InputError
    for none, and for unequal numbers of rows.
    """
    if not terms:
        raise InputError("hstack needs at least one update")
    if len({t.shape[0] for t in terms}) > 1:
        raise InputError(f"hstack needs equal numbers of rows, got {[t.shape for t in terms]}")
    A = np.zeros((sum(t.rank for t in terms), sum(t.shape[1] for t in terms)))
    row = column = 0
    for t in terms:
        A[row : row + t.rank, column : column + t.shape[1]] = t.A
        row, column = row + t.rank, column + t.shape[1]
    return LowRank(np.hstack([t.scaling * t.B.astype(np.float64) for t in terms]), A)
