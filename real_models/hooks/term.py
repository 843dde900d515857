"""One more term of the loss, whose gradient is added to that of the LoRA factors just before the optimizer's step."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import ExitStack
from typing import TYPE_CHECKING

import numpy as np

from grasp_theory import GraspError, InputError

from ..arguments import real
from .steps import check_trained, finite, on_gradients, refuse_split_steps, refuse_steps_in_backward

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
    parameters: Sequence[tuple[str, torch.nn.Parameter]],
    gradients: Callable[[], Sequence[torch.Tensor | None]],
    model: torch.nn.Module,
    undo: ExitStack,
) -> None:
    """.grad += scale · ``gradients()``, in the order of ``parameters``, once a step; None stands for 0.

    ``scale`` is the factor on the loss that the gradients still have (GradScaler with a fused optimizer).

    Args:
        parameters: (name of the module, parameter).
        gradients: asked before any projection, in whatever order they were attached; with a closure at each of its
            evaluations, as if the loss had the term. Those of sharded parameters are sharded alike.

    Raises InputError if the optimizer does not train these parameters, or its steps cannot be told. The hook raises
    GraspError, before anything is added, if a gradient is NaN or Inf.
    """
    check_trained(optimizer, parameters, model)
    if optimizer is None:
        raise InputError("a term is added to the gradients of an optimizer's step: pass the optimizer too")
    refuse_split_steps(optimizer)
    refuse_steps_in_backward(parameters, undo)

    def add(scale: torch.Tensor | None) -> None:
        found = [(p, g) for (_, p), g in zip(parameters, gradients(), strict=True) if g is not None]
        if not finite([g for _, g in found]):
            raise GraspError(
                "the gradient of the added term is NaN or Inf; the step was not taken and the parameters are as they "
                "were. Lower the weight or the learning rate, or look at the batch"
            )
        for parameter, gradient in found:
            scaled = gradient if scale is None else gradient * scale.to(gradient.device)
            scaled = scaled.to(parameter.dtype)
            parameter.grad = scaled if parameter.grad is None else parameter.grad.add_(scaled)

    on_gradients(optimizer, add, undo, first=True, once=True)
