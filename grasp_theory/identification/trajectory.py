"""The checkpoints of one run, in order; where they are those of several runs, which ones belong together."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from ..errors import InputError
from ..updates import AskedSide, Update
from .diff import diff

FALL = 0.5  # a norm below this share of the one before is no further training
ORTHOGONAL = 0.1  # cosine with the checkpoint before, below which nothing of it is left


@dataclass(frozen=True)
class Checkpoint:
    """One checkpoint, its modules of one width stacked.

    Attributes:
        step, run: its step (None: the final adapter, behind all steps), and the 0-based run that it belongs to.
        width, norm, strength: of the stack, its Frobenius norm and leading singular value.
        angle_to_last, cosine_to_last: angle in degrees between its leading direction and that of the last checkpoint of
            its run, and cosine of the two stacks; None where one is zero.
        cosine_to_previous: cosine of the whole updates of this checkpoint and of the one before; None for the first,
            where one is zero, and where they are not of the same modules.
        starts: why a new run starts here; None where none does.
    """

    step: int | None
    run: int
    width: int
    norm: float
    strength: float
    angle_to_last: float | None
    cosine_to_last: float | None
    cosine_to_previous: float | None
    starts: str | None


def trajectory(
    checkpoints: Sequence[tuple[int | None, Sequence[Update]]], *, side: AskedSide = "auto"
) -> list[Checkpoint]:
    """Follow the checkpoints of a run: norm, leading strength, and angle to the last checkpoint.

    The modules of the chosen side are stacked, one record a checkpoint and width. A new run starts where modules,
    shapes, ranks or scalings change, where the norm falls below FALL of the one before, or where the update is
    orthogonal to it (cosine below ORTHOGONAL): further training keeps what is there, a new start does not.

    Args:
        checkpoints: (step, updates) in order; None as the step of the final adapter.
        side: as for :func:`diff`.

    Raises InputError if there is no checkpoint, or a run has no module of the side. Cost: as :func:`diff` for every
    checkpoint, and all factors once more.
    """
    if not checkpoints:
        raise InputError("a trajectory needs at least one checkpoint")
    pairs = pairwise(checkpoints)
    steps = [(None, None), *(_compare(a, b) for (_, a), (_, b) in pairs)]
    starts = [0, *(n for n, (_, why) in enumerate(steps) if why is not None), len(checkpoints)]
    rows = []
    for run, (first, end) in enumerate(pairwise(starts)):
        _, last = checkpoints[end - 1]
        for (step, updates), (cosine, why) in zip(checkpoints[first:end], steps[first:end], strict=True):
            for stack in diff(updates, last, side=side, top=1).pooled:
                angle = stack.angles[0] if stack.angles else None
                about = (stack.width, stack.norms[0], stack.strengths[0], angle, stack.cosine)
                rows.append(Checkpoint(step, run, *about, cosine, why))
    return rows


def _compare(before: Sequence[Update], after: Sequence[Update]) -> tuple[float | None, str | None]:
    """(cosine of two checkpoints, why the second is of another run than the first)."""
    a, b = {u.name: u for u in before}, {u.name: u for u in after}
    if a.keys() != b.keys():
        new, gone = (sorted(set(x) - set(y)) for x, y in ((b, a), (a, b)))
        examples = [f"{len(names)} {word} ({names[0]}, …)" for names, word in ((new, "new"), (gone, "gone")) if names]
        return None, f"the adapted modules change: {', '.join(examples)}"
    if any(a[n].shape != b[n].shape for n in a):
        return None, "the shapes of the modules change: another base model"
    reasons = []
    if any(a[n].rank != b[n].rank for n in a):
        ranks = [", ".join(map(str, sorted({u.rank for u in x.values()}))) for x in (a, b)]
        reasons.append(f"the rank changes from {ranks[0]} to {ranks[1]}")
    inner, squares, changed = 0.0, [0.0, 0.0], False
    scalings: list[set[float]] = [set(), set()]
    for name in a:
        pair = a[name].lowrank, b[name].lowrank
        inner += pair[0].inner(pair[1])
        changed |= pair[0].scaling != pair[1].scaling
        for i, lowrank in enumerate(pair):
            squares[i] += lowrank.norm() ** 2
            scalings[i].add(lowrank.scaling)
    if changed:
        shown = [", ".join(f"{s:g}" for s in sorted(x)) for x in scalings]
        reasons.append(f"the scaling (alpha over rank) changes from {shown[0]} to {shown[1]}")
    norms = [s**0.5 for s in squares]
    cosine = inner / (norms[0] * norms[1]) if norms[0] and norms[1] else None
    if norms[1] < FALL * norms[0]:
        reasons.append(f"the norm falls from {norms[0]:.4g} to {norms[1]:.4g}")
    if cosine is not None and abs(cosine) < ORTHOGONAL:
        reasons.append(f"the update is orthogonal to the one before (cosine {cosine:+.3f})")
    return cosine, "; ".join(reasons) or None
