"""The update of a run less that of a control: what two fine-tunes share cancels (statement ``control-contrast``)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import partial

import numpy as np

from ..errors import InputError
from ..lowrank import LowRank
from ..updates import Update


def contrast(updates: Sequence[Update], control: Sequence[Update]) -> list[Update]:
    """dW − dW_control of every module, by its factors: [s B, s₀ B₀] [A; −A₀], of the sum of both ranks.

    Law: with dW = beta u vᵀ + T and dW_control = T₀ the difference is beta u vᵀ + (T − T₀), so that every bound holds
    with ‖T − T₀‖ for ‖T‖; a factor that the control has too is lost with the task. The control should be trained from
    the same base for the same time on inputs of the same kind, without what one looks for.

    Raises InputError unless both adapt the same modules, in the same shapes. Cost: that of loading both.
    """
    others = {u.name: u for u in control}
    names = {u.name for u in updates}
    if names != set(others):
        alone = sorted(names ^ set(others))
        raise InputError(
            f"the control must adapt the same modules: {len(alone)} are in one of the two only, e.g. {alone[0]}"
        )
    return [_difference(u, others[u.name]) for u in updates]


def _difference(update: Update, control: Update) -> Update:
    if update.shape != control.shape:
        raise InputError(f"{update.name} is {update.shape}, in the control {control.shape}: another base model?")
    same = update.zero_start == control.zero_start
    return replace(
        update,
        rank=update.rank + control.rank,
        source=partial(_stacked, update, control),
        fixed=update.fixed if update.fixed == control.fixed else None,
        zero_start=update.zero_start if same else None,
    )


def _stacked(update: Update, control: Update) -> LowRank:
    one, other = update.lowrank, control.lowrank
    B = np.hstack([x.scaling * x.B.astype(np.float64) for x in (one, other)])
    return LowRank(B, np.vstack([one.A.astype(np.float64), -other.A.astype(np.float64)]))
