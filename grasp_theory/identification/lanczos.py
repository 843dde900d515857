"""Leading singular triples of many updates stacked together, without a dense decomposition."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from .. import linalg
from ..errors import InputError

DENSE_BELOW = 400  # a full SVD is as quick up to this size
OVERSAMPLING = 3  # vectors beside the k; more need fewer steps, but more products in all
GROWTH = 8  # blocks that storage is made for at a time
CHECK_EVERY = 2  # steps between two looks at the residual
GAP = 1.1  # a value this many times the next one, and all before it, are no bulk
ROUGH = 0.7  # of the allowed error that is asked for in float32, so that one step in float64 is enough
ROUNDING = 8 * float(np.finfo(np.float32).eps)  # of the residual of a product in float32, in units of s_1²


@runtime_checkable
class Products(Protocol):
    """A matrix W (m, n) that is known by its products, in float64 or, where ``quick``, in float32."""

    @property
    def shape(self) -> tuple[int, int]: ...

    def dense(self) -> Float[ndarray, "m n"]: ...

    def gram(self, X: Float[ndarray, "m k"], *, quick: bool) -> Float[ndarray, "m k"]: ...

    def narrow(self) -> Narrow | None:
        """The same matrix where its columns are few and all at hand, so that WᵀW is less to work with than W Wᵀ."""
        ...


class Narrow(Protocol):
    """A matrix W (m, n) of few columns, by its products."""

    def inner(self, Y: Float[ndarray, "n k"], *, quick: bool) -> Float[ndarray, "n k"]:
        """WᵀW Y, in float64 or, where ``quick``, in float32."""
        ...

    def image(self, Y: Float[ndarray, "n k"]) -> Float[ndarray, "m k"]:
        """W Y in float64."""
        ...


@dataclass(frozen=True, eq=False)
class LeadingSVD:
    """The leading left singular vectors U (m, k) and singular values S (k,) of a matrix.

    Attributes:
        errors: S[i] has a singular value of the matrix within errors[i]: s − √(s² − rho), or √(s² + rho) where rho >
            s², rho the residual ‖WWᵀu − s²u‖.
        error: the largest of them.
    """

    U: Float[ndarray, "m k"]
    S: Float[ndarray, " k"]
    errors: Float[ndarray, " k"]

    @property
    def error(self) -> float:
        return float(self.errors.max(initial=0.0))


def leading_svd(
    W: Iterable[Float[ndarray, "m _"]] | Products,
    k: int,
    *,
    rtol: float = 1e-6,
    bulk: float | None = None,
    max_steps: int = 40,
) -> LeadingSVD:
    """Leading k left singular vectors and values of W = [W_1 … W_L] by block Lanczos with full reorthogonalisation.

    Deterministic: the start is drawn from a fixed seed. Stops when every error is below ``rtol * s_1`` or after
    ``max_steps`` steps of k + 3 vectors; what was reached is returned as ``errors``.

    Args:
        W: its blocks of columns, or an object that multiplies by it. Blocks are multiplied in float64, whatever they
            are stored in: W Wᵀ squares the singular values, and float32 would lose what lies 300 times below the first.
            An object that multiplies in float32 too finds the space so; values, vectors and errors are then those of
            float64, and where float32 was not enough, more steps in float64 follow.
        bulk: values that are followed by no gap of a factor GAP may have an error of ``bulk`` times themselves.
            Neighbours of a dense spectrum converge last, and no answer about them depends on their last digits.

    Below 400 rows or columns a dense SVD is used. Otherwise W is never put together: a step iterates over the blocks
    once, and blocks that are loaded while being iterated over need no more memory than one of them.

    Source: Golub, Luk and Overton 1981. Cost: 4 m n (k + 3) flops a step; memory O(m (k + 3) steps). Raises InputError
    for a negative k and for less than one step.
    """
    if k < 0 or max_steps < 1:
        raise InputError(f"needs k >= 0 and max_steps >= 1, got {k} and {max_steps}")
    blocks = not isinstance(W, Products)
    products = Blocks(W) if blocks else W
    m, n = products.shape
    k = min(k, m, n)
    width = k + OVERSAMPLING
    if k == 0:
        return LeadingSVD(np.zeros((m, 0)), np.zeros(0), np.zeros(0))
    if min(m, n) <= max(DENSE_BELOW, 4 * width):
        U, S, _ = linalg.svd(products.dense(), full_matrices=False)
        return LeadingSVD(U[:, :k], S[:k], np.full(k, max(m, n) * np.finfo(np.float64).eps * S[0]))

    narrow = None if blocks else products.narrow()
    product = products.gram if narrow is None else narrow.inner
    start = np.random.default_rng(0).standard_normal((m if narrow is None else n, width))
    limit = min(m, n) - width
    if not blocks:
        rough, quick = _Basis(k, ROUNDING), start.astype(np.float32)
        _extend(
            rough,
            quick,
            lambda X: product(X, quick=True),
            lambda f: _enough(f, ROUGH * rtol, bulk and ROUGH * bulk),
            max_steps,
            limit,
        )
        start = rough.ritz(width).astype(np.float64)
        del rough, quick
    basis = _Basis(k, 0.0)
    _extend(basis, start, lambda X: product(X, quick=False), lambda f: _enough(f, rtol, bulk), max_steps, limit)
    found = basis.leading()
    if narrow is None:
        return found
    # The images W y are orthogonal and of length S; QR divides by it, and finds a direction where it is 0.
    return LeadingSVD(linalg.qr(narrow.image(found.U))[0], found.S, found.errors)


def _enough(found: LeadingSVD, rtol: float, bulk: float | None) -> bool:
    gaps = np.flatnonzero(found.S[:-1] > GAP * found.S[1:])
    first = len(found.S) if bulk is None else int(gaps[-1]) + 1 if gaps.size else 0
    allowed = np.full(len(found.S), rtol * found.S[0])
    allowed[first:] = np.maximum(allowed[first:], (bulk or 0.0) * found.S[first:])
    return bool((found.errors <= allowed).all())


def _extend(
    basis: _Basis,
    start: Float[ndarray, "m w"],
    product: Callable[[ndarray], ndarray],
    enough: Callable[[LeadingSVD], bool],
    max_steps: int,
    limit: int,
) -> None:
    """Add blocks until what was found is enough, or the space is exhausted or full: it then holds all that W has."""
    width = start.shape[1]
    for step in range(max_steps):
        block = basis.new_directions() if step else basis.start(start)
        basis.add(block, product(block))
        if block.shape[1] < width or basis.size > limit:
            break
        if step % CHECK_EVERY == 0 and enough(basis.leading()):
            break


class _Basis:
    """The Krylov space so far: orthonormal vectors Q, QᵀW WᵀQ, and what the last block's image has outside the space.

    All are of the type of the blocks. A residual below ``rounding``, of the images in units of s_1², is not seen.
    """

    def __init__(self, k: int, rounding: float) -> None:
        self.k, self.rounding, self.size, self.last = k, rounding, 0, 0
        self._vectors, self._projected, self._rest = np.zeros((0, 0)), np.zeros((0, 0)), np.zeros((0, 0))
        self._found: LeadingSVD | None = None

    def start(self, X: Float[ndarray, "m w"]) -> Float[ndarray, "m _"]:
        """The first block: an orthonormal basis of these columns."""
        self._rest, self._size = X, float(np.linalg.norm(X))
        return self.new_directions()

    def new_directions(self) -> Float[ndarray, "m _"]:
        """An orthonormal basis of what the last image adds to the space.

        Columns that are rounding beside the image are dropped: normalised, they would point back into the space.
        """
        U, S, _ = linalg.svd(self._rest, full_matrices=False)
        return linalg.qr(self._outside(U[:, S > 100 * np.finfo(U.dtype).eps * self._size]))[0]

    def _outside(self, X: Float[ndarray, "m w"]) -> Float[ndarray, "m w"]:
        Q = self._vectors[:, : self.size]
        return X - Q @ (Q.T @ X) if self.size else X

    def add(self, block: Float[ndarray, "m w"], image: Float[ndarray, "m w"]) -> None:
        """Append a block of directions and its image."""
        before, self.last, self._found = self.size, block.shape[1], None
        self._vectors = _room(self._vectors, block, before)
        self.size += self.last
        Q = self._vectors[:, : self.size]
        inside = Q.T @ image
        grown = np.zeros((self.size, self.size), block.dtype)
        grown[:before, :before] = self._projected
        grown[:, before:] = inside
        grown[before:, :before] = grown[:before, before:].T
        self._projected, self._size = grown, float(np.linalg.norm(image))
        self._rest = self._outside(image - Q @ inside)  # one sweep leaves a component of eps * size; two are enough

    def leading(self) -> LeadingSVD:
        """The best k triples of W within the space, with the residual they leave.

        The images of all blocks but the last lie in the space, so that what W WᵀQy has outside of it is the last one's.
        """
        if self._found is None:
            lam, Y = self._eigen(self.k)
            residual = np.linalg.norm(self._rest @ Y[self.size - self.last :], axis=0)
            lam = lam.astype(np.float64)
            S, rho = np.sqrt(lam), np.maximum(residual - self.rounding * lam[0], 0.0)
            # An eigenvalue of W Wᵀ lies within rho of lam; rho/(S + √(…)) is S − √(lam − rho) without cancellation.
            inside = rho / np.maximum(S + np.sqrt(np.maximum(lam - rho, 0.0)), np.finfo(np.float64).tiny)
            errors = np.where(rho <= lam, inside, np.sqrt(lam + rho))
            self._found = LeadingSVD(self._vectors[:, : self.size] @ Y, S, errors)
        return self._found

    def ritz(self, count: int) -> Float[ndarray, "m w"]:
        """The best directions of the space."""
        return self._vectors[:, : self.size] @ self._eigen(count)[1]

    def _eigen(self, count: int) -> tuple[Float[ndarray, " k"], Float[ndarray, "n k"]]:
        lam, Y = linalg.eigh(self._projected)
        return lam[::-1][:count].clip(0), Y[:, ::-1][:, :count]


def _room(held: ndarray, more: Float[ndarray, "m w"], start: int) -> ndarray:
    """The first ``start`` columns with further ones after them; storage grows by GROWTH blocks when it is full."""
    end = start + more.shape[1]
    if end > held.shape[1]:
        larger = np.empty((len(more), start + GROWTH * more.shape[1]), more.dtype, order="F")
        if start:
            larger[:, :start] = held[:, :start]
        held = larger
    held[:, start:end] = more
    return held


class Blocks:
    """A matrix given by its blocks of columns, which are iterated over in every product."""

    def __init__(self, blocks: Iterable[Float[ndarray, "m _"]]) -> None:
        if iter(blocks) is blocks:
            raise InputError("blocks are iterated over several times: pass a list or an object that can start again")
        shapes = []
        for W in blocks:
            if not np.isfinite(W).all():
                raise InputError(f"a block of shape {W.shape} holds NaN or Inf")
            shapes.append(W.shape)
        if not shapes or len({rows for rows, _ in shapes}) > 1:
            raise InputError(f"needs blocks with one number of rows, got shapes {shapes}")
        self.blocks, self.shape = blocks, (shapes[0][0], sum(columns for _, columns in shapes))

    def narrow(self) -> None:
        """They may be loaded while being iterated over, once a product."""
        return None

    def dense(self) -> Float[ndarray, "m n"]:
        return np.hstack(list(self.blocks)).astype(np.float64)

    def gram(self, X: Float[ndarray, "m k"], *, quick: bool = False) -> Float[ndarray, "m k"]:
        """W Wᵀ X in float64."""
        image = np.zeros_like(X)
        for W in self.blocks:
            W = W.astype(np.float64, copy=False)
            image += W @ (W.T @ X)
        return image
