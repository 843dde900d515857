"""Keep-rank-k: of every module's update its best approximation of rank k."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from grasp_theory import InputError, Update

from ..arguments import whole
from ..comparison.compared import COUNT, ComparedMethod, Sources
from ..hooks.weights import WeightEdit
from .edit import Edit, edit


def _others(s: Sources, k: float) -> list[int]:
    """All components that every module has but k random ones, the same in all modules."""
    count = min(min(*u.shape, u.rank) for u in s.updates)
    return [int(i) for i in np.random.default_rng([s.seed, 7]).permutation(count)[int(k) :]]


class KeepRank(WeightEdit):
    """dW <- Σ_{i < k} s_i u_i v_iᵀ in every module: of all matrices of rank k the nearest (Eckart and Young 1936).

    The opposite bet to :class:`~real_models.methods.edit.Edit`: that the task leads, and the trait is spread over what
    follows. Components are each module's own; a module of rank k or less stays as it is.

    Args:
        components: k, 1 or more.
    """

    name = "keep-rank"
    needs = "a number of components"
    guarantees = "rank k, and no matrix of rank k is nearer to dW; nothing about the trait"
    compared = (
        ComparedMethod(
            "keep-rank", "weights", "components", COUNT, 1.0, lambda s, k: [KeepRank(int(k))], stage="weights"
        ),
        ComparedMethod(
            "keep-rank, random", "weights", "components", COUNT, 1.0, lambda s, k: [Edit(delete=_others(s, k))],
            stage="weights", needs_naive=True, control=True,
        ),
    )  # fmt: skip

    def __init__(self, components: int) -> None:
        self.components = whole("components", components)
        if self.components < 1:
            raise InputError(f"components must be at least 1, got {self.components}; scale by 0 to keep nothing")

    def edited(self, updates: Sequence[Update]) -> list[Update]:
        return edit(updates, keep=self.components)
