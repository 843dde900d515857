"""One pass over a module: its spectrum, its leading directions and its noise, and nothing that needs the factors."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from .agreement import LeadingDirections
from .floor import MIN_RANK, factored_edge, noise_scale
from .lowrank import LowRank
from .report import Floor, Power
from .spectra import factored_visible_strength
from .subspace import fix_sign
from .updates import Side, Update

KEPT = 8  # leading directions kept of every module, for the agreement test
RTOL = 1e-7  # accuracy of a module's singular values, in units of its largest
CACHED_BYTES = 1 << 24  # of a pooled stack; what goes beyond is read again and again
RATIO = 1.5  # a component is separated when it is this many times the next one


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
    width: int
    S: Float[ndarray, " q"]
    U: Float[ndarray, "width k"]
    error: float
    noise: Noise
    zero_start: Literal["B", "A"]


def measure(update: Update, lowrank: LowRank, side: Side, kept: int) -> Module:
    """Decompose one module; ``lowrank`` is the update's, loaded."""
    svd = lowrank.svd(max(kept, KEPT), rtol=RTOL)
    return Module(
        name=update.name,
        layer=update.layer,
        width=lowrank.shape[0 if side == "write" else 1],
        S=svd.S,
        U=fix_sign(svd.U if side == "write" else svd.Vh.T).astype(np.float32),
        error=svd.error,
        noise=_noise(lowrank if update.zero_start == "B" else lowrank.T),
        zero_start=update.zero_start,
    )


def _noise(lowrank: LowRank) -> Noise:
    """Noise of B given A, from the median singular value of B."""
    rows, r = lowrank.shape[0], lowrank.rank
    if r < MIN_RANK:
        return Noise(rows, None, f"not estimated: rank {r} < {MIN_RANK}, too few singular values for a median")
    if r > min(lowrank.shape):
        return Noise(rows, None, f"not estimated: rank {r} exceeds the sizes {lowrank.shape} of the update")
    b_values, a_eigenvalues = lowrank.factor_spectra()
    variance = (lowrank.scaling * noise_scale(b_values, rows, r)) ** 2
    if variance == 0 or a_eigenvalues[0] == 0:
        return Noise(rows, None, "not estimated: half of the update's singular values are exactly zero")
    return Noise(rows, variance * a_eigenvalues, "")


def pooled_noise(group: Sequence[Module], side: Side, scales: Float[ndarray, " L"]) -> Noise:
    """Noise of a stack: the modules' eigenvalues together, each with its own variance."""
    width = group[0].width
    if side == "read":
        return Noise(width, None, "not estimated: in a stack of read modules A's random start is part of the spectrum")
    if any(m.zero_start == "A" for m in group):
        return Noise(width, None, "not estimated: a stacked module was trained from A = 0 (embedding or MiCA)")
    missing = [m.noise.reason for m in group if m.noise.eigenvalues is None]
    if missing:
        return Noise(width, None, f"{missing[0]} (in {len(missing)} of {len(group)} modules)")
    parts = [
        scale**2 * m.noise.eigenvalues
        for m, scale in zip(group, scales, strict=True)
        if m.noise.eigenvalues is not None
    ]
    return Noise(width, np.concatenate(parts), "")


def floor_and_power(noise: Noise, level: float, modules: int) -> tuple[Floor, Power]:
    """The floor, and the strength of the weakest factor that would have passed both the floor and the gap."""
    if noise.eigenvalues is None:
        return Floor(None, level, noise.reason), Power(None, None)
    edge = factored_edge(noise.rows, noise.eigenvalues)
    floor = edge.floor(level)
    visible = factored_visible_strength(noise.rows, noise.eigenvalues, max(floor, RATIO * edge.centre**0.5))
    return Floor(floor, level, "estimated"), Power(visible, visible / modules**0.5)


def leading_directions(group: Sequence[Module]) -> LeadingDirections:
    """The leading directions of a group, padded with zero strength to a common number."""
    L = len(group)
    U, S = np.zeros((group[0].width, L, KEPT), np.float32), np.zeros((L, KEPT))
    for l, m in enumerate(group):
        kept = min(KEPT, m.U.shape[1])
        U[:, l, :kept], S[l, :kept] = m.U[:, :kept], m.S[:kept]
    # A module without a layer index counts as a layer of its own.
    layers = np.array([-1 - l if m.layer is None else m.layer for l, m in enumerate(group)])
    return LeadingDirections(U, S, layers)


class Stack:
    """The matrices W_l with W_l W_lᵀ = dW_l dW_lᵀ (dW_lᵀ dW_l on the read side), in float32, to be iterated over.

    The first CACHED_BYTES of them are kept; the modules of a larger stack are loaded anew in every iteration, so that
    memory does not grow with the adapter.
    """

    def __init__(self, side: Side) -> None:
        self.side: Side = side
        self._parts: list[tuple[Update, Float[ndarray, "r r"]]] = []
        self._kept: list[Float[ndarray, "width r"]] = []

    def add(self, update: Update, lowrank: LowRank) -> None:
        """Append a module; ``lowrank`` is the update's, loaded."""
        facing = lowrank if self.side == "write" else lowrank.T
        self._parts.append((update, facing.left_mixing()))
        full = sum(W.nbytes for W in self._kept) + 4 * facing.B.size > CACHED_BYTES
        if not full and len(self._kept) == len(self._parts) - 1:
            self._kept.append(self._product(lowrank, self._parts[-1][1]))

    def scale(self, factors: Float[ndarray, " L"]) -> None:
        """Multiply the modules by these numbers."""
        self._parts = [(update, mixing * c) for (update, mixing), c in zip(self._parts, factors, strict=True)]
        self._kept = [W * np.float32(c) for W, c in zip(self._kept, factors, strict=False)]

    def __iter__(self) -> Iterator[Float[ndarray, "width r"]]:
        yield from self._kept
        for update, mixing in self._parts[len(self._kept) :]:
            yield self._product(update.lowrank, mixing)

    def _product(self, lowrank: LowRank, mixing: Float[ndarray, "r r"]) -> Float[ndarray, "width r"]:
        factor = lowrank.B if self.side == "write" else lowrank.A.T
        return factor.astype(np.float32, copy=False) @ mixing.astype(np.float32)
