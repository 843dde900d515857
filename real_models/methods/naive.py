"""Plain LoRA: the method that every comparison starts from."""

from __future__ import annotations

from contextlib import ExitStack
from typing import TYPE_CHECKING

from ..comparison.compared import ComparedMethod
from ..hooks.method import Method

if TYPE_CHECKING:
    import torch

    from ..hooks.given import Given


class Naive(Method):
    """Does nothing."""

    name = "naive"
    needs = "nothing"
    guarantees = "nothing"
    options = frozenset()
    compared = (
        ComparedMethod("naive", "data", "none", (0.0,), 0.0, lambda sources, knob: [], stage="naive", needs_naive=True),
    )

    @classmethod
    def from_given(cls, given: Given) -> Naive:
        return cls()

    def install(self, model: torch.nn.Module, optimizer: torch.optim.Optimizer | None, undo: ExitStack) -> None:
        pass
