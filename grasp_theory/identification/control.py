"""A run beside control runs: what all of them learnt goes, what is left is the run's own (``control-contrast``)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from ..errors import InputError
from ..lowrank import LowRank, add
from ..subspace import Subspace
from ..updates import Side, Update
from .report import Report

LARGEST_SHARE = 0.25  # of the space that the controls' directions may take: a random factor keeps √0.75 of its strength


@dataclass(frozen=True, eq=False)
class ControlSpace:
    """The leading directions of the controls in one decomposition of a report.

    Attributes:
        name, modules: the decomposition's.
        each: of every control, its leading directions there, {0} where it has none.
        together: the span of all.
    """

    name: str
    modules: tuple[str, ...]
    each: tuple[Subspace, ...]
    together: Subspace


@dataclass(frozen=True)
class Covered:
    """How much of one component lies in what the controls learnt.

    Attributes:
        decomposition, index: which component.
        each: ‖Q_cᵀu‖² for the leading directions Q_c of every control.
        together: the same for the span of all, of dimension ``dimension``; a random direction has ``random`` =
            dimension/width on average and at most ``random_99`` with 99%.
    """

    decomposition: str
    index: int
    each: tuple[float, ...]
    together: float
    dimension: int
    random: float
    random_99: float


def require_same_modules(updates: Sequence[Update], control: Sequence[Update]) -> None:
    """InputError unless both adapt the same modules, in the same shapes."""
    shapes = {u.name: u.shape for u in control}
    names = {u.name for u in updates}
    if names != set(shapes):
        alone = sorted(names ^ set(shapes))
        raise InputError(
            f"the control must adapt the same modules: {len(alone)} are in one of the two only, e.g. {alone[0]}; "
            "train it with the same target_modules"
        )
    for u in updates:
        if u.shape != shapes[u.name]:
            raise InputError(f"{u.name} is {u.shape}, in the control {shapes[u.name]}: another base model?")


def control_spaces(report: Report, controls: Sequence[Report]) -> tuple[ControlSpace, ...]:
    """The controls' leading directions in every decomposition of ``report``.

    All components that the control reports hold are taken, the strongest first and as many of each control, as long as
    the span of all stays within LARGEST_SHARE of the space. The reports are to be made with one ``side`` and ``pool``.
    Cost: O(width (k n)²) a decomposition.
    """
    found = []
    for d in report.decompositions:
        most = max(1, int(LARGEST_SHARE * d.width) // max(1, len(controls)))
        each = []
        for control in controls:
            same = [c for c in control.decompositions if c.name == d.name]
            bases = [c.subspace.basis for c in same[0].components[:most]] if same else []
            each.append(Subspace.span(np.hstack([np.zeros((d.width, 1)), *bases])))
        together = Subspace.span(np.hstack([np.zeros((d.width, 1)), *(s.basis for s in each)]))
        found.append(ControlSpace(d.name, d.modules, tuple(each), together))
    return tuple(found)


def covered(report: Report, spaces: Sequence[ControlSpace]) -> tuple[Covered, ...]:
    """How much of each component of ``report`` lies in the controls' leading spaces.

    Law: for a direction u that is uniform on the sphere, ‖Qᵀu‖² is Beta(k/2, (width − k)/2), with mean k/width.
    """
    from scipy.special import betaincinv

    found = []
    for d, space in zip(report.decompositions, spaces, strict=True):
        k = space.together.dimension
        inner = 0 < k < d.width
        high = float(betaincinv(k / 2, (d.width - k) / 2, 0.99)) if inner else float(k > 0)
        for c in d.components:
            u = c.subspace.basis[:, 0]
            each = tuple(_inside(s, u) for s in space.each)
            found.append(Covered(d.name, c.index, each, _inside(space.together, u), k, k / d.width, high))
    return tuple(found)


def _inside(space: Subspace, u: Float[ndarray, " width"]) -> float:
    return float(np.sum((space.basis.T @ u) ** 2))


def contrast(
    updates: Sequence[Update],
    controls: Sequence[Sequence[Update]],
    *,
    spaces: Sequence[ControlSpace] = (),
    side: Side = "write",
) -> list[Update]:
    """(I − QQᵀ)(dW − mean of the controls' dW) of every module, by its factors; Q of ``spaces``, acting on ``side``.

    Law: with dW = beta u vᵀ + T + C and controls T_k + C_k, the difference is beta u vᵀ + Delta, Delta = T − mean T_k +
    C − mean C_k, so that every bound holds with ‖Delta‖ for ‖T‖ (statement ``control-contrast``); contents that the
    runs do not share add up, those of n controls to 1/n of one's energy. Projecting leaves a factor of
    ‖(I − QQᵀ)u‖ beta and no more of Delta than there was. A factor that the controls have too is lost.

    Both steps are needed. The difference cancels T only where the runs see it alike: LoRA learns T through its random
    A, T AᵀA to first order, so that two runs with starts of their own leave twice the energy of T, and half the
    training leaves half of T. The projection does not ask how T was seen or how far it was learnt, but takes only its
    leading directions. Measured on LoRA of width 256 and rank 8 (eight modules, a task of rank 3 or 12 that is three
    times as strong as the factor, four seeds): ``|cos|`` of component 0 with the factor

        starts, length      controls    alone        difference   projection   both
        the same            1 to 5      0.02, 0.04   0.94 – 0.97  0.05 – 0.96  0.90 – 0.94
        half as long        1 to 5      0.02, 0.04   0.07, 0.08   0.08 – 0.95  0.74 – 0.94
        other starts        3, 5        0.02, 0.04   0.02 – 0.04  0.80 – 0.93  0.79 – 0.93

    (other starts and one control: 0.96 where the task has rank 3, 0.07 where its 12 directions exceed the 8 removed);
    tests/grasp_theory/test_control.py repeats it smaller.

    Raises InputError unless all adapt the same modules, in the same shapes, and there is a control. Cost: that of
    loading all; ranks add up.
    """
    if not controls:
        raise InputError("a contrast needs one or more controls, got none")
    for control in controls:
        require_same_modules(updates, control)
    by_name = [{u.name: u for u in control} for control in controls]
    bases = {name: space.together for space in spaces for name in space.modules}
    return [_contrasted(u, [c[u.name] for c in by_name], bases, side) for u in updates]


def _contrasted(update: Update, controls: Sequence[Update], bases: Mapping[str, Subspace], side: Side) -> Update:
    everyone = [update, *controls]
    fixed, starts = {u.fixed for u in everyone}, {u.zero_start for u in everyone}
    return replace(
        update,
        rank=sum(u.rank for u in everyone),
        source=partial(_stacked, update, controls, bases.get(update.name), side),
        fixed=fixed.pop() if len(fixed) == 1 else None,
        zero_start=starts.pop() if len(starts) == 1 else None,
    )


def _stacked(update: Update, controls: Sequence[Update], space: Subspace | None, side: Side) -> LowRank:
    left = add([update.lowrank, *(c.lowrank * (-1 / len(controls)) for c in controls)])
    if space is None:
        return left
    return LowRank(space.reject(left.B), left.A) if side == "write" else LowRank(left.B, space.reject(left.A.T).T)
