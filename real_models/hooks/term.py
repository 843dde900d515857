"""One more term of the loss, whose gradient is added to that of the LoRA factors just before the optimizer's step."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import ExitStack
from typing import TYPE_CHECKING

import numpy as np

from grasp_theory import GraspError, InputError

from ..arguments import real
from .steps import finite, on_whole_steps

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

    Raises what :func:`~real_models.hooks.steps.on_whole_steps` raises; the hook GraspError, before anything is added,
    if a gradient is NaN or Inf.
    """

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

    on_whole_steps(optimizer, parameters, add, model, undo, first=True)
