"""An identity whose gradient is projected. A node of the graph, not a hook on a tensor: checkpointing keeps it."""

from __future__ import annotations

from typing import Any

import torch

from .bases import remove_part


class KeepOff(torch.autograd.Function):
    """h itself; backward g <- g − (g Q) Qᵀ, in float32 (float64 for float64).

    torch refuses it in forward mode: with a ``jvp`` torch.compile could not trace it.
    """

    generate_vmap_rule = True  # torch.func: gradients of each row

    @staticmethod
    def forward(h: torch.Tensor, Q: torch.Tensor) -> torch.Tensor:
        return h.view_as(h)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[torch.Tensor, torch.Tensor], output: torch.Tensor) -> None:
        ctx.save_for_backward(inputs[1])

    @staticmethod
    def backward(ctx: Any, g: torch.Tensor) -> tuple[torch.Tensor, None]:  # pyright: ignore
        (Q,) = ctx.saved_tensors
        return remove_part(g, Q), None


def without_gradient(h: torch.Tensor, Q: torch.Tensor) -> torch.Tensor:
    """h itself, whose gradient has no part along Q (width, k)."""
    return KeepOff.apply(h, Q)  # pyright: ignore[reportReturnType]
