"""Plain LoRA: the row that every comparison starts from."""

from __future__ import annotations

from contextlib import ExitStack
from typing import TYPE_CHECKING

from ..hooks.method import Method

if TYPE_CHECKING:
    import torch


class Naive(Method):
    """Does nothing."""

    name = "naive"
    needs = "nothing"
    guarantees = "nothing"

    def install(self, model: torch.nn.Module, optimizer: torch.optim.Optimizer | None, undo: ExitStack) -> None:
        pass
