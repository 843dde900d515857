"""Scaling: every update times one number, the plain edit that others have to beat."""

from __future__ import annotations

from collections.abc import Sequence

from grasp_theory import Update

from ..arguments import real
from ..comparison.compared import ComparedMethod
from ..hooks.weights import WeightEdit
from .edit import edit


class Scale(WeightEdit):
    """dW <- c dW in every module: between the base (c = 0) and the fine-tuned model (c = 1), as a task vector is scaled
    (Ilharco et al. 2023, arXiv:2212.04089).

    It knows nothing of trait or task: an edit that leaves less drift than scaling to the same task score has told them
    apart.

    Args:
        scale: c, finite; 1 is refused, as it does nothing.
    """

    name = "scale"
    needs = "nothing"
    guarantees = "c dW; nothing about the trait"
    compared = (
        ComparedMethod(
            "scale", "weights", "scale", (0.25, 0.5, 0.75), 0.5, lambda s, c: [Scale(c)], stage="weights", control=True
        ),
    )

    def __init__(self, scale: float) -> None:
        self.scale = real("scale", scale)

    def edited(self, updates: Sequence[Update]) -> list[Update]:
        return edit(updates, scale=self.scale)
