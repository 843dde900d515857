"""Methods that act on finished weights: dW of every module is replaced by another one, nothing is trained."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from grasp_theory import InputError, Update

from ..adapters.live import load_updates, updates_from_model
from .method import Method

if TYPE_CHECKING:
    from contextlib import ExitStack

    import torch


class WeightEdit(Method):
    """dW <- ``edited``(dW), the update of a finished LoRA fine-tune.

    ``edited`` takes updates from anywhere: of an adapter that was read, to be written as another one; of a model in
    memory. Attached to a peft model, it puts the edited factors in the place of those of the active adapter, and the
    very same parameters back when it is detached. The optimizer, if one is given, goes on with the old ones.
    """

    phase = "weights"

    @abstractmethod
    def edited(self, updates: Sequence[Update]) -> list[Update]:
        """One update for each given one, in their order; the same object where nothing is done to it."""

    def install(self, model: torch.nn.Module, optimizer: torch.optim.Optimizer | None, undo: ExitStack) -> None:
        name = _active(model)
        before = updates_from_model(model, name)
        after = self.edited(before)
        changed = [new for new, old in zip(after, before, strict=True) if new is not old]
        undo.callback(load_updates(model, changed, name))


def _active(model: Any) -> str:
    """The one active LoRA adapter."""
    layers = [m for m in model.modules() if hasattr(m, "lora_A") and hasattr(m, "active_adapters")]
    names = {name for layer in layers for name in layer.active_adapters if name in layer.scaling}
    if len(names) != 1:
        raise InputError(
            f"expected a peft model with one active LoRA adapter, whose update is edited, got {sorted(names) or 'none'}"
        )
    return names.pop()
