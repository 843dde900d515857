"""What an adapter shows, in plain words: each finding with its number, its scope and how it was decided."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from grasp_theory import LowRank, Report, linalg
from grasp_theory.identification import start
from grasp_theory.identification.report import ModuleSpectrum
from grasp_theory.identification.rule import P_VALUE
from grasp_theory.identification.sharing import sharing
from grasp_theory.identification.start import EARLY, STEPS

from ..adapters import Adapter
from ..adapters.patterns import kind
from ..adapters.text import percent
from .finding import Audit, Finding
from .places import where

RANDOM = 1.0  # B against A, above which B is no trained factor if its spectrum is flat too
FLAT = 0.9  # (Σ S)²/(r Σ S²) of a random factor; trained ones were 0.12 to 0.78 in the median
CONCENTRATED = 0.5  # share of the energy in one module
USED, IDLE = 0.5, 0.1  # smallest over largest singular value; energy outside the first component
SHARED = 0.2  # root mean square |cos| with the other layers: the effect size that is asked for beside p
WEIGHT = 0.02  # standard deviation that most language models' weights are drawn with
HUGE, TINY = 2.0, 1e-4  # root mean square entry of dW over it
SCALING = 16.0  # the factor before B A; peft's users take 1 to 4
ROUNDING = {"BF16": 2.0**-8, "F16": 2.0**-11}  # of an entry, that rounding moves it by at most


def findings(adapter: Adapter, report: Report) -> list[Finding]:
    """What an adapter shows, the most basic first; no finding depends on the rank or on a noise floor.

    Where nothing or hardly anything was learnt, only that is said: what two steps leave is the start, seen through A.

    Args:
        adapter: as read.
        report: its identification, by :func:`grasp_theory.identify`.

    Cost: O(d L²) for the sharing test of one kind, and for each module whose p-value a bound leaves open.
    """
    audit = Audit(adapter, report.modules, report.read_start)
    first = [found for look in FIRST for found in look(audit)]
    if any(f.key in ("nothing-learnt", "hardly-begun", "random") for f in first):
        return first
    return first + [found for look in LATER for found in look(audit)]


def nothing_learnt(audit: Audit) -> Iterator[Finding]:
    dead = [m for m in audit.modules if m.norm == 0]
    how = "B A is exactly 0 in the file"
    if dead and len(dead) == len(audit.modules):
        yield audit.finding("nothing-learnt", "Nothing was learnt: every update is 0.", 1.0, dead, how)
    elif dead:
        verb = "has" if len(dead) == 1 else "have"
        text = f"{len(dead)} of {len(audit.modules)} modules {verb} no update: {audit.which(dead)}."
        yield audit.finding("dead-modules", text, len(dead) / len(audit.modules), dead, how)


def progress(audit: Audit) -> Iterator[Finding]:
    """Whether training has begun at all, and how far the factors have come."""
    started = [m for m in audit.alive if m.start is not None]
    reached = start.progress(m.start for m in started)
    several = [_flatness(m) for m in audit.alive if m.singular_values.size > 1]
    flat = float(np.median(several)) if several else 0.0
    if reached is None:
        if flat > FLAT:
            how = f"(Σs)²/(rΣs²) = {flat:.2f} > {FLAT:g} in the median, and the config says that both started at random"
            text = "The factors look random, not trained: no direction leads in any module."
            yield audit.finding("random", text, flat, audit.alive, how)
        return
    grown, kurtosis = reached.grown, reached.kurtosis
    if grown > RANDOM and flat > FLAT:
        text = (
            f"The factors look random, not trained: B is {grown:.1f} times as large as A and no direction leads in any "
            "module."
        )
        how = f"root mean square of B over A > {RANDOM:g} and (Σs)²/(rΣs²) = {flat:.2f} > {FLAT:g}, medians"
        yield audit.finding("random", text, grown, started, how)
    elif kurtosis is not None and kurtosis < STEPS:
        text = (
            f"Hardly begun: B's entries are nearly all of one size, as after one to three steps of Adam; {_so(grown)}."
        )
        how = f"median kurtosis of B's entries {kurtosis:.2f} < {STEPS:g} (1.00, 1.30, 1.7 after 1, 2, 5 steps)"
        yield audit.finding("hardly-begun", text, kurtosis, started, how)
    elif grown < EARLY:
        text = f"Hardly begun: {_so(grown)}."
        how = f"median root mean square of B over A {grown:.4f} < {EARLY:g}"
        yield audit.finding("hardly-begun", text, grown, started, how)
    else:
        less = [m for m in started if m.start and m.start.grown < EARLY]
        outside = _outside(started)
        left = f"{percent(outside)} of A's entries have" if outside else "none of A's entries has"
        where = "" if outside is None else f"{left} left the interval that they started in, "
        text = f"Trained: {where}{_so(grown)} (medians)."
        how = "A's start is unknown"
        if outside is not None:
            how = "A's entries outside ±1/√d_in, peft's start; root mean squares"
        yield audit.finding("trained", text, grown, started, how)
        if less and len(less) < len(started):
            count = "One module has" if len(less) == 1 else f"{len(less)} modules have"
            text = f"{count} hardly begun: {audit.which(less)}."
            yield audit.finding("late-modules", text, len(less) / len(started), less, f"B over A < {EARLY:g}")


def concentration(audit: Audit) -> Iterator[Finding]:
    largest = max(audit.alive, key=lambda m: m.norm)
    share = largest.norm**2 / audit.energy
    if len(audit.modules) > 2 and share >= CONCENTRATED:
        text = f"One module holds {percent(share)} of the energy: {largest.name}."
        yield audit.finding("one-module", text, share, [largest], f"share ≥ {percent(CONCENTRATED)}")
    many = [m for m in audit.alive if m.singular_values.size > 1]
    if not many:
        return
    first = sum(float(m.singular_values[0]) ** 2 for m in many) / sum(m.norm**2 for m in many)
    stable = float(np.median([m.norm**2 / float(m.singular_values[0]) ** 2 for m in many]))
    ranks = [m.rank for m in many]
    rank = f"{min(ranks)}" if min(ranks) == max(ranks) else f"{min(ranks)} to {max(ranks)}"
    each = " of each module" if len(many) > 1 else ""
    ends = [float(m.singular_values[-1] / m.singular_values[0]) for m in many]
    if 1 - first <= IDLE:
        text = f"Rank {rank} is hardly used: {percent(first)} of the energy lies in one direction{each}."
        how = f"stable rank {stable:.2f} in the median; energy outside component 0 ≤ {percent(IDLE)}"
        yield audit.finding("rank-idle", text, first, many, how)
    elif float(np.median(ends)) >= USED:
        text = f"Rank {rank} is used up: the smallest singular value is {float(np.median(ends)):.2f} of the largest."
        how = f"median of s_r/s_1 ≥ {USED:g}; a larger rank would have been used"
        yield audit.finding("rank-used-up", text, float(np.median(ends)), many, how)
    else:
        text = f"Of rank {rank}, {stable:.1f} directions carry the update (stable rank, median)."
        how = "‖dW‖_F²/‖dW‖²; energy in component 0 " + percent(first)
        yield audit.finding("stable-rank", text, stable, many, how)


def shared(audit: Audit) -> Iterator[Finding]:
    """Leading directions that the layers share, by kind of module; of a layer's experts the largest stands for them."""
    groups: dict[tuple[str, int], dict[Any, ModuleSpectrum]] = {}
    for m in audit.alive:
        if m.leading is not None:
            largest = groups.setdefault((kind(m.name), len(m.leading)), {})
            place = m.name if m.place is None else m.place
            if place not in largest or m.norm > largest[place].norm:
                largest[place] = m
    for (name, _), by_layer in groups.items():
        group = list(by_layer.values())
        if len(group) < 3:
            continue
        directions = np.stack([m.leading for m in group if m.leading is not None], axis=1)
        along = np.array([m.singular_values[0] for m in group])
        found = sharing(directions, along, np.array([m.norm**2 for m in group]))
        large = found.cosines >= SHARED
        if large.sum() < 2:  # whatever their p-values are
            continue
        hit = large & (found.p_values < P_VALUE)
        if hit.sum() < 2:
            continue
        cosine, chance = float(np.median(found.cosines[hit])), float(np.median(found.expected[hit]))
        side = "writes" if group[0].side == "write" else "reads"
        text = (
            f"{_of(int(hit.sum()), len(group))} {name} share what their leading direction {side}: |cos| {cosine:.2f} "
            f"with other layers ({chance:.2f} by chance); the common direction carries at least "
            f"{percent(found.explained)} of the energy of all {len(group)}."
        )
        how = f"random signs of coordinates, Holm over {len(group)} layers, p < {P_VALUE:g} and |cos| ≥ {SHARED:g}"
        chosen = [m for m, yes in zip(group, hit, strict=True) if yes]
        yield audit.finding("shared-direction", text, cosine, chosen, how)


