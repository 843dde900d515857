"""The one place that calls LAPACK: a driver that gives up on a finite matrix is followed by another one.

The signatures are those of ``numpy.linalg``, for stacks of matrices too. Every function raises InputError for NaN or
Inf, which LAPACK may answer with NaN, an error or an endless loop, and GraspError where every driver gave up.

Source: the divide and conquer of ``gesdd`` and ``syevd`` fails on some finite matrices where the QR iterations of
``gesvd`` and ``syev`` converge (https://github.com/numpy/numpy/issues/12941).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from .errors import GraspError, InputError

LinAlgError = np.linalg.LinAlgError


def svd(X: Any, full_matrices: bool = True) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(U, S, Vh), by gesdd, else gesvd. Cost O(m n min(m, n))."""
    X = _finite("svd", X)
    return _first(
        "svd",
        X,
        lambda: np.linalg.svd(X, full_matrices=full_matrices),
        lambda: _stack(lambda M: _gesvd(M, full_matrices=full_matrices), X),
    )


def svdvals(X: Any) -> np.ndarray:
    """The singular values, descending, by gesdd, else gesvd."""
    X = _finite("svdvals", X)
    return _first(
        "svdvals",
        X,
        lambda: np.linalg.svd(X, compute_uv=False),
        lambda: _stack(lambda M: (_gesvd(M, compute_uv=False),), X)[0],
    )


def eigh(X: Any) -> tuple[np.ndarray, np.ndarray]:
    """(eigenvalues, ascending; eigenvectors) of symmetric X, by syevd, else syev, else the SVD of X + ‖X‖ I."""
    X = _finite("eigh", X)
    return _first("eigh", X, lambda: np.linalg.eigh(X), lambda: _stack(_syev, X), lambda: _shifted(X))


def eigvalsh(X: Any) -> np.ndarray:
    """The eigenvalues of symmetric X, ascending, as in :func:`eigh`."""
    X = _finite("eigvalsh", X)
    return _first("eigvalsh", X, lambda: np.linalg.eigvalsh(X), lambda: eigh(X)[0])


def gram_root(X: Any) -> np.ndarray:
    """R with RᵀR = X, X symmetric positive semidefinite to rounding: upper triangular by potrf, else by :func:`eigh`.

    Either is backward stable, ‖RᵀR − X‖ = O(n eps ‖X‖) (Higham 2002, theorem 10.3). X that is singular to rounding, of
    which Cholesky's method may find a pivot below 0, takes the second route, with all others of its stack.
    """
    X = _finite("gram_root", X)
    return _first("gram_root", X, lambda: np.swapaxes(np.linalg.cholesky(X), -1, -2), lambda: _root_by_eigh(X))


def top_eigenvector(X: np.ndarray) -> np.ndarray:
    """Of symmetric X, by syevr for this one alone, else :func:`eigh`."""
    X = _finite("top_eigenvector", X)
    return _first("top_eigenvector", X, lambda: _syevr_top(X), lambda: eigh(X)[1][:, -1])


def is_definite(X: Any) -> bool:
    """Whether symmetric X is positive definite, by Cholesky's method: less than half the time of the eigenvalues."""
    try:
        np.linalg.cholesky(_finite("is_definite", X))
    except LinAlgError:
        return False
    return True


def qr(X: Any, mode: Any = "reduced") -> Any:
    """Q, R (R alone for mode "r"). Householder reflections always end; kept here for the check of the input."""
    X = _finite("qr", X)
    return _first("qr", X, lambda: np.linalg.qr(X, mode=mode))


def pinv(X: Any, rcond: float = 1e-12, hermitian: bool = False) -> np.ndarray:
    """The pseudoinverse: singular values up to rcond * s_1 count as zero, by default what rounding may leave of one."""
    X = _finite("pinv", X)
    return _first("pinv", X, lambda: np.linalg.pinv(X, rcond, hermitian=hermitian), lambda: _pinv_by_svd(X, rcond))


def lstsq(X: Any, Y: Any, *, rcond: float) -> np.ndarray:
    """The least-squares solution of X Z = Y of smallest norm, by gelsd, else by the SVD."""
    X, Y = _finite("lstsq", X), _finite("lstsq", Y)
    return _first("lstsq", X, lambda: np.linalg.lstsq(X, Y, rcond=rcond)[0], lambda: pinv(X, rcond) @ Y)


def solve(X: Any, Y: Any) -> np.ndarray:
    """The solution of X Z = Y. GraspError for a singular X."""
    X, Y = _finite("solve", X), _finite("solve", Y)
    return _first("solve", X, lambda: np.linalg.solve(X, Y))


