"""What training added to the directions that A reads: A against its known random start."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from .. import linalg
from ..lowrank import LowRank
from ..subspace import Subspace, fix_sign
from ..updates import Update
from .floor import LEVEL, white_edge
from .spectra import spike, spike_strength
from .start import WIDEST, Law, Start, law_of

ROWS = 512  # of a stack; further ones are added to these
DIRECTIONS = 8  # that are kept
DRAWS = 3  # of random signs; the largest counts
MEAN = -1.2065  # of the Tracy-Widom law of order 1
NARROWEST = 0.9  # mean square of a Gaussian start over that of peft's


@dataclass(frozen=True, eq=False)
class ReadStart:
    """The modules that read the stream of one width, stacked: what their A reads beyond its start.

    Law (:func:`stacked`): rows of A at the start are independent with entries of deviation s, so that no singular
    value of the (m, width) stack exceeds ``floor``; one that does belongs to a direction that training added.

    Attributes:
        law: of the start, told from the entries of all modules together; "unknown" where they fit none.
        deviation: s.
        rows: m.
        folded: how many rows of A make one.
        widening: ‖A‖₂² under random signs of the entries over that of the start, more than 1 where entries moved
            without a common direction; the floor is widened by it. 1 where no value is above the start's floor as it
            is.
        floor: a singular value, in units of s.
        visible: the weakest strength beta of an added factor beta u vᵀ that comes out above it, in the same units. Both
            None where nothing was tested; ``reason`` says why.
        values: those above it.
        strengths: beta of each (:func:`spike_strength`).
        gains: how many times as strongly as at its start A reads each direction, √(1 + beta²/m).
        overlaps: cos² that each is expected to have with the direction behind it.
        subspace: the leading ones, DIRECTIONS at most; None if there is none.
    """

    width: int
    modules: tuple[str, ...]
    law: Law
    deviation: float | None
    rows: int
    folded: float
    level: float
    reason: str
    widening: float = 1.0
    floor: float | None = None
    visible: float | None = None
    values: Float[ndarray, " k"] = field(default_factory=lambda: np.zeros(0))
    strengths: Float[ndarray, " k"] = field(default_factory=lambda: np.zeros(0))
    gains: Float[ndarray, " k"] = field(default_factory=lambda: np.zeros(0))
    overlaps: Float[ndarray, " k"] = field(default_factory=lambda: np.zeros(0))
    subspace: Subspace | None = None


@dataclass
class _Stack:
    """The A of one width: rows added up, in the type they are stored in, and what is known of their modules."""

    sums: Float[ndarray, "m d"]
    terms: Float[ndarray, " m"]
    place: int = 0
    names: list[str] = field(default_factory=list)
    starts: list[Start] = field(default_factory=list)
    ranks: set[int] = field(default_factory=set)

    def add(self, update: Update, A: Float[ndarray, "r d"], start: Start) -> None:
        while len(A):
            first = self.place % len(self.sums)
            part, A = np.split(A, [len(self.sums) - first])
            self.sums[first : first + len(part)] += part
            self.terms[first : first + len(part)] += 1
            self.place += len(part)
        self.names.append(update.name)
        self.starts.append(start)
        self.ranks.add(update.rank)

    def law(self) -> tuple[Law, float | None, str]:
        """(law, deviation of an entry, why it is not known) of the start of all modules, from their medians."""
        d, count = self.sums.shape[1], len(self.starts)
        orthonormal = sum(s.law == "orthonormal" for s in self.starts)
        if 2 * orthonormal > count:
            why = (
                f"A's rows are orthonormal in {orthonormal} of {count} modules: they were chosen, as by EVA, not drawn"
            )
            return "orthonormal", None, why
        width = float(np.median([s.width for s in self.starts]))
        tails = float(np.median([s.tails for s in self.starts if s.tails is not None]))
        law, rank = law_of(width, tails, self.place * d), min(self.ranks)
        if law == "uniform":
            return law, 1 / np.sqrt(3 * d), ""
        about = f"mean square {width:.3g} times that of peft's uniform start and kurtosis {tails:.2f}"
        if law == "gaussian" and len(self.ranks) == 1 and NARROWEST <= width * rank**2 / (3 * d) <= WIDEST:
            return law, 1 / rank, ""
        return law, None, f"A's entries have {about} (medians of {count} modules), which fits no start of known width"


class ReadStack:
    """The A of the modules that read the stream, added one at a time; ROWS rows of every width are kept.

    Row n goes to row n modulo ROWS, and each sum is divided by the root of the number of its terms. At the start the
    entries are then still independent, of the same variance and nearer to normal; an added factor of strength beta
    keeps beta √(ROWS/rows) where its loadings have random signs. Memory: 4 · ROWS · width bytes.
    """

    def __init__(self, updates: Sequence[Update]) -> None:
        self._rows: dict[int, int] = {}
        for u in updates:
            if _reads(u):
                self._rows[u.shape[1]] = self._rows.get(u.shape[1], 0) + u.rank
        self._stacks: dict[int, _Stack] = {}

    def add(self, update: Update, lowrank: LowRank, *, start: Start | None) -> None:
        """Append a module if it reads and A started at random."""
        if start is None or start.tails is None or not _reads(update):
            return
        d = update.shape[1]
        if d not in self._stacks:
            m = min(self._rows[d], ROWS)
            self._stacks[d] = _Stack(np.zeros((m, d), np.float32), np.zeros(m, np.float32))
        self._stacks[d].add(update, lowrank.A, start)

    def results(self, *, level: float = LEVEL, seed: int = 0) -> tuple[ReadStart, ...]:
        """One record a width, that of the most rows first. The stacks are then used up."""
        widths = sorted(self._stacks, key=lambda d: -self._rows[d])
        return tuple(self._result(self._stacks.pop(d), d, level, seed) for d in widths)

    def _result(self, stack: _Stack, d: int, level: float, seed: int) -> ReadStart:
        law, deviation, why = stack.law()
        filled = stack.terms > 0
        rows = int(np.count_nonzero(filled))
        about = ReadStart(d, tuple(stack.names), law, deviation, rows, stack.place / rows, level, "")
        if deviation is None:
            return replace(about, reason=f"start unknown: {why}")
        if rows == 1:
            return replace(about, reason="one row of A tells no direction from a drift")
        X = stack.sums if filled.all() else stack.sums[filled]
        X *= (np.float32(1 / deviation) / np.sqrt(stack.terms[filled]))[:, None]
        return stacked(X, about, seed=seed)


def stacked(X: Float[ndarray, "m d"], about: ReadStart, *, seed: int = 0) -> ReadStart:
    """A against its start, from the m stacked rows in units of the start's deviation s.

    Law: the largest singular value of m x d independent entries of variance 1 is (√m + √d) with
    Johnstone's width (:func:`white_edge`); a factor beta u vᵀ comes out above it from beta = (m d)^¼ on. Source: the
    edge for entries that are not normal, Soshnikov 2002, Pillai and Yin 2014; uniform entries have lighter tails, and
    the rate of alarms lies below 1 − level.

    Training also moves entries without a common direction, by about (rate · steps) each under Adam, and not all
    coordinates alike. That widens the bulk, and is no direction. It shows in ‖ε ∘ A‖₂ with ε random signs, which keeps
    the size of every entry and undoes every direction that spreads over many: where its square is more than the
    start's, the floor is widened by the ratio. What lies in a few coordinates or a few rows alone is in this null too.
    Cost: O(m d min(m, d)).
    """
    m, d = X.shape
    edge = white_edge(m, d)
    gram, floor = _gram(X), edge.floor(about.level)
    if linalg.is_definite(floor**2 * np.eye(len(gram)) - gram):  # then no singular value is above it
        return replace(about, floor=floor, visible=spike_strength(floor, m, d, s=1.0))
    values = np.sqrt(linalg.eigvalsh(gram)[::-1].clip(0))
    rng = np.random.default_rng(seed)
    signs = (rng.integers(0, 2, X.shape, dtype=np.int8) * np.int8(2) - np.int8(1) for _ in range(DRAWS))
    flipped = max(float(linalg.eigvalsh(_gram(X * e))[-1]) for e in signs)
    widening = max(1.0, flipped / (edge.centre + MEAN * edge.width))
    s = widening**0.5
    floor *= s
    above = values[values > floor]
    tested = replace(about, widening=widening, floor=floor, visible=spike_strength(floor, m, d, s=s))
    if not above.size:
        return tested
    n = min(m, d)
    if n > 2 and above.size * (4 if n >= 16 else 2) >= n:  # few directions are what the law is about
        why = f"{above.size} of {m} singular values exceed the floor: modules, or a control, began at the same A"
        return replace(about, widening=widening, reason=why)
    U = linalg.eigh(gram)[1][:, ::-1][:, : min(above.size, DIRECTIONS)]
    V = linalg.qr(X.T.astype(np.float64) @ U)[0] if m <= d else U
    # The rows that hold a strong factor are longer, which widens the floor; its strength is told beside the rest alone.
    rest = (np.sum(values**2) - np.sum(above**2)) / ((m - above.size) * (d - above.size))
    s = float(np.clip(np.sqrt(rest), 1.0, s))
    strengths = np.array([spike_strength(float(y), m, d, s=s) for y in above])
    return replace(
        tested,
        values=above,
        strengths=strengths,
        gains=np.sqrt(1 + strengths**2 / m),
        overlaps=np.array([spike(b, m, d, s=s).right for b in strengths]),
        subspace=Subspace(fix_sign(V)),
    )


def _reads(update: Update) -> bool:
    return update.side == "read" and update.zero_start == "B" and update.fixed != "read" and update.rank > 0


def _gram(X: Float[ndarray, "m d"]) -> Float[ndarray, "n n"]:
    return (X @ X.T if len(X) <= X.shape[1] else X.T @ X).astype(np.float64)
