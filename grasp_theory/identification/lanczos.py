"""Leading singular triples of many updates stacked together, without a dense decomposition."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from .. import linalg
from ..errors import InputError

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
    ``max_steps`` steps of k + 8 vectors; the residual reached is returned as ``error``. Products are in float64,
    whatever the blocks are stored in: they square the singular values, and float32 would lose what lies 300 times
    below the first. Below 400 rows or columns a dense SVD is used. Otherwise W is never put together: a step iterates
    over ``blocks`` once, and blocks that are loaded while being iterated over need no more memory than one of them.

    Source: Golub, Luk and Overton 1981. Cost: 4 m n (k + 8) flops a step; memory O(m (k + 8) steps).
    """
    if iter(blocks) is blocks:
        raise InputError("blocks are iterated over several times: pass a list or an object that can start again")
    m, sizes = _shape(blocks)
    if k < 0 or max_steps < 1:
        raise InputError(f"needs k >= 0 and max_steps >= 1, got {k} and {max_steps}")
    k = min(k, m, sum(sizes))
    width = k + OVERSAMPLING
    if k == 0:
        return LeadingSVD(np.zeros((m, 0)), np.zeros(0), 0.0)
    if min(m, sum(sizes)) <= max(DENSE_BELOW, 4 * width):
        U, S, _ = linalg.svd(np.hstack(list(blocks)).astype(np.float64), full_matrices=False)
        return LeadingSVD(U[:, :k], S[:k], float(max(m, sum(sizes)) * np.finfo(np.float64).eps * S[0]))
    basis = _Basis(k)
    image = np.random.default_rng(0).standard_normal((m, width))
    for step in range(1, max_steps + 1):
        block = basis.new_directions(image)
        image = np.zeros_like(block)
        for W in blocks:
            W = W.astype(np.float64, copy=False)
            image += W @ (W.T @ block)
        basis.add(block, image)
        # An exhausted or full space holds all that W has; no further step could add to it.
        if block.shape[1] < width or basis.size + width > min(m, sum(sizes)):
            break
        if step % CHECK_EVERY == 0 and basis.leading().error <= rtol * basis.leading().S[0]:
            break
    return basis.leading()


class _Basis:
    """The Krylov space so far: orthonormal blocks, their images under W Wᵀ, and its projection on their span."""

    def __init__(self, k: int) -> None:
        self.k, self.size = k, 0
        self._blocks: list[Float[ndarray, "m _"]] = []
        self._images: list[Float[ndarray, "m _"]] = []
        self._projected = np.zeros((0, 0))
        self._found: LeadingSVD | None = None

    def new_directions(self, image: Float[ndarray, "m w"]) -> Float[ndarray, "m _"]:
        """An orthonormal basis of what the image adds to the space.

        Columns that are rounding beside the image are dropped: normalised, they would point back into the space.
        """
        size = np.linalg.norm(image)
        image = self._outside(self._outside(image))  # one sweep leaves a component of size eps * size; two are enough
        U, S, _ = linalg.svd(image, full_matrices=False)
        return linalg.qr(self._outside(U[:, S > 100 * np.finfo(np.float64).eps * size]))[0]

    def _outside(self, X: Float[ndarray, "m w"]) -> Float[ndarray, "m w"]:
        for Q in self._blocks:
            X = X - Q @ (Q.T @ X)
        return X

    def add(self, block: Float[ndarray, "m w"], image: Float[ndarray, "m w"]) -> None:
        """Append a block of directions and its image."""
        self._blocks.append(block)
        self._images.append(image)
        self._found = None
        grown = np.zeros((self.size + block.shape[1],) * 2)
        grown[: self.size, : self.size] = self._projected
        grown[:, self.size :] = np.vstack([Q.T @ image for Q in self._blocks])
        grown[self.size :, : self.size] = grown[: self.size, self.size :].T
        self._projected, self.size = grown, len(grown)

    def leading(self) -> LeadingSVD:
        """The best k triples of W within the space, with the residual they leave."""
        if self._found is None:
            lam, Y = linalg.eigh(self._projected)
            lam, Y = lam[::-1][: self.k].clip(0), Y[:, ::-1][:, : self.k]
            U, S = self._combine(self._blocks, Y), np.sqrt(lam)
            residual = np.linalg.norm(self._combine(self._images, Y) - U * lam, axis=0)
            # An eigenvalue of W Wᵀ lies within the residual of lam; its root within the smaller of these of √lam.
            error = np.minimum(np.sqrt(residual), residual / np.maximum(S, np.finfo(np.float64).tiny))
            self._found = LeadingSVD(U, S, float(error.max(initial=0.0)))
        return self._found

    def _combine(self, parts: list[Float[ndarray, "m _"]], Y: Float[ndarray, "n k"]) -> Float[ndarray, "m k"]:
        ends = np.cumsum([part.shape[1] for part in parts])
        return np.sum([part @ Y[end - part.shape[1] : end] for part, end in zip(parts, ends, strict=True)], axis=0)


def _shape(blocks: Iterable[ndarray]) -> tuple[int, list[int]]:
    """(rows, columns of every block), once all are known to be finite."""
    shapes = []
    for W in blocks:
        if not np.isfinite(W).all():
            raise InputError(f"a block of shape {W.shape} holds NaN or Inf")
        shapes.append(W.shape)
    if not shapes or len({rows for rows, _ in shapes}) > 1:
        raise InputError(f"needs blocks with one number of rows, got shapes {shapes}")
    return shapes[0][0], [columns for _, columns in shapes]
