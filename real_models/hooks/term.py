"""One more term of the loss, whose gradient is added to that of the LoRA factors just before the optimizer's step."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import ExitStack
from typing import TYPE_CHECKING

import numpy as np

from grasp_theory import GraspError, InputError

from ..arguments import real

if TYPE_CHECKING:
    import torch


def checked_weight(weight: float) -> float:
    """The weight of a term: finite and not negative, or InputError."""
    found = real("weight", weight)
    if not (np.isfinite(found) and found >= 0):
        raise InputError(f"weight must be finite and not negative, got {weight}")
    return found


def add_before_step(
    optimizer: torch.optim.Optimizer | None,
    parameters: Sequence[torch.nn.Parameter],
    gradients: Callable[[], Sequence[torch.Tensor | None]],
    undo: ExitStack,
) -> None:
    """.grad += ``gradients()``, in the order of ``parameters``, once a step; None stands for 0.

    Raises InputError if the optimizer does not train these parameters. The hook raises GraspError, before anything is
    added, if a gradient is NaN or Inf.
    """
    import torch

    trained = {id(p) for group in optimizer.param_groups for p in group["params"]} if optimizer else set()
    if optimizer is None or any(id(p) not in trained for p in parameters):
        raise InputError("the optimizer does not train the LoRA factors of this model: is it of another model?")

    def before(*_: object) -> None:
        found = [(p, g) for p, g in zip(parameters, gradients(), strict=True) if g is not None]
        if not all(bool(torch.isfinite(g).all()) for _, g in found):
            raise GraspError(
                "the gradient of the added term is NaN or Inf; the step was not taken and the parameters are as they "
                "were. Lower the weight or the learning rate, or look at the batch"
            )
        for parameter, gradient in found:
            gradient = gradient.to(parameter.dtype)
            parameter.grad = gradient if parameter.grad is None else parameter.grad.add_(gradient)

    undo.callback(optimizer.register_step_pre_hook(before).remove)
