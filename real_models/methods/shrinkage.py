"""Shrinkage of singular values: all of them by one amount, or the first by what errs least in the worst case."""

from __future__ import annotations

from collections.abc import Sequence

from grasp_theory import InputError, Update

from ..arguments import real
from ..comparison.compared import ComparedMethod
from ..hooks.weights import WeightEdit
from .edit import edit

SHARES = (0.25, 0.5, 0.75)
AS_GOOD_AS_EQUAL = 1 - 1e-9


class SoftThreshold(WeightEdit):
    """dW <- Σ max(s_i − threshold · s_0, 0) u_i v_iᵀ in every module, s_0 its own largest singular value.

    Law: that is the X which minimises ½‖X − dW‖_F² + threshold · s_0 ‖X‖_* (Cai, Candès and Shen 2010, theorem 2.1).
    The bet is that what a few strong components do not carry is no part of the task: small ones lose most of theirs.

    Args:
        threshold: share of s_0, above 0 and below 1.
    """

    name = "soft-threshold"
    needs = "a share of the largest singular value"
    guarantees = "least ½‖X − dW‖² + t‖X‖_*; nothing about the trait"
    compared = (
        ComparedMethod(
            "soft-threshold", "weights", "threshold", SHARES, 0.5, lambda s, t: [SoftThreshold(t)], stage="weights"
        ),
    )

    def __init__(self, threshold: float) -> None:
        self.threshold = real("threshold", threshold)
        if not 0 < self.threshold < 1:
            raise InputError(f"threshold must lie between 0 and 1, a share of s_0, got {self.threshold}")

    def edited(self, updates: Sequence[Update]) -> list[Update]:
        return edit(updates, threshold=self.threshold)


class MinimaxRemoval(WeightEdit):
    """s_0 <- s_0 − n in every module: what errs least in the worst case, for a factor of unknown strength there.

    n is that of statement ``minimax-removal`` for a task of norm ``shrink`` · s_0, or s_1 where that is more: by Weyl's
    inequality the task is at least as large. So nearly all of component 0 goes where it stands out,
    n = s_0 (1 − ½(s_1/s_0)⁴ + …), and nothing where the second is as strong.

    Args:
        shrink: the task's norm as a share of s_0, at least where the spectrum does not show more; 0 or more, below 1.
    """

    name = "minimax-removal"
    needs = "the task's norm beside that of component 0"
    guarantees = "least worst-case ‖dW − n u vᵀ − task‖ over tasks of that norm"
    compared = (
        ComparedMethod(
            "minimax-removal", "weights", "task norm", SHARES, 0.5, lambda s, t: [MinimaxRemoval(t)], stage="weights"
        ),
    )

    def __init__(self, shrink: float) -> None:
        self.shrink = real("shrink", shrink)
        if not 0 <= self.shrink < 1:
            raise InputError(f"shrink must be at least 0 and below 1, the task's norm as a share of s_0, got {shrink}")

    def edited(self, updates: Sequence[Update]) -> list[Update]:
        return [self._one(u) for u in updates]

    def _one(self, update: Update) -> Update:
        S = update.lowrank.singular_values()
        rho = max(self.shrink, S[1] / S[0] if S.size > 1 and S[0] > 0 else 0.0)
        return update if rho >= AS_GOOD_AS_EQUAL else edit([update], shrink=rho)[0]
