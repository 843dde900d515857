"""Many fine-tunes of one base model: which of them learnt the same directions? All pairs in one pass."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import combinations

import numpy as np
from jaxtyping import Float, Int
from numpy import ndarray

from .. import linalg
from ..errors import GraspError, InputError
from ..moved import renamed
from ..updates import AskedSide, Side, Update, require_options, require_size
from .report import SCHEMA_VERSION, plain

SIDES: tuple[Side, Side] = ("write", "read")


@dataclass(frozen=True, eq=False)
class OverlapMatrix:
    """Result of :func:`overlap_matrix`; entry (i, j) is of runs i and j, NaN where they have no common module.

    Attributes:
        names: of the runs.
        overlap: mean cos² of the k leading directions, weighted by their energies, the modules by ‖dW_i‖‖dW_j‖: 1 the
            same directions in the same proportions, 0 orthogonal.
        random, spread: mean and standard deviation of the same where the directions are independent and isotropic.
        start_cosine: median cosine of the factors that started at random; near 1 from one seed.
        modules: number of common modules with an update in both.
        norms: Frobenius norm of each run on this side.
        mismatched: pairs (i, j) with modules of one name and different shapes, which are left out.
    """

    side: Side
    k: int
    names: tuple[str, ...]
    overlap: Float[ndarray, "n n"]
    random: Float[ndarray, "n n"]
    spread: Float[ndarray, "n n"]
    start_cosine: Float[ndarray, "n n"]
    modules: Int[ndarray, "n n"]
    norms: Float[ndarray, " n"]
    mismatched: tuple[tuple[int, int], ...]

    def to_dict(self) -> dict:
        """The fields as JSON values, with ``schema_version``; null for NaN."""
        return {"schema_version": SCHEMA_VERSION, **plain(self)}


@dataclass(frozen=True, eq=False)
class Leading:
    """What all pairs need of one module of one run.

    Attributes:
        shape: of the update.
        U: leading singular vectors of the side that is compared, (d, k).
        S: their singular values.
        norm: ‖dW‖_F.
        start: the factor that started at random, as stored, flat and of length 1; None where it is not known, or 0.
        start_kind: which factor that is and the rank: only equal kinds can have one start.
    """

    shape: tuple[int, int]
    U: Float[ndarray, "d k"]
    S: Float[ndarray, " k"]
    norm: float
    start: Float[ndarray, " n"] | None = None
    start_kind: str = ""


def leading(update: Update, *, side: Side, top: int) -> Leading:
    """The ``top`` leading directions of an update on one side, and its random factor.

    Raises InputError for factors that are not finite. Cost: one decomposition.
    """
    lowrank = update.lowrank
    svd = (lowrank if side == "write" else lowrank.T).svd(top, rtol=1e-7)
    norm = linalg.length(svd.S)
    if norm:
        require_size({update.name: norm})
    # zero_start: B was 0, so that A is random, or the other way round
    kind = "" if update.zero_start is None else f"{'A' if update.zero_start == 'B' else 'B'}, rank {lowrank.rank}"
    start = _unit(lowrank.A if update.zero_start == "B" else lowrank.B) if kind else None
    return Leading(update.shape, svd.U, svd.S[: svd.U.shape[1]], norm, start, kind)


def _unit(X: ndarray) -> Float[ndarray, " n"] | None:
    """vec(X)/‖X‖_F; None for 0."""
    x = X.ravel().astype(np.float64) / (float(np.abs(X).max(initial=0.0)) or 1.0)
    size = float(np.linalg.norm(x))
    return x / size if size else None


@renamed(k="top")
def overlap_matrix(
    runs: Mapping[str, Sequence[Update]],
    *,
    side: AskedSide = "auto",
    top: int = 8,
    progress: Callable[[Iterable[str], int], Iterable[str]] | None = None,
) -> OverlapMatrix:
    """Overlap of the ``top`` leading directions of every pair of runs, on one side, over their common modules.

    Left singular vectors on the write side, right ones on the read side; "auto" takes the side on which more pairs
    have a module in common, write if as many. Law: that of :func:`weighted_overlap`, all pairs at once by
    :func:`overlaps`.

    Args:
        progress: wraps the stream of modules: (stream, total) -> stream.

    Raises InputError for fewer than two runs, no common module at all, factors that are not finite (saying whose).
    Cost: every module of every run is decomposed once, then :func:`overlaps`. Memory: one module of all runs.
    """
    require_options(side, top)
    if len(runs) < 2:
        raise InputError(f"needs two or more runs to compare, got {len(runs)}")
    chosen = _side(runs) if side == "auto" else side
    known = any(u.side for updates in runs.values() for u in updates)
    tables = {
        run: {u.name: partial(_load, run, u, chosen, top) for u in updates if u.side == chosen or not known}
        for run, updates in runs.items()
    }
    return overlaps(tables, side=chosen, top=top, progress=progress)


def overlaps(
    tables: Mapping[str, Mapping[str, Callable[[], Leading]]],
    *,
    side: Side,
    top: int,
    progress: Callable[[Iterable[str], int], Iterable[str]] | None = None,
) -> OverlapMatrix:
    """The same of runs given as run -> module -> what loads its leading directions.

    Law: with X_i = U_i S_i/(Σ s_i⁴)^¼ the block (i, j) of the Gram matrix [X_1 … X_n]ᵀ[X_1 … X_n] has the squared norm
    Σ s_a² s_b² cos²(u_a, u'_b)/√(Σ s⁴ Σ s'⁴), the overlap of :func:`weighted_overlap`; its mean and variance by chance,
    of tr M/‖M‖_F (over d), and of 1 − (tr M)²/(d‖M‖²) (times 2/((d − 1)(d + 2))), are outer products. So all pairs of
    a module are one matrix product.

    Args:
        progress: wraps the stream of modules: (stream, total) -> stream.

    Raises InputError for no common module at all. Cost: d (n top)² operations a module. Memory: one module of all
    runs, ``ROWS`` rows of the Gram matrix, and n²/2 numbers a module for the median of the starts' cosines.
    """
    names = tuple(tables)
    n = len(names)
    weight, sums, means, variances = (np.zeros((n, n)) for _ in range(4))
    energy, mismatched, counts = np.zeros(n), set(), np.zeros((n, n), dtype=int)
    starts: list[Float[ndarray, " pairs"]] = []
    upper = np.triu_indices(n, 1)
    modules = dict.fromkeys(name for table in tables.values() for name in table)
    for module in progress(modules, len(modules)) if progress else modules:
        loaded = {i: tables[run][module]() for i, run in enumerate(names) if module in tables[run]}
        groups: dict[tuple[int, int], list[int]] = {}
        for i, one in loaded.items():
            energy[i] += one.norm**2
            groups.setdefault(one.shape, []).append(i)
        for some, others in combinations(groups.values(), 2):
            mismatched.update((min(i, j), max(i, j)) for i in some for j in others)
        for members in groups.values():
            alive = [i for i in members if loaded[i].norm]
            if len(alive) > 1:
                at, norms = np.ix_(alive, alive), np.array([loaded[i].norm for i in alive])
                w = np.outer(norms, norms)
                found, mean, variance = _module_overlaps([loaded[i] for i in alive])
                weight[at] += w
                sums[at] += w * found
                means[at] += w * mean
                variances[at] += w**2 * variance
                counts[at] += 1
        cosines = _start_cosines(loaded, groups.values(), n)
        if cosines is not None:
            starts.append(cosines[upper])
    if not counts[upper].any():
        raise InputError(f"no two of the {n} runs have a module in common on the {side} side; are the bases different?")
    same = np.full((n, n), np.nan)
    if starts:
        same[upper] = _median(starts)
    np.fill_diagonal(counts, [len(table) for table in tables.values()])
    return OverlapMatrix(
        side=side,
        k=top,
        names=names,
        overlap=_symmetric(sums, weight, 1.0),
        random=_symmetric(means, weight, 1.0),
        spread=_symmetric(np.sqrt(variances), weight, 0.0),
        start_cosine=_symmetric(same, np.ones((n, n)), 1.0),
        modules=counts,
        norms=np.sqrt(energy),
        mismatched=tuple(sorted(mismatched)),
    )


ROWS = 64  # runs whose rows of the Gram matrix are in memory at once


def _module_overlaps(
    group: Sequence[Leading],
) -> tuple[Float[ndarray, "n n"], Float[ndarray, "n n"], Float[ndarray, "n n"]]:
    """(overlap, its mean and its variance by chance) of all pairs of one module, none of which is 0."""
    n, d, k = len(group), len(group[0].U), max(one.S.size for one in group)
    X = np.zeros((d, n, k), dtype=np.result_type(*{one.U.dtype for one in group}))
    trace = np.zeros(n)  # tr M/‖M‖_F
    for i, one in enumerate(group):
        a = (one.S / one.S[0]) ** 2
        size = float(np.linalg.norm(a))
        X[:, i, : one.S.size] = one.U * np.sqrt(a / size)
        trace[i] = a.sum() / size
    found = np.empty((n, n))
    for start in range(0, n, ROWS):
        end = start + ROWS
        gram = X[:, start:end].reshape(d, -1).T @ X[:, start:].reshape(d, -1)
        gram = gram.reshape(-1, k, n - start, k)
        found[start:end, start:] = np.einsum("iajb,iajb->ij", gram, gram)
        found[start:, start:end] = found[start:end, start:].T
    rest = np.maximum(1 - trace**2 / d, 0.0)
    variance = 2 * np.outer(rest, rest) / ((d - 1) * (d + 2)) if d > 1 else np.zeros((n, n))
    return found, np.outer(trace, trace) / d, variance


def _start_cosines(
    loaded: Mapping[int, Leading], groups: Iterable[Sequence[int]], n: int
) -> Float[ndarray, "n n"] | None:
    """Cosines of the random factors of one module, NaN where two cannot have one start; None if no two can."""
    out = np.full((n, n), np.nan, dtype=np.float32)
    for members in groups:
        kinds: dict[str, list[int]] = {}
        for i in members:
            if loaded[i].start is not None:
                kinds.setdefault(loaded[i].start_kind, []).append(i)
        for alike in kinds.values():
            if len(alike) > 1:
                V = np.stack([loaded[i].start for i in alike])  # pyright: ignore[reportArgumentType, reportCallIssue]
                out[np.ix_(alike, alike)] = V @ V.T
    return out if np.isfinite(out).any() else None


def _median(rows: Sequence[Float[ndarray, " pairs"]]) -> Float[ndarray, " pairs"]:
    """Over the modules in which two runs can be compared; NaN where there is none."""
    out = np.empty(rows[0].size)
    for start in range(0, out.size, 65536):
        part = np.stack([row[start : start + 65536] for row in rows])
        known = np.isfinite(part).any(axis=0)
        out[start : start + 65536][known] = np.nanmedian(part[:, known], axis=0)
        out[start : start + 65536][~known] = np.nan
    return out


def _side(runs: Mapping[str, Sequence[Update]]) -> Side:
    write, read = ([{u.name for u in updates if u.side == side} for updates in runs.values()] for side in SIDES)
    pairs = [sum(bool(a & b) for a, b in combinations(names, 2)) for names in (write, read)]
    return "read" if pairs[1] > pairs[0] else "write"


def _load(run: str, update: Update, side: Side, top: int) -> Leading:
    try:
        return leading(update, side=side, top=top)
    except GraspError as error:
        raise InputError(f"{run}, {update.name}: {error}") from None


def _symmetric(upper: Float[ndarray, "n n"], weight: Float[ndarray, "n n"], diagonal: float) -> Float[ndarray, "n n"]:
    """upper/weight above the diagonal, mirrored; NaN where nothing was weighed."""
    with np.errstate(invalid="ignore", divide="ignore"):
        found = np.triu(upper / weight, 1)
    found = np.where(np.triu(weight > 0, 1), found, 0.0)
    found = found + found.T
    nothing = np.triu(weight == 0, 1)
    found[nothing | nothing.T] = np.nan
    np.fill_diagonal(found, diagonal)
    return found