def read_directions(audit: Audit) -> Iterator[Finding]:
    """Directions that A reads beyond its known random start, with what the modules' leading components make of them."""
    for read in audit.read_start:
        if read.subspace is None or read.visible is None:
            continue
        names = set(read.modules)
        modules = [m for m in audit.alive if m.name in names]
        leading = [(float(m.singular_values[0]) ** 2, m.leading) for m in modules if m.leading is not None]
        inside = sum(s2 * float(np.sum((read.subspace.basis.T @ v) ** 2)) for s2, v in leading)
        if not leading:
            continue
        share, chance = inside / sum(s2 for s2, _ in leading), read.subspace.basis.shape[1] / read.width
        count = len(read.values)
        many = f"{count} directions of the stream" if count > 1 else "a direction of the stream"
        first = ", the first" if count > 1 else ","
        text = (
            f"Beyond its random start, A reads {many} (width {read.width}){first} {read.gains[0]:.1f} times as "
            f"strongly; {percent(share)} of what leading components read lies there ({percent(chance)} by chance)."
        )
        least = np.sqrt(1 + read.visible**2 / read.rows)
        how = (
            f"{read.law} start; largest singular value of {read.rows} stacked rows of A {read.values[0]:.1f}, floor "
            f"{read.floor:.1f} ({percent(read.level)}, widened {read.widening:.2f} times) in units of the start; "
            f"visible from {least:.1f} times on"
        )
        yield audit.finding("read-directions", text, float(read.gains[0]), modules, how)


