"""What two or many fine-tunes have in common, in plain words: each finding with its number, its scope, how decided."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from grasp_theory.identification.diff import Difference, Overlap
from grasp_theory.identification.matrix import OverlapMatrix

from ..adapters.patterns import by_pattern
from ..adapters.text import many
from .finding import Finding
from .robust import OUTLIER, robust_spread

SAME_START = 0.5  # cosine of the random factors; independent ones have 0 with standard deviation 1/√(r d)
CONTINUED = 0.7  # cosine of both factors and of dW
SAME = 0.5  # overlap from which directions are called the same
EFFECT = 0.1  # overlap above chance that is asked for beside SPREADS
SPREADS = 4  # standard deviations above chance: 1% even where one direction is all (χ² of one degree of freedom)
RARE = 0.01  # probability of as many modules above it by chance
UNEQUAL = 3.0  # ratio of a module's norms over the median one
DUPLICATE, APART = 0.9, 0.5  # overlap of near duplicates; of a run over the median of the others' overlaps


def difference_findings(found: Difference) -> list[Finding]:
    """What A (the first) and B have in common: start and lineage, directions, size; the number in each.

    Where one of them learnt nothing, or both are one update, only that is said.
    """
    both = [o for o in found.modules if o.norms[0] and o.norms[1]]
    scope = _scope(both, found)
    if not both:
        empty = " and ".join(letter for letter, n in zip("AB", _norms(found.modules), strict=True) if n == 0)
        text = f"Nothing to compare: {empty or 'in every module A or B'} has no update (B A = 0)."
        return [Finding("nothing-learnt", text, 0.0, _scope(found.modules, found), "norms of the updates")]
    if all(o.cosine is not None and o.cosine > 1 - 1e-6 and _ratio(o.norms) < 1 + 1e-6 for o in found.modules):
        return [Finding("identical", "Both are the same update.", 1.0, scope, "cosine 1 and equal norms, to 1e-6")]
    return [*_lineage(found, both), *_directions(found, both), *_size(found, both), *_alone(found)]


def same_start(cosines: Sequence[float | None]) -> bool | None:
    """Whether at least half of the random factors are those of one start; None where none can be compared."""
    return _median(cosines) >= SAME_START if any(c is not None for c in cosines) else None


def _median(values: Sequence[float | None]) -> float:
    return float(np.median([v for v in values if v is not None]))


def _lineage(found: Difference, both: Sequence[Overlap]) -> Iterator[Finding]:
    starts = [o.start_cosine for o in both if o.start_cosine is not None]
    scope = _scope([o for o in both if o.start_cosine is not None], found)
    same = same_start(starts)
    if same is None:
        return
    start, trained = _median(starts), _median([o.trained_cosine for o in both])
    hit = sum(s >= SAME_START for s in starts)
    how = f"median cosine of the factors that started at random, as stored; the same start from {SAME_START:g}"
    cosine = _median([o.cosine for o in both])
    if same and min(trained, cosine) >= CONTINUED:
        text = (
            f"One continues the other, or both are runs of one seed on much the same data: their factors have cosine "
            f"{start:.2f} and {trained:.2f}, the updates {cosine:.2f}."
        )
        yield Finding("continuation", text, cosine, scope, f"medians, each at least {CONTINUED:g}; {how}")
    elif same:
        text = (
            f"They started from the same random factors (cosine {start:.2f} in {hit} of {len(starts)} modules, 0.00 by "
            "chance): what they have in common on the side of these factors (read, if it is LoRA's A) was not learnt."
        )
        text += " It is the side compared here." if found.side == "read" else ""
        yield Finding("same-start", text, start, scope, how)
    else:
        text = (
            f"They started from different random factors (median cosine {start:.2f}): the cosine of the updates stays "
            "near rank/width even where both learnt the same; what the trained factors write compares better."
        )
        yield Finding("other-start", text, start, scope, how)


def _directions(found: Difference, both: Sequence[Overlap]) -> Iterator[Finding]:
    tested = [o for o in both if o.overlap is not None]
    if not tested:
        return
    hit = [o for o in tested if _above(o)]
    overlap, chance = (_median([getattr(o, field) for o in hit or tested]) for field in ("overlap", "random_overlap"))
    by_chance = f"({chance:.2f} by chance)"
    numbers = f"mean cos² {overlap:.2f} in {len(hit)} of {len(tested)} modules {by_chance}"
    how = (
        f"{found.k} leading directions weighted by energy; {SPREADS} standard deviations and {EFFECT:g} above the mean "
        "of isotropic ones; medians"
    )
    if len(hit) < len(tested) / 2 and _by_chance(len(hit), len(tested)) >= RARE:
        what = f"only {numbers}" if hit else f"mean cos² {overlap:.2f} in {len(tested)} modules {by_chance}"
        beyond = [o for o in found.pooled if _above(o, effect=0.0)]
        key, text = "nothing-in-common", f"Nothing in common beyond chance: {what}."
        if beyond:
            o = beyond[0]
            key = "little-in-common"
            text = f"Little in common: {what}; {o.name} {o.overlap:.2f} ({o.random_overlap:.2f} by chance)."
        yield Finding(key, text, overlap, _scope(tested, found), how)
        return
    start = found.side == "read" and same_start([o.start_cosine for o in tested])
    verb = "have" if start else "learnt"
    if len(hit) < len(tested) / 2:
        text = f"They {verb} some directions in common, in few modules: {numbers}: {_which(hit, found)}."
    elif overlap >= SAME:
        text = f"They {verb} the same leading directions: {numbers}."
    else:
        text = f"They {verb} part of their leading directions in common: {numbers}."
    text += " With one start on this side that says nothing of the data." if start else ""
    how += "; runs of one base model overlap more than by chance"
    yield Finding("same-directions", text, overlap, _scope(hit, found), how)
    least = sorted(hit, key=lambda o: o.overlap or 0.0)[:3]
    if len(hit) >= 6 and (least[0].overlap or 0.0) < 0.5 * overlap:
        names = ", ".join(f"{o.name} ({o.overlap:.2f})" for o in least)
        text = f"They differ most in {names} (mean cos²; {overlap:.2f} in the median)."
        value = least[0].overlap or 0.0
        yield Finding("differ-most", text, value, _scope(least, found), "lowest mean cos², under half the median")


def _above(o: Overlap, effect: float = EFFECT) -> bool:
    if o.overlap is None or o.random_overlap is None or o.random_spread is None:
        return False
    return o.overlap > o.random_overlap + max(SPREADS * o.random_spread, effect)


def _by_chance(hits: int, tested: int) -> float:
    """P(as many of ``tested`` independent modules above, by chance), were it 1% for each."""
    from scipy.special import bdtrc

    return 1.0 if hits == 0 else float(bdtrc(hits - 1, tested, 0.01))


def _size(found: Difference, both: Sequence[Overlap]) -> Iterator[Finding]:
    a, b = _norms(both)
    scope, how = _scope(both, found), "Frobenius norms over the compared modules"
    larger, times = ("B", b / a) if b >= a else ("A", a / b)
    other = "A" if larger == "B" else "B"
    text = f"{larger}'s update is {times:.3g} times as large as {other}'s ({max(a, b):.3g} against {min(a, b):.3g})."
    if times < 1.05:
        text = f"Both updates are of one size ({a:.3g} and {b:.3g})."
    yield Finding("size", text, b / a, scope, how)
    logs = {o.name: float(np.log(o.norms[1] / o.norms[0])) for o in both}
    middle = float(np.median(list(logs.values())))
    name = max(logs, key=lambda n: abs(logs[n] - middle))
    by = float(np.exp(logs[name] - middle))
    spread = robust_spread(np.array(list(logs.values())))
    if abs(logs[name] - middle) > max(np.log(UNEQUAL), OUTLIER * spread):
        how = f"B's norm over A's: {UNEQUAL:g} times off the median, and robust z of its log at least {OUTLIER:g}"
        text = f"The sizes differ most in {name}: there B's over A's is {by:.3g} times what it is in the median module."
        one = [o for o in both if o.name == name]
        yield Finding("unequal-module", text, by, _scope(one, found), how)


def _alone(found: Difference) -> Iterator[Finding]:
    for letter, other, names in (("A", "B", found.only_first), ("B", "A", found.only_second)):
        if names:
            text = f"{letter} adapts {many(len(names), 'module')} that {other} does not: {by_pattern(names, names)}."
            yield Finding(f"only-{letter}", text, float(len(names)), many(len(names), "module"), "names of the modules")


def matrix_findings(found: OverlapMatrix) -> list[Finding]:
    """What is typical, near duplicates, runs that stand apart, pairs from one start, pairs that cannot be compared."""
    upper = np.triu(np.ones(found.overlap.shape, dtype=bool), 1)
    known = upper & np.isfinite(found.overlap)
    total, compared = int(upper.sum()), int(known.sum())
    values = found.overlap[known]
    middle, chance = float(np.median(values)), float(np.median(found.random[known]))
    scope = f"{compared} of {total} pairs, {found.side} side, {found.k} leading directions"
    spread = f"{values.min():.2f} to {values.max():.2f}"
    text = f"Overlap of two runs: {middle:.2f} in the median, {spread} ({chance:.2f} by chance)."
    out = [Finding("overlap", text, middle, scope, "mean cos² of the leading directions, weighted by energy")]
    least = np.maximum(DUPLICATE, found.random + EFFECT)
    double = _listed(known & (np.nan_to_num(found.overlap) >= np.nan_to_num(least, nan=np.inf)))
    if double:
        named = ", ".join(f"{_pair(found, p)} ({found.overlap[p]:.2f})" for p in double[:6])
        text = f"Near duplicates: {named}{_more(double, 6)}."
        out.append(Finding("duplicates", text, float(len(double)), scope, f"overlap at least {DUPLICATE:g}"))
    out += _apart(found, chance)
    out += _starts(found, known, scope)
    if compared < total:
        missing = _listed(upper & ~known)
        have = f"{many(len(missing), 'pair')} {'has' if len(missing) == 1 else 'have'}"
        text = f"{have} no common module with an update: {_pair(found, missing[0])}{_more(missing, 1)}."
        out.append(
            Finding("not-compared", text, float(len(missing)), many(len(missing), "pair"), "names of the modules")
        )
    if found.mismatched:
        text = (
            f"Modules of one name differ in shape, and were left out, in {len(found.mismatched)} of {total} pairs "
            f"(another base model?): {_pair(found, found.mismatched[0])}{_more(found.mismatched, 1)}."
        )
        out.append(Finding("shapes", text, float(len(found.mismatched)), scope, "shapes of the updates"))
    return out


def _apart(found: OverlapMatrix, chance: float) -> Iterator[Finding]:
    """Runs whose largest overlap is far below what the others have among them."""
    own = found.overlap.copy()
    np.fill_diagonal(own, np.nan)
    upper = np.triu(np.ones(own.shape, dtype=bool), 1)
    for i, row in enumerate(own):
        mine = row[np.isfinite(row)]
        if not mine.size or mine.max() >= APART:  # no median is above 1
            continue
        others = np.delete(np.delete(own, i, 0), i, 1)[upper[:-1, :-1]]
        rest = others[np.isfinite(others)]
        middle = float(np.median(rest)) if rest.size >= 3 else 0.0
        if middle >= chance + EFFECT and mine.max() < APART * middle:
            text = (
                f"{found.names[i]} stands apart: at most {mine.max():.2f} with any other; the others have "
                f"{middle:.2f} among them."
            )
            how = f"its largest overlap is below {APART:g} of the others' median"
            yield Finding("apart", text, float(mine.max()), f"{mine.size} pairs", how)


def _listed(chosen: np.ndarray) -> list[tuple[int, int]]:
    """The pairs that a mask names, row by row."""
    rows, columns = np.nonzero(chosen)
    return list(zip(rows.tolist(), columns.tolist(), strict=True))


def _starts(found: OverlapMatrix, known: np.ndarray, scope: str) -> Iterator[Finding]:
    same = _listed(known & (np.nan_to_num(found.start_cosine) >= SAME_START))
    if same:
        compared = int(known.sum())
        text = f"{len(same)} of {compared} pairs started from the same random factors"
        text += f": {_pair(found, same[0])}{_more(same, 1)}" if len(same) < compared else ""
        read = found.side == "read"
        text += "; their overlap on this side is the start's, not learnt." if read else "."
        how = f"median cosine of the factors that started at random, at least {SAME_START:g}"
        yield Finding("same-start", text, float(len(same)), scope, how)


def _pair(found: OverlapMatrix, pair: tuple[int, int]) -> str:
    return f"{found.names[pair[0]]} and {found.names[pair[1]]}"


def _more(items: Sequence[object], shown: int) -> str:
    return f" and {len(items) - shown} more" if len(items) > shown else ""


def _norms(overlaps: Sequence[Overlap]) -> tuple[float, float]:
    a, b = (float(np.linalg.norm([o.norms[i] for o in overlaps])) for i in (0, 1))
    return a, b


def _ratio(norms: tuple[float, float]) -> float:
    return max(norms) / min(norms) if min(norms) else float("inf")


def _which(overlaps: Sequence[Overlap], found: Difference) -> str:
    return by_pattern([o.name for o in overlaps], [o.name for o in found.modules])


def _scope(overlaps: Sequence[Overlap], found: Difference) -> str:
    where = f" ({_which(overlaps, found)})" if overlaps else ""
    return f"{len(overlaps)} of {len(found.modules)} compared modules{where}, {found.side} side"
