"""One pass over a module: its spectrum, its leading directions and its noise, and nothing that needs the factors."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from jaxtyping import Float, Int
from numpy import ndarray

from ..lowrank import LowRank, decompose
from ..subspace import fix_sign
from ..updates import Side, Update, require_square
from .agreement import LeadingDirections, lowest_p
from .floor import MIN_RANK, factored_edge, noise_scale
from .report import Floor, Power
from .rule import P_VALUE, RATIO
from .spectra import factored_visible_strength

KEPT = 8  # leading directions kept of every module, for the agreement test
PANEL = 128  # columns of the stack that are multiplied at once
TOGETHER = 3 << 20  # bytes of factors that are decomposed at once
RTOL = 1e-7  # accuracy of a module's singular values, in units of its largest
CACHED_BYTES = 17 << 20  # of a pooled stack; what goes beyond is read again and again


@dataclass(frozen=True, eq=False)
class Noise:
    """The noise model of one module or stack: ``rows`` x r noise times a factor with these squared singular values."""

    rows: int
    eigenvalues: Float[ndarray, " r"] | None  # each times the noise variance; None where that is not estimated
    reason: str


@dataclass(frozen=True, eq=False)
class Module:
    """What one pass over a module leaves of it, seen from the side that is analysed."""

    name: str
    layer: int | None
    place: str | int | None
    width: int
    across: int  # size of the other side
    S: Float[ndarray, " q"]
    U: Float[ndarray, "width k"]
    error: float
    noise: Noise
    zero_start: Literal["B", "A"] | None
    fixed: bool  # the side that is analysed was fixed by construction


def decomposed(updates: Iterable[Update]) -> Iterator[tuple[Update, LowRank]]:
    """The updates with their factors, a few at a time, decomposed together."""
    waiting: list[tuple[Update, LowRank]] = []
    size = 0
    for update in updates:
        lowrank = update.lowrank
        _ = lowrank.factor_grams  # while it is in the cache
        size += lowrank.B.nbytes + lowrank.A.nbytes
        if size > TOGETHER:
            decompose([lowrank for _, lowrank in waiting])
            while waiting:
                yield waiting.pop(0)
            size = lowrank.B.nbytes + lowrank.A.nbytes
        waiting.append((update, lowrank))
    decompose([lowrank for _, lowrank in waiting])
    yield from waiting


def measure(update: Update, lowrank: LowRank, side: Side, kept: int) -> Module:
    """Decompose one module, keeping so many leading directions; ``lowrank`` is the update's, loaded."""
    svd = lowrank.svd(kept, rtol=RTOL, vectors="left" if side == "write" else "right")
    largest = float(svd.S.max(initial=0.0))
    if largest:
        require_square(update.name, largest)
    return Module(
        name=update.name,
        layer=update.layer,
        place=update.place,
        width=lowrank.shape[0 if side == "write" else 1],
        across=lowrank.shape[1 if side == "write" else 0],
        S=svd.S,
        U=fix_sign(svd.U if side == "write" else svd.Vh.T).astype(np.float32),
        error=svd.error,
        noise=_noise(lowrank if update.zero_start == "B" else lowrank.T, update, side),
        zero_start=update.zero_start,
        fixed=update.fixed == side,
    )


def _noise(lowrank: LowRank, update: Update, side: Side) -> Noise:
    """Noise of the factor that started at zero (turned to be B) given the other, from its median singular value."""
    rows, r = lowrank.shape[0], lowrank.rank
    if update.fixed == side:
        return Noise(rows, None, f"the {side} side was fixed by construction and says nothing about the data")
    if update.zero_start is None:
        return Noise(rows, None, "both factors started at random, so that neither is noise on a known start")
    if r < MIN_RANK:
        return Noise(rows, None, f"rank {r} < {MIN_RANK}, too few singular values for a median")
    if r > min(lowrank.shape):
        return Noise(rows, None, f"rank {r} exceeds the sizes {lowrank.shape} of the update")
    b_values, a_eigenvalues = lowrank.factor_spectra()
    variance = (lowrank.scaling * noise_scale(b_values, rows, r)) ** 2
    if variance == 0 or a_eigenvalues[0] == 0:
        return Noise(rows, None, "half of the update's singular values are exactly zero")
    return Noise(rows, variance * a_eigenvalues, "")


def pooled_noise(group: Sequence[Module], side: Side, scales: Float[ndarray, " L"]) -> Noise:
    """Noise of a stack: the modules' eigenvalues together, each with its own variance."""
    width = group[0].width
    if side == "read":
        return Noise(width, None, "in a stack of read modules A's random start is part of the spectrum")
    if any(m.zero_start == "A" for m in group):
        return Noise(width, None, "a stacked module was trained from A = 0, as embeddings are")
    missing = [m.noise.reason for m in group if m.noise.eigenvalues is None]
    if missing:
        where = f", in {len(missing)} of {len(group)} modules" if len(group) > 1 else ""
        return Noise(width, None, missing[0] + where)
    parts = [
        scale**2 * m.noise.eigenvalues
        for m, scale in zip(group, scales, strict=True)
        if m.noise.eigenvalues is not None
    ]
    return Noise(width, np.concatenate(parts), "")


