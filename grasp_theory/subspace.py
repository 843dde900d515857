"""Subspaces held by an orthonormal basis; the d x d projector is never formed."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from . import linalg
from .errors import InputError
from .rank import FORMATS, rounding, threshold


def fix_sign(X: Float[ndarray, "d k"]) -> Float[ndarray, "d k"]:
    """Columns of X with the sign that makes their entry of largest modulus positive (the first one, if several tie).

    A singular vector is defined up to its sign; this rule makes a saved direction reproducible.
    """
    largest = np.take_along_axis(X, np.abs(X).argmax(axis=0)[None, :], axis=0)
    return X * np.where(largest < 0, -1.0, 1.0)


@dataclass(frozen=True, eq=False)
class Subspace:
    """A k-dimensional subspace of R^d. The d x d projector is never formed.

    Args:
        basis: (d, k), orthonormal columns in float64. :meth:`span` makes one of any columns.

    Raises:
        InputError: unless QᵀQ = I to 1e-8.
    """

    basis: Float[ndarray, "d k"]

    def __post_init__(self) -> None:
        Q = self.basis
        if not isinstance(Q, np.ndarray) or Q.ndim != 2 or Q.dtype != np.float64:
            raise InputError(f"a subspace needs a 2-D float64 basis, got {type(Q).__name__}; use Subspace.span(X)")
        if not np.allclose(Q.T @ Q, np.eye(Q.shape[1]), rtol=0, atol=1e-8):
            raise InputError(f"the columns of the {Q.shape} basis are not orthonormal; use Subspace.span(X)")

    @classmethod
    def span(cls, X: Float[ndarray, "d *k"], *, rtol: float | None = None, stored: str | None = None) -> Subspace:
        """Span of the columns of X (or of one vector), by SVD: numerically dependent columns are dropped.

        Args:
            X: (d, k) or (d,), finite.
            rtol: singular values up to rtol * s_1, of the columns at length 1, count as zero; by default those up to
                what the rounding of X to its own type can make of dependent columns (:mod:`grasp_theory.rank`).
            stored: name of the type that the numbers came in, if X holds them in a wider one, such as "bfloat16".

        Cost O(d k²). Raises InputError for what is no real array, and for NaN or Inf.
        """
        try:
            X = np.asarray(X)
        except ValueError as error:
            raise InputError(f"a subspace is spanned by the columns of a real array: {error}") from error
        if X.ndim == 1:
            X = X[:, None]
        kind = X.dtype.name if stored is None else stored
        if X.ndim != 2 or (X.dtype.kind not in "fiu" and kind not in FORMATS):
            raise InputError(f"a subspace is spanned by the columns of a real array, got {X.dtype} of shape {X.shape}")
        X = X.astype(np.float64)
        if not np.isfinite(X).all():
            raise InputError("a spanning vector holds NaN or Inf")
        X = X[:, X.any(axis=0)]
        if X.shape[1] == 0:
            return cls(X)
        # Equal lengths first: a direction's strength says nothing about whether it is independent.
        noise = rounding(X, kind)
        X = np.ldexp(X, -np.frexp(np.abs(X).max(axis=0))[1])  # exact, where a division by a denormal would overflow
        X = X / np.linalg.norm(X, axis=0)
        U, S, _ = linalg.svd(X, full_matrices=False)
        keep = S > (threshold(S, X.shape, noise) if rtol is None else rtol * S[0])
        if keep.all():
            # Keep the directions themselves where they are independent: QR leaves orthonormal columns in place.
            Q, R = linalg.qr(X)
            return cls(Q * np.where(np.diag(R) < 0, -1.0, 1.0))
        return cls(fix_sign(U[:, keep]))

    @property
    def ambient(self) -> int:
        """Dimension d of the space it lies in."""
        return self.basis.shape[0]

    @property
    def dimension(self) -> int:
        """Dimension k of the subspace."""
        return self.basis.shape[1]

    def _check(self, x: Float[ndarray, "d *n"]) -> None:
        if x.shape[0] != self.ambient:
            raise InputError(f"the subspace lies in R^{self.ambient}, got an array of shape {x.shape}")

    def project(self, x: Float[ndarray, "d *n"]) -> Float[ndarray, "d *n"]:
        """Q Qᵀ x, for a vector or a (d, n) block. Cost O(d k n)."""
        self._check(x)
        return self.basis @ (self.basis.T @ x)

    def reject(self, x: Float[ndarray, "d *n"]) -> Float[ndarray, "d *n"]:
        """(I − Q Qᵀ) x: what is left outside the subspace."""
        return x - self.project(x)

    def union(self, other: Subspace) -> Subspace:
        """The span of both."""
        self._check(other.basis)
        return Subspace.span(np.hstack([self.basis, other.basis]), rtol=1e-8)

    def angles(self, other: Subspace) -> Float[ndarray, " q"]:
        """Principal angles in radians, descending, q = min(k, k'); accurate for small angles too.

        From sines where cosines lose half the digits (Knyazev and Argentati 2002). Empty if either subspace is {0}.
        """
        self._check(other.basis)
        if not self.dimension or not other.dimension:
            return np.zeros(0)
        return linalg.subspace_angles(self.basis, other.basis)
