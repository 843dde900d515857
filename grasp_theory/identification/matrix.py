"""Many fine-tunes of one base model: which of them learnt the same directions? All pairs in one pass."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
from jaxtyping import Float, Int
from numpy import ndarray

from .. import linalg
from ..errors import GraspError, InputError
from ..lowrank import LowRank
from ..moved import renamed
from ..updates import AskedSide, Side, Update, require_options, require_size
from .diff import factor_cosines, weighted_overlap
from .report import SCHEMA_VERSION, plain


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
class _Loaded:
    """One module of one run: what all pairs need of it."""

    update: Update
    lowrank: LowRank
    U: Float[ndarray, "d k"]
    S: Float[ndarray, " k"]
    norm: float


@renamed(k="top")
def overlap_matrix(runs: Mapping[str, Sequence[Update]], *, side: AskedSide = "auto", top: int = 8) -> OverlapMatrix:
    """Overlap of the ``top`` leading directions of every pair of runs, on one side, over their common modules.

    Left singular vectors on the write side, right ones on the read side; "auto" takes the side on which more pairs
    have a module in common, write if as many. Law: that of :func:`weighted_overlap`.

    Raises InputError for fewer than two runs, no common module at all, factors that are not finite (saying whose).
    Cost: every module of every run is decomposed once, then O(d top²) a pair and module. Memory: one module of all
    runs.
    """
    require_options(side, top)
    if len(runs) < 2:
        raise InputError(f"needs two or more runs to compare, got {len(runs)}")
    chosen = _side(runs) if side == "auto" else side
    known = any(u.side for updates in runs.values() for u in updates)
    tables = [{u.name: u for u in updates if u.side == chosen or not known} for updates in runs.values()]
    n, names = len(runs), tuple(runs)
    weight, sums, means, variances = (np.zeros((n, n)) for _ in range(4))
    starts: dict[tuple[int, int], list[float]] = {}
    energy, mismatched, counts = np.zeros(n), set(), np.zeros((n, n), dtype=int)
    for module in dict.fromkeys(name for table in tables for name in table):
        loaded = dict(_load(module, names, tables, chosen, top))
        for i, one in loaded.items():
            energy[i] += one.norm**2
        for i, j in combinations(loaded, 2):
            one, other = loaded[i], loaded[j]
            if one.update.shape != other.update.shape:
                mismatched.add((i, j))
                continue
            cosine = factor_cosines((one.update, one.lowrank), (other.update, other.lowrank))[0]
            starts.setdefault((i, j), []).extend([] if cosine is None else [cosine])
            if one.norm and other.norm:
                w = one.norm * other.norm
                cos2, mean, variance = weighted_overlap((one.U, one.S), (other.U, other.S))
                weight[i, j] += w
                sums[i, j] += w * cos2
                means[i, j] += w * mean
                variances[i, j] += w**2 * variance
                counts[i, j] += 1
    if not counts.any():
        raise InputError(
            f"no two of the {n} runs have a module in common on the {chosen} side; are the bases different?"
        )
    cosines = np.full((n, n), np.nan)
    for pair, values in starts.items():
        cosines[pair] = np.median(values) if values else np.nan
    return OverlapMatrix(
        side=chosen,
        k=top,
        names=names,
        overlap=_symmetric(sums, weight, 1.0),
        random=_symmetric(means, weight, 1.0),
        spread=_symmetric(np.sqrt(variances), weight, 0.0),
        start_cosine=_symmetric(cosines, np.ones((n, n)), 1.0),
        modules=counts + counts.T + np.diag([len(table) for table in tables]),
        norms=np.sqrt(energy),
        mismatched=tuple(sorted(mismatched)),
    )


def _side(runs: Mapping[str, Sequence[Update]]) -> Side:
    def pairs(side: Side) -> int:
        names = [{u.name for u in updates if u.side == side} for updates in runs.values()]
        return sum(bool(a & b) for a, b in combinations(names, 2))

    return "read" if pairs("read") > pairs("write") else "write"


def _load(
    module: str, names: Sequence[str], tables: Sequence[Mapping[str, Update]], side: Side, k: int
) -> Iterator[tuple[int, _Loaded]]:
    for i, table in enumerate(tables):
        if module not in table:
            continue
        try:
            lowrank = table[module].lowrank
            svd = (lowrank if side == "write" else lowrank.T).svd(k, rtol=1e-7)
            norm = linalg.length(svd.S)
            if norm:
                require_size({module: norm})
        except GraspError as error:
            raise InputError(f"{names[i]}, {module}: {error}") from None
        yield i, _Loaded(table[module], lowrank, svd.U, svd.S[: svd.U.shape[1]], norm)


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