def floor_and_power(noise: Noise, level: float, modules: int, directions: LeadingDirections) -> tuple[Floor, Power]:
    """The floor, and the strength of the weakest shared factor that would have passed both the floor and the gap."""
    if noise.eigenvalues is None:
        return Floor(None, level, noise.reason), Power(None, None, "there is no noise floor")
    edge = factored_edge(noise.rows, noise.eigenvalues)
    floor = edge.floor(level)
    if lowest_p(directions) >= P_VALUE:
        reason = f"{len(set(directions.layers.tolist()))} layer(s) are too few for an agreement with p < {P_VALUE:g}"
        return Floor(floor, level, "estimated"), Power(None, None, reason)
    visible = factored_visible_strength(noise.rows, noise.eigenvalues, max(floor, RATIO * edge.centre**0.5))
    return Floor(floor, level, "estimated"), Power(visible, visible / modules**0.5, "estimated")


def gathered(group: Sequence[Module], directions: Iterable[Float[ndarray, "width _"]]) -> LeadingDirections:
    """The leading directions of a group, one array a module, padded with zero strength to KEPT each."""
    L = len(group)
    U, S = np.zeros((group[0].width, L, KEPT), np.float32), np.zeros((L, KEPT))
    for l, (m, own) in enumerate(zip(group, directions, strict=True)):
        kept = min(KEPT, own.shape[1])
        U[:, l, :kept], S[l, :kept] = own[:, :kept], m.S[:kept]
    # A module without a layer counts as a layer of its own.
    places = [(l,) if m.place is None else m.place for l, m in enumerate(group)]
    number = {place: n for n, place in enumerate(dict.fromkeys(places))}
    layers = np.array([number[place] for place in places])
    return LeadingDirections(U, S, layers)


class Stack:
    """The matrices W_l with W_l W_lᵀ = dW_l dW_lᵀ (dW_lᵀ dW_l on the read side), in float32, side by side.

    The first CACHED_BYTES of them are kept; the modules of a larger stack are loaded anew in every product, so that
    memory does not grow with the adapter. A module whose factors are too ill-conditioned to be multiplied out in one
    step is kept whatever its size.
    """

    def __init__(self, side: Side) -> None:
        self.side: Side = side
        self.norms: list[float] = []
        self.kept: list[Float[ndarray, "width q"]] = []  # PANEL columns or more each, with norm 1 a module
        self.owners: list[list[int]] = []  # module of each of these columns
        self.loaded: dict[int, tuple[Update, Float[ndarray, "r q"]]] = {}
        self._used = self._filled = 0

    def add(self, update: Update, lowrank: LowRank, *, norm: float) -> None:
        """Append a module; ``lowrank`` is the update's, loaded, and ``norm`` its Frobenius norm."""
        n, size = len(self.norms), norm or 1.0
        self.norms.append(size)
        facing = lowrank if self.side == "write" else lowrank.T
        mixing = facing.left_mixing(rtol=RTOL)
        if mixing is None:
            self._keep(n, facing.left_factor(rtol=RTOL) / size)
        elif self._used + 4 * len(facing.B) * mixing.shape[1] <= CACHED_BYTES:
            self._keep(n, facing.B.astype(np.float64, copy=False) @ (mixing / size))
        else:
            self.loaded[n] = update, mixing / size

    def _keep(self, n: int, W: Float[ndarray, "width q"]) -> None:
        rows, q = W.shape
        if not self.kept or self._filled + q > self.kept[-1].shape[1]:
            if self.kept:
                self.kept[-1] = self.kept[-1][:, : self._filled]
            self.kept.append(np.empty((rows, max(PANEL, q)), np.float32, order="F"))
            self.owners.append([])
            self._filled = 0
        self.kept[-1][:, self._filled : self._filled + q] = W
        self.owners[-1] += [n] * q
        self._filled += q
        self._used += 4 * rows * q

    def leading(self, values: Sequence[Float[ndarray, " _"]]) -> Iterator[Float[ndarray, "width _"]]:
        """KEPT leading singular vectors of every module, or all: their columns over these singular values.

        Where a singular value is 0 to RTOL its column is rounding, and the vector 0.
        """
        first, panel = 0, 0
        for n, (S, norm) in enumerate(zip(values, self.norms, strict=True)):
            leading = S[:KEPT]
            inverse = np.divide(norm, leading, out=np.zeros_like(leading), where=leading > RTOL * leading[0])
            if n in self.loaded:
                factor, mixing = self._factor(n)
                yield factor @ (mixing[:, :KEPT] * inverse)
                continue
            if first == len(self.owners[panel]):
                first, panel = 0, panel + 1
            yield self.kept[panel][:, first : first + len(inverse)] * inverse
            first += len(S)

    def _factor(self, n: int) -> tuple[Float[ndarray, "width r"], Float[ndarray, "r q"]]:
        """(factor, mixing) of a module that is not kept, W = factor @ mixing with norm 1."""
        update, mixing = self.loaded[n]
        return (update.factor("B") if self.side == "write" else update.factor("A").T), mixing

    def panels(self, factors: Float[ndarray, " L"] | None = None) -> Panels:
        """The matrices, the modules multiplied by these numbers, once all have been added."""
        if self.kept:
            self.kept[-1] = self.kept[-1][:, : self._filled]
        return Panels(self, np.array(self.norms) * (1.0 if factors is None else factors))