def scale(audit: Audit) -> Iterator[Finding]:
    entries = [m.norm / np.sqrt(m.shape[0] * m.shape[1]) / WEIGHT for m in audit.alive]
    size = float(np.median(entries))
    how = f"root mean square entry of dW over {WEIGHT:g}, the spread most models' weights start from; no base was read"
    if size > HUGE:
        text = f"The update is huge: its entries are {size:.1f} times a typical pretrained weight (median)."
        yield audit.finding("huge", text, size, audit.alive, how)
    elif size < TINY:
        text = f"The update is tiny: its entries are {size:.1e} of a typical pretrained weight (median)."
        yield audit.finding("tiny", text, size, audit.alive, how)
    outside = [m for m in audit.alive if not 1 / SCALING < abs(m.scaling) < SCALING]
    if outside:
        used = [m.scaling for m in outside]
        span = f"{min(used):g}" if min(used) == max(used) else f"{min(used):g} to {max(used):g}"
        where = "all modules" if len(outside) == len(audit.alive) else audit.which(outside)
        text = (
            f"Unusual scaling: B A is multiplied by {span} in {where}; most take 1 to 4. It acts as another learning "
            "rate does: judge the size of the update, not alpha."
        )
        furthest = max(used, key=lambda x: abs(np.log(abs(x))))
        how = f"the scaling of each module, as it is used, outside [1/{SCALING:g}, {SCALING:g}]"
        yield audit.finding("scaling", text, float(furthest), outside, how)