def inv(X: Any) -> np.ndarray:
    """The inverse. GraspError for a singular X."""
    X = _finite("inv", X)
    return _first("inv", X, lambda: np.linalg.inv(X))


def spectral_norm(X: Any) -> Any:
    """The largest singular value, one a matrix; 0 for an empty one."""
    found = svdvals(X).max(-1, initial=0.0)
    return float(found) if found.ndim == 0 else found


def length(X: Any) -> float:
    """‖X‖_F of a vector or matrix, without the squares of very large or small entries that over- or underflow."""
    size = float(np.abs(X).max(initial=0.0))
    return size * float(np.linalg.norm(np.asarray(X) / size)) if 0 < size < np.inf else size


def subspace_angles(P: np.ndarray, Q: np.ndarray) -> np.ndarray:
    """Principal angles between orthonormal columns, descending: sines where cosines lose half the digits.

    Source: Knyazev and Argentati 2002.
    """
    if P.shape[1] < Q.shape[1]:
        P, Q = Q, P
    inside = P.T @ Q
    cosines = svdvals(inside)[::-1].clip(0, 1)
    sines = svdvals(Q - P @ inside).clip(0, 1)
    return np.where(cosines**2 >= 0.5, np.arcsin(sines), np.arccos(cosines))


def not_finite(name: str, shape: tuple[int, ...]) -> InputError:
    """The refusal of a matrix of this shape."""
    return InputError(f"{name}: the matrix of shape {shape} holds NaN or Inf; look for what produced them")


def _finite(name: str, X: Any) -> np.ndarray:
    X = np.asarray(X)
    if not np.isfinite(X).all():
        raise not_finite(name, X.shape)
    return X


def _first(name: str, X: np.ndarray, *routes: Callable[[], Any]) -> Any:
    """What the first route that does not give up finds."""
    reason: Exception | None = None
    for route in routes:
        try:
            return route()
        except LinAlgError as error:
            reason = error
    raise GraspError(
        f"{name} of a matrix of shape {X.shape} and Frobenius norm {length(X):.3g} failed in LAPACK ({reason}); "
        "rescale it, or try another build of numpy and scipy"
    ) from reason


# Functions of their own, not nested ones: under the tests' contracts each definition is checked when it is executed.


def _gesvd(M: np.ndarray, **options: Any) -> Any:
    from scipy.linalg import svd

    return svd(M, lapack_driver="gesvd", check_finite=False, **options)


def _syev(M: np.ndarray) -> Any:
    from scipy.linalg import eigh

    return eigh(M, driver="ev", check_finite=False)


def _syevr_top(X: np.ndarray) -> np.ndarray:
    from scipy.linalg.lapack import dsyevr  # pyright: ignore[reportAttributeAccessIssue]

    n = len(X)
    _, vectors, _, _, failed = dsyevr(X.T, range="I", il=n, iu=n, lower=1)
    if failed:
        raise LinAlgError(f"dsyevr failed ({failed})")
    return vectors[:, 0]


def _root_by_eigh(X: np.ndarray) -> np.ndarray:
    values, vectors = eigh(X)
    return np.sqrt(values.clip(0))[..., :, None] * np.swapaxes(vectors, -1, -2)


def _pinv_by_svd(X: np.ndarray, rcond: float) -> np.ndarray:
    U, S, Vh = svd(X, full_matrices=False)
    keep = S > rcond * S.max(-1, keepdims=True, initial=0.0)
    inverse = np.where(keep, 1 / np.where(keep, S, 1.0), 0.0)
    return np.swapaxes(Vh, -1, -2) @ (inverse[..., None] * np.swapaxes(U, -1, -2))


def _stack(one: Callable[[np.ndarray], Any], X: np.ndarray) -> tuple[np.ndarray, ...]:
    """scipy's drivers take one matrix at a time in older versions."""
    if X.ndim == 2:
        return tuple(one(X))
    found = [_stack(one, M) for M in X]
    return tuple(np.stack(part) for part in zip(*found, strict=True))


def _shifted(X: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """X + c I is positive semidefinite for c = ‖X‖_F, and its singular vectors are the eigenvectors of X."""
    X = (np.tril(X) + np.swapaxes(np.tril(X, -1), -1, -2)) if X.size else X  # numpy reads the lower triangle
    shift = np.linalg.norm(X, axis=(-2, -1), keepdims=True)
    U, S, _ = svd(X + shift * np.eye(X.shape[-1]))
    return S[..., ::-1] - shift[..., 0], U[..., ::-1]
