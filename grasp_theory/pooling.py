"""Leading singular triples of many updates stacked together, without a dense decomposition."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from .errors import InputError

DENSE_BELOW = 400  # a full SVD is as quick up to this size
OVERSAMPLING = 8
CHECK_EVERY = 4  # blocks between two looks at the residual


@dataclass(frozen=True, eq=False)
class LeadingSVD:
    """The leading left singular vectors U (m, k) and singular values S (k,) of a matrix.

    error : largest residual ‖WᵀWv − s²v‖/s among them: every entry of S has a true singular value within ``error``.
    """

    U: Float[ndarray, "m k"]
    S: Float[ndarray, " k"]
    error: float


def leading_svd(W: Float[ndarray, "m n"], k: int, *, rtol: float = 1e-6, max_blocks: int = 40) -> LeadingSVD:
    """Leading k left singular vectors and values of W by block Lanczos with full reorthogonalisation.

    Deterministic: the starting block is drawn from a fixed seed. Stops when every residual is below ``rtol * s_1``
    or after ``max_blocks`` blocks of k + 8 vectors; the residual reached is returned as ``error``. Products run in the
    precision of W (float32 for pooled adapters, whose rounding of about 1e-7 * s_1 is part of the residual).
    Below 400 rows or columns a dense SVD in float64 is used.

    Source: Golub, Luk and Overton 1981. Cost: about 4 m n (k + 8) flops a block, memory O(m (k + 8) blocks).
    """
    m, n = W.shape
    k = min(k, m, n)
    if k < 0:
        raise InputError(f"k must not be negative, got {k}")
    if min(m, n) <= max(DENSE_BELOW, 4 * (k + OVERSAMPLING)):
        U, S, _ = np.linalg.svd(W.astype(np.float64), full_matrices=False)
        return LeadingSVD(U[:, :k], S[:k], float(np.finfo(W.dtype).eps * (S[0] if S.size else 0.0)))
    width, dtype = k + OVERSAMPLING, W.dtype
    start = np.random.default_rng(0).standard_normal((n, width), dtype=np.float32)
    Q = np.zeros((m, 0))
    images = np.zeros((n, 0), dtype)  # Wᵀ Q, so that neither QᵀWWᵀQ nor the next block repeats a product
    block = W @ start.astype(dtype)
    while True:
        block = block.astype(np.float64)
        for _ in range(2):  # one sweep leaves a component of size eps * cond along Q; two are enough
            block -= Q @ (Q.T @ block)
        block = np.linalg.qr(block)[0]
        Q, images = np.hstack([Q, block]), np.hstack([images, W.T @ block.astype(dtype)])
        blocks = Q.shape[1] // width
        last = blocks >= max_blocks or Q.shape[1] + width > min(m, n)
        if last or blocks % CHECK_EVERY == 0:
            found = _rayleigh_ritz(W, Q, images, k)
            if last or found.error <= rtol * found.S[0]:
                return found
        block = W @ images[:, -width:]


def _rayleigh_ritz(W: ndarray, Q: ndarray, images: ndarray, k: int) -> LeadingSVD:
    """The best k triples of W within the span of Q, with the residual they leave."""
    lam, Y = np.linalg.eigh((images.T @ images).astype(np.float64))
    lam, Y = lam[::-1][:k].clip(0), Y[:, ::-1][:, :k]
    U, S = Q @ Y, np.sqrt(lam)
    residual = np.linalg.norm(W @ (images @ Y.astype(W.dtype)) - U * lam, axis=0)
    return LeadingSVD(U, S, float((residual / np.maximum(S, np.finfo(np.float64).tiny)).max()))
