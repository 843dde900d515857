"""Contrastive weight steering: a fine-tune is moved towards what a control run learnt from rows without the trait."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from functools import partial

from grasp_theory import InputError, LowRank, Update
from grasp_theory.identification.control import require_same_modules
from grasp_theory.lowrank import add

from ..arguments import real, updates_of
from ..comparison.compared import ComparedMethod
from ..hooks.weights import WeightEdit


class ContrastiveSteering(WeightEdit):
    """dW <- dW − strength · (dW − dW_control): the difference of two fine-tunes, taken out of one of them.

    Contrastive weight steering (Fierro and Roger 2025, arXiv:2511.05408) with w = dW − dW_control: what both runs
    learnt alike cancels in w and is kept, what one of them alone learnt is scaled (statement ``control-contrast``).
    The paper takes w from two runs on other data, written to show a trait and its opposite, and adds k w to a
    fine-tune; here k = −strength and the fine-tune is one of the two, so that nobody writes data that show the trait.
    At strength 1 the control run is left, so only strengths below it, or above, say anything that the control run does
    not. The plain control is :class:`~real_models.methods.scale.Scale` by 1 − strength: it scales all of dW alike.

    Args:
        control: updates of the control run, of the same modules; best of the same LoRA start and the same length, as
            the difference of runs that started elsewhere holds what both of them learnt too
            (:func:`grasp_theory.identification.control.contrast`).
        strength: finite, not 0.

    Raises InputError unless both adapt the same modules, in the same shapes. Ranks add up.
    """

    name = "contrastive-steering"
    needs = "a control run, on rows without the trait"
    guarantees = "dW_control + (1 − strength) (dW − dW_control): what both runs learnt alike stays"
    compared = (
        ComparedMethod(
            "contrastive-steering", "control run", "strength", (0.5, 1.0, 1.5), 0.5,
            lambda s, k: [ContrastiveSteering(s.control, strength=k)],
            stage="weights", needs_naive=True, needs_control=True,
        ),
    )  # fmt: skip

    def __init__(self, control: Iterable[Update], *, strength: float = 1.0) -> None:
        self.control, self.strength = updates_of("control", control), real("strength", strength)
        if not abs(self.strength) < float("inf") or not self.strength:
            raise InputError(f"strength must be a finite number other than 0, got {self.strength}")

    def edited(self, updates: Sequence[Update]) -> list[Update]:
        updates = updates_of("updates", updates)
        require_same_modules(updates, self.control)
        controls = {u.name: u for u in self.control}
        return [
            replace(
                u, rank=u.rank + controls[u.name].rank, source=partial(_steered, u, controls[u.name], self.strength)
            )
            for u in updates
        ]


def _steered(update: Update, control: Update, strength: float) -> LowRank:
    return add([(1 - strength) * update.lowrank, strength * control.lowrank])
