"""Subspaces held by an orthonormal basis; the d x d projector is never formed."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from .errors import InputError


def fix_sign(X: Float[ndarray, "d k"]) -> Float[ndarray, "d k"]:
    """Columns of X with the sign that makes their entry of largest modulus positive (the first one, if several tie).

    A singular vector is defined up to its sign; this rule makes a saved direction reproducible.
    """
    largest = np.take_along_axis(X, np.abs(X).argmax(axis=0)[None, :], axis=0)
    return X * np.where(largest < 0, -1.0, 1.0)


@dataclass(frozen=True, eq=False)
class Subspace:
    """A k-dimensional subspace of R^d, given by an orthonormal basis Q (d, k) in float64.

    Raises
    ------
    InputError : unless QᵀQ = I to 1e-8 (float32 directions from a file pass after :meth:`span`).
    """

    basis: Float[ndarray, "d k"]

    def __post_init__(self) -> None:
        Q = self.basis
        if not isinstance(Q, np.ndarray) or Q.ndim != 2 or Q.dtype != np.float64:
            raise InputError(f"a subspace needs a 2-D float64 basis, got {type(Q).__name__}; use Subspace.span(X)")
        if not np.allclose(Q.T @ Q, np.eye(Q.shape[1]), rtol=0, atol=1e-8):
            raise InputError(f"the columns of the {Q.shape} basis are not orthonormal; use Subspace.span(X)")

    @classmethod
    def span(cls, X: Float[ndarray, "d *k"], *, rtol: float | None = None) -> Subspace:
        """Span of the columns of X (or of one vector), by SVD: numerically dependent columns are dropped.

        Parameters
        ----------
        X : (d, k) or (d,), finite.
        rtol : singular values up to rtol * s_1 count as zero; default max(d, k) * eps of X's own dtype, as in
            ``numpy.linalg.matrix_rank``. Cost O(d k²).
        """
        X = np.asarray(X)
        if X.ndim == 1:
            X = X[:, None]
        if X.ndim != 2 or X.dtype.kind not in "fiu":
            raise InputError(f"a subspace is spanned by the columns of a real array, got {X.dtype} of shape {X.shape}")
        eps = np.finfo(X.dtype).eps if X.dtype.kind == "f" else np.finfo(np.float64).eps
        X = X.astype(np.float64)
        if not np.isfinite(X).all():
            raise InputError("a spanning vector holds NaN or Inf")
        if X.shape[1] == 0:
            return cls(X)
        # Equal lengths first: a direction's strength says nothing about whether it is independent.
        X = X / np.maximum(np.abs(X).max(axis=0, initial=0.0), np.finfo(np.float64).tiny)
        lengths = np.linalg.norm(X, axis=0)
        X = X[:, lengths > 0] / lengths[lengths > 0]
        if X.shape[1] == 0:
            return cls(X)
        U, S, _ = np.linalg.svd(X, full_matrices=False)
        keep = S > (max(X.shape) * eps if rtol is None else rtol) * S[0]
        if keep.all():
            # Keep the directions themselves where they are independent: QR leaves orthonormal columns in place.
            Q, R = np.linalg.qr(X)
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

        ``scipy.linalg.subspace_angles`` (Knyazev and Argentati 2002), which takes sines where cosines lose half the
        digits. Empty if either subspace is {0}.
        """
        self._check(other.basis)
        if not self.dimension or not other.dimension:
            return np.zeros(0)
        from scipy.linalg import subspace_angles

        return subspace_angles(self.basis, other.basis)
