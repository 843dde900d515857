"""Leading singular triples of many updates stacked together, without a dense decomposition."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from .errors import InputError

DENSE_BELOW = 400  # a full SVD is as quick up to this size
OVERSAMPLING = 8
CHECK_EVERY = 4  # steps between two looks at the residual


@dataclass(frozen=True, eq=False)
class LeadingSVD:
    """The leading left singular vectors U (m, k) and singular values S (k,) of a matrix.

    error : every entry of S has a singular value of the matrix within ``error``: the largest of min(√rho, rho/s) over
        the residuals rho = ‖WWᵀu − s²u‖.
    """

    U: Float[ndarray, "m k"]
    S: Float[ndarray, " k"]
    error: float


def leading_svd(
    blocks: Iterable[Float[ndarray, "m _"]], k: int, *, rtol: float = 1e-6, max_steps: int = 40
) -> LeadingSVD:
    """Leading k left singular vectors and values of W = [W_1 … W_L] by block Lanczos with full reorthogonalisation.

    Deterministic: the start is drawn from a fixed seed. Stops when every residual is below ``rtol * s_1`` or after
    ``max_steps`` steps of k + 8 vectors; the residual reached is returned as ``error``. Products run in the precision
    of the blocks (float32 for pooled adapters, whose rounding of about 1e-7 * s_1² / s_k is part of the residual).
    Below 400 rows or columns a dense SVD in float64 is used. Otherwise W is never put together: a step iterates over
    ``blocks`` once, and blocks that are loaded while being iterated over need no more memory than one of them.

    Source: Golub, Luk and Overton 1981. Cost: 4 m n (k + 8) flops a step; memory O(m (k + 8) steps).
    """
    if iter(blocks) is blocks:
        raise InputError("blocks are iterated over several times: pass a list or an object that can start again")
    m, sizes, dtype = _shape(blocks)
    if k < 0:
        raise InputError(f"k must not be negative, got {k}")
    k = min(k, m, sum(sizes))
    width = k + OVERSAMPLING
    if k == 0:
        return LeadingSVD(np.zeros((m, 0)), np.zeros(0), 0.0)
    if min(m, sum(sizes)) <= max(DENSE_BELOW, 4 * width):
        U, S, _ = np.linalg.svd(np.hstack(list(blocks)).astype(np.float64), full_matrices=False)
        return LeadingSVD(U[:, :k], S[:k], float(np.finfo(dtype).eps * (S[0] if S.size else 0.0)))
    image = np.random.default_rng(0).standard_normal((m, width)).astype(dtype)
    Q, images = np.zeros((m, 0), dtype), np.zeros((m, 0), dtype)  # images = W Wᵀ Q: no product is made twice
    for step in range(1, max_steps + 1):
        block = _new_directions(image, Q)
        image = np.zeros_like(block)
        for W in blocks:
            image += W @ (W.T @ block)
        Q, images = np.hstack([Q, block]), np.hstack([images, image])
        # An exhausted or full space holds all that W has; no further step could add to it.
        last = step == max_steps or block.shape[1] < width or Q.shape[1] + width > min(m, sum(sizes))
        if last or step % CHECK_EVERY == 0:
            found = _rayleigh_ritz(Q, images, k)
            if last or found.error <= rtol * found.S[0]:
                return found
    raise AssertionError("unreachable: the last step returns")


def _new_directions(image: Float[ndarray, "m w"], Q: Float[ndarray, "m n"]) -> Float[ndarray, "m _"]:
    """An orthonormal basis of what the image adds to the span of Q.

    Columns that are rounding beside the image are dropped: normalised, they would point back into the span of Q.
    """
    size = np.linalg.norm(image)
    for _ in range(2):  # one sweep leaves a component of size eps * size along Q; two are enough
        image = image - Q @ (Q.T @ image)
    U, S, _ = np.linalg.svd(image.astype(np.float64), full_matrices=False)
    U = U[:, S > 100 * np.finfo(image.dtype).eps * size]
    U = U - Q @ (Q.T @ U)
    return np.linalg.qr(U)[0].astype(image.dtype)


def _shape(blocks: Iterable[ndarray]) -> tuple[int, list[int], np.dtype]:
    """(rows, columns of every block, dtype of a product)."""
    shapes, dtypes = [], set()
    for W in blocks:
        if not np.isfinite(W).all():
            raise InputError(f"a block of shape {W.shape} holds NaN or Inf")
        shapes.append(W.shape)
        dtypes.add(W.dtype)
    if not shapes or len({rows for rows, _ in shapes}) > 1:
        raise InputError(f"needs blocks with one number of rows, got shapes {shapes}")
    return shapes[0][0], [columns for _, columns in shapes], np.result_type(*dtypes)


def _rayleigh_ritz(Q: ndarray, images: ndarray, k: int) -> LeadingSVD:
    """The best k triples of W within the span of Q, with the residual they leave; images = W Wᵀ Q."""
    projected = (Q.T @ images).astype(np.float64)
    lam, Y = np.linalg.eigh(0.5 * (projected + projected.T))
    lam, Y = lam[::-1][:k].clip(0), Y[:, ::-1][:, :k]
    U, S = Q @ Y, np.sqrt(lam)
    residual = np.linalg.norm(images @ Y - U * lam, axis=0)
    # An eigenvalue of W Wᵀ lies within the residual of lam; its root within the smaller of these of √lam.
    error = np.minimum(np.sqrt(residual), residual / np.maximum(S, np.finfo(np.float64).tiny))
    return LeadingSVD(U, S, float(error.max(initial=0.0)))