class Panels:
    """A stack to be multiplied by, in units of its largest module ``unit``: float32 has a narrow range.

    Memory: one panel in float64, or one module.
    """

    def __init__(self, stack: Stack, scales: Float[ndarray, " L"]) -> None:
        self._stack, self.unit = stack, float(scales.max())
        self._scales = scales / self.unit
        self._weights = [self._scales[owners] for owners in stack.owners]
        rows = stack.kept[0].shape[0] if stack.kept else next(self._loaded())[1].shape[0]
        loaded = sum(mixing.shape[1] for _, mixing in stack.loaded.values())
        self.shape = rows, sum(W.shape[1] for W in stack.kept) + loaded

    def dense(self) -> Float[ndarray, "width n"]:
        """All of it, in float64."""
        kept = [W.astype(np.float64) * weights for W, weights in zip(self._stack.kept, self._weights, strict=True)]
        return np.hstack([*kept, *(factor.astype(np.float64) @ mixing for _, factor, mixing in self._loaded())])

    def gram(self, X: Float[ndarray, "width k"], *, quick: bool = False) -> Float[ndarray, "width k"]:
        """W Wᵀ X in float64, or in float32 where ``quick``."""
        kind = np.float32 if quick else np.float64
        X = X.astype(kind, copy=False)
        image = np.zeros_like(X)
        for W, weights in self.blocks(kind):
            image += W @ (weights**2 * (W.T @ X))
        for _, factor, mixing in self._loaded():
            factor, mixing = factor.astype(kind, copy=False), mixing.astype(kind)
            image += factor @ (mixing @ (mixing.T @ (factor.T @ X)))
        return image

    def narrow(self) -> Columns | None:
        """Its products from the other side, where all is kept and there are less than half as many columns as rows."""
        return None if self._stack.loaded or 2 * self.shape[1] >= self.shape[0] else Columns(self)

    def blocks(self, kind: type[np.floating]) -> Iterator[tuple[Float[ndarray, "width q"], Float[ndarray, "q 1"]]]:
        """(columns, their weights) of what is kept."""
        for W, weights in zip(self._stack.kept, self._weights, strict=True):
            yield W.astype(kind, copy=False), weights.astype(kind)[:, None]

    def layer_shares(self, U: Float[ndarray, "width k"], layers: Int[ndarray, " L"]) -> Float[ndarray, "layers k"]:
        """‖u_iᵀ W_l‖² summed over the modules of each layer, as a share of its sum: what component i is made of."""
        parts = np.zeros((len(self._scales), U.shape[1]))
        quick = U.astype(np.float32)
        for W, weights, owners in zip(self._stack.kept, self._weights, self._stack.owners, strict=True):
            np.add.at(parts, owners, ((W.T @ quick).astype(np.float64) * weights[:, None]) ** 2)
        for n, factor, mixing in self._loaded():
            parts[n] = np.sum((mixing.T @ (factor.T @ quick)) ** 2, axis=0)
        by_layer = np.array([parts[layers == layer].sum(axis=0) for layer in np.unique(layers)])
        return by_layer / np.maximum(by_layer.sum(axis=0), np.finfo(np.float64).tiny)

    def _loaded(self) -> Iterator[tuple[int, Float[ndarray, "width r"], Float[ndarray, "r q"]]]:
        """(module, factor, mixing) of those that are not kept, W = factor @ mixing."""
        for n in self._stack.loaded:
            factor, mixing = self._stack._factor(n)
            yield n, factor, mixing * self._scales[n]


class Columns:
    """A stack of which all is kept, to be multiplied by from the side of its columns."""

    def __init__(self, panels: Panels) -> None:
        self._panels = panels

    def inner(self, Y: Float[ndarray, "n k"], *, quick: bool) -> Float[ndarray, "n k"]:
        """WᵀW Y in float64, or in float32 where ``quick``."""
        kind = np.float32 if quick else np.float64
        image = self._image(Y.astype(kind, copy=False), kind)
        return np.vstack([weights * (W.T @ image) for W, weights in self._panels.blocks(kind)])

    def image(self, Y: Float[ndarray, "n k"]) -> Float[ndarray, "m k"]:
        """W Y in float64."""
        return self._image(Y.astype(np.float64, copy=False), np.float64)

    def _image(self, Y: Float[ndarray, "n k"], kind: type[np.floating]) -> Float[ndarray, "m k"]:
        image, first = np.zeros((self._panels.shape[0], Y.shape[1]), kind), 0
        for W, weights in self._panels.blocks(kind):
            image += W @ (weights * Y[first : first + W.shape[1]])
            first += W.shape[1]
        return image
