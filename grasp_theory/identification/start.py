"""What the factors of a module say about where its training began and how far it has gone."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from .. import linalg
from ..lowrank import LowRank

Law = Literal["uniform", "gaussian", "orthonormal", "unknown"]
UNIFORM, GAUSSIAN = 1.8, 3.0  # kurtosis E x⁴/(E x²)²
WIDEST = 4.0  # mean square over the uniform law's, up to which a trained factor's start can be told
ENTRIES = 1 << 14  # of a factor that are looked at: evenly spaced rows or columns of a larger one
FEW = 64  # entries of a factor, below which their kurtosis says nothing (that of 64 normal ones is 2.9 ± 0.5)
SQUARES = (1e-140, 1e140)  # of the largest entry, where sums of fourth powers keep their digits
INSIDE = 1.005  # of the interval's end: an entry beyond has moved; below that it may be rounding to bfloat16
STEPS = 1.5  # kurtosis of the zero-start factor, below which it has seen three steps or fewer
EARLY = 0.02  # its size over the random factor's, below which a run has hardly begun
ORTHONORMAL = 0.1  # largest distance from 1 of the eigenvalues of A Aᵀ


@dataclass(frozen=True)
class Start:
    """The factor that started at random (A for LoRA) and the one that started at zero, in a few numbers.

    Attributes:
        law: of the first factor's start. "orthonormal" where A Aᵀ = 1 to ORTHONORMAL and the rank is 2 or more (EVA and
            other starts that take singular vectors of the data; a random A has A Aᵀ ≈ 1/3 or d/r²). "uniform" is peft's
            default, on ±1/√d_in for A, told by the width *and* the kurtosis of the entries; "gaussian" by the kurtosis;
            else "unknown".
        width, tails: mean square of the first factor's entries over that of the uniform start; their kurtosis (None
            where all are 0).
        moved: twice the share of its entries outside the interval. Of entries uniform on ±b that move by delta,
            whatever they are, E|delta|/(2 b) leave it: this is then the mean move in units of b = 1/√d_in. Training
            moves entries outwards rather, as A grows along what it reads: found were 1.2 times the mean move after 10
            steps and 1.3 times after 200 in the median of six small models, 0.8 to 1.5 in all. None unless uniform.
        grown: root mean square of the zero-start factor over that of the other one; 0 is the start itself.
        kurtosis: of the zero-start factor's entries; None where it is 0 or has fewer than FEW. Adam's first step gives
            every entry the same size, hence 1 exactly; measured on two language models, ranks 4 and 16, rates 1e-4 and
            1e-3: 1.00, 1.30, 1.7, 2.0, 2.5 after 1, 2, 5, 10, 50 steps, the same for all of them to 0.1.

    Cost: 16,384 entries of each factor, and the Gram matrices that the decomposition has computed.
    """

    law: Law
    width: float
    tails: float | None
    moved: float | None
    grown: float
    kurtosis: float | None


def start_of(lowrank: LowRank, zero_start: Literal["B", "A"] | None) -> Start | None:
    """The start of one module; None where both factors started at random or one is empty."""
    if zero_start is None or not lowrank.B.size or not lowrank.A.size:
        return None
    facing = lowrank if zero_start == "B" else lowrank.T
    random, unit = _squares(facing.A.T)
    square, tails = _moments(random, unit)
    grown, own = _moments(*_squares(facing.B))
    fan_in = lowrank.shape[1] if zero_start == "B" else lowrank.rank
    orthonormal = lowrank.rank > 1 and _orthonormal(lowrank.factor_grams[1 if zero_start == "B" else 0])
    law = "orthonormal" if orthonormal else law_of(square * 3 * fan_in, tails, random.size)
    moved = None
    if law == "uniform":
        moved = 2 * float(np.count_nonzero(random > INSIDE**2 / fan_in / unit) / random.size)
    size = float(np.sqrt(grown / square)) if square else float("inf")
    own = own if facing.B.size >= FEW else None
    return Start(law, square * 3 * fan_in, tails, moved, size, own)


@dataclass(frozen=True)
class Progress:
    """How far training has come, in the medians of the modules with an update.

    Attributes:
        grown, kurtosis: see Start.
            ``kurtosis`` is None where no module has entries enough to tell.
        known: whether the law of the random factor's start is known in most of them, so that ``grown`` compares with a
            size that the initialisation chose.
    """

    grown: float
    kurtosis: float | None
    known: bool

    @property
    def begun(self) -> bool:
        """False while the trained factor shows the first three steps of Adam, or is below 2% of a known start.

        Reason: Adam's first step moves every entry by the rate, whatever its gradient. The update is then the sign
        pattern of one gradient, of few directions that the layers share, and nothing that was learnt: its component 0
        stood out in 44 of 96 real two-step runs (ranks 16 and 64).
        """
        first = self.kurtosis is not None and self.kurtosis < STEPS
        return not first and not (self.known and self.grown < EARLY)


def progress(starts: Iterable[Start | None]) -> Progress | None:
    """Of these modules; None where no start is known or nothing was learnt."""
    found = [s for s in starts if s is not None and s.grown > 0]
    if not found:
        return None
    kurtosis = [s.kurtosis for s in found if s.kurtosis is not None]
    known = np.mean([s.law in ("uniform", "gaussian") for s in found])
    grown = float(np.median([s.grown for s in found]))
    return Progress(grown, float(np.median(kurtosis)) if kurtosis else None, bool(known > 0.5))


def _orthonormal(gram: Float[ndarray, "r r"]) -> bool:
    """Whether its eigenvalues lie within ORTHONORMAL of 1; the diagonals of most tell already that they do not."""
    if np.abs(np.diagonal(gram) - 1).max() > ORTHONORMAL:  # diagonal entries lie between the eigenvalues
        return False
    return float(np.abs(linalg.eigvalsh(gram) - 1).max()) <= ORTHONORMAL


def _squares(X: Float[ndarray, "n r"]) -> tuple[Float[ndarray, " k"], float]:
    """(squares, unit): the squared entries of evenly spaced rows, ENTRIES in all or a few more, are squares * unit.

    The unit is 1, but for entries whose fourth powers would leave the range of float64. All 0 where one is not finite.
    """
    some = X[:: max(1, X.size // ENTRIES)].astype(np.float64).ravel(order="K")
    squares = some * some
    if SQUARES[0] < (largest := float(squares.max())) < SQUARES[1]:
        return squares, 1.0
    largest = float(np.abs(some).max())
    if largest == 0 or not np.isfinite(largest):
        return np.zeros(some.size), 0.0
    return (some / largest) ** 2, largest**2


def _moments(squares: Float[ndarray, " k"], unit: float) -> tuple[float, float | None]:
    """(mean square, kurtosis about 0) of the entries with these squares; (0, None) where all are 0."""
    mean = float(squares.sum()) / squares.size
    return mean * unit, float(squares @ squares) / squares.size / mean**2 if mean else None


def law_of(width: float, tails: float | None, entries: int) -> Law:
    """The law of a random start from the mean square (over the uniform law's) and the kurtosis of that many entries.

    A uniform start plus a displacement has width 1 + s and, were the displacement normal, kurtosis 3 − 1.2/(1 + s)²;
    trained ones were found at and up to 0.5 below that. From width 4 on it cannot be told from a Gaussian start.
    Three standard errors of width and kurtosis, √(0.8/n) and about 1/√n at the uniform law, come on top.
    """
    if tails is None:
        return "unknown"
    normal, error = GAUSSIAN - (GAUSSIAN - UNIFORM) / max(width, 1.0) ** 2, 3 / entries**0.5
    if 0.7 - error <= width <= WIDEST and normal - 0.5 - error <= tails <= normal + 0.2 + error:
        return "uniform"
    return "gaussian" if abs(tails - GAUSSIAN) <= 0.3 + error and not 0.7 <= width <= 12 else "unknown"