def rounding(audit: Audit) -> Iterator[Finding]:
    """Components that rounding the stored factors once more would make as well."""
    half, stored = max(((ROUNDING.get(dtype, 0.0), dtype) for dtype in audit.adapter.dtypes), default=(0.0, ""))
    doubtful = {m.name for m in audit.alive if half and m.singular_values[-1] < half * m.singular_values[0]}
    if not doubtful:
        return
    lost = {u.name: _lost(u.lowrank, half) for u in audit.adapter.updates if u.name in doubtful}
    modules = [m for m in audit.alive if lost.get(m.name)]
    count = sum(lost.values())
    if count:
        what, them = ("One component is", "it") if count == 1 else (f"{count} components are", "them")
        text = f"{what} no larger than what rounding to {stored} leaves: nothing tells {them} from 0."
        how = f"against what another rounding of both factors, by up to {half:g} of each entry, makes in their place"
        yield audit.finding("rounding", text, float(count), modules, how)


def _lost(lowrank: LowRank, half: float) -> int:
    """How many singular values below half s_1 are no larger than what rounding makes of nothing in their place.

    E is the first order of what moving each entry of both factors by a uniform share of ±half does to dW. Were
    component i and all after it 0, it would leave (1 − U_<U_<ᵀ) E V_≥ there, or U_≥ᵀ E (1 − V_<V_<ᵀ), with U_< the
    components before i and V_≥ those from i on: the larger of their norms is compared with s_i. A component that is
    small because its columns are is moved by that share of itself, and is not lost; one that cancellation left is.
    """
    svd, rng = lowrank.svd(), np.random.default_rng(0)
    B, A = (X.astype(np.float64) for X in (lowrank.B, lowrank.A))
    dB, dA = (X * rng.uniform(-half, half, X.shape) for X in (B, A))
    U, V, s = svd.U, svd.Vh.T, lowrank.scaling
    right = s * (dB @ (A @ V) + B @ (dA @ V))
    left = s * (dA.T @ (B.T @ U) + A.T @ (dB.T @ U))
    sides = [(image.T @ image, known.T @ image) for image, known in ((right, U), (left, V))]
    small = np.flatnonzero((svd.S < half * svd.S[0]) & (svd.S > 0)).tolist()
    return sum(bool(svd.S[i] ** 2 <= max(_left_over(gram, inside, i) for gram, inside in sides)) for i in small)


def _left_over(gram: Float[ndarray, "q q"], inside: Float[ndarray, "q q"], i: int) -> float:
    """‖(1 − K Kᵀ) X‖₂² of the columns X from i on, K the directions before i: from XᵀX and KᵀX of all of them."""
    known = inside[:i, i:]
    return float(linalg.eigvalsh(gram[i:, i:] - known.T @ known)[-1])


FIRST: tuple[Callable[[Audit], Iterator[Finding]], ...] = (nothing_learnt, progress)
LATER: tuple[Callable[[Audit], Iterator[Finding]], ...] = (
    where,
    concentration,
    shared,
    read_directions,
    scale,
    rounding,
)


def _flatness(m: ModuleSpectrum) -> float:
    S = m.singular_values
    return float(S.sum() ** 2 / (S.size * np.sum(S**2)))


def _of(count: int, total: int) -> str:
    return f"All {total}" if count == total else f"{count} of {total}"


def _outside(started: Sequence[ModuleSpectrum]) -> float | None:
    """Share of the random factor's entries outside its uniform start, median; None unless most had such a start."""
    moved = [m.start.moved for m in started if m.start and m.start.moved is not None]
    return float(np.median(moved)) / 2 if 2 * len(moved) > len(started) else None


def _so(grown: float) -> str:
    return (
        f"B has grown to {percent(grown)} of A's size" if grown < 10 else f"B has grown to {grown:.0f} times A's size"
    )
