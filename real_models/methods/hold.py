"""Hold: along the directions the stream stays what it is in the base model, whichever modules would move it."""

from __future__ import annotations

from contextlib import ExitStack
from typing import TYPE_CHECKING

from ..comparison.compared import SPAN, ComparedMethod
from ..hooks.base_run import base_run
from ..hooks.edits import project_stream
from ..hooks.placed import StreamMethod
from ..hooks.references import require_peft

if TYPE_CHECKING:
    import torch


class Hold(StreamMethod):
    """h <- h − ((h − h_base) Q) Qᵀ at the output of the chosen blocks, at every position, whenever the model runs.

    h_base is the stream of the base model on the same input: the same model with its adapters off, run beside it. So
    h Q = h_base Q there. What the pretrained model says along Q stays, which ablation takes away; what the update says
    along Q goes, whether its write modules put it there or its read modules had the frozen ones put it there, which no
    projection of the update can promise (a part of dW in a module that reads the stream reaches every direction that
    the frozen module behind it writes).

    Other methods on the same blocks act in both runs; several holds, and ablations beside them, act on their joint
    span. Where one that acts in training alone (CAFT) takes directions out, the others are held. Reference runs
    (adapters off) are left as they are. Cost: a forward pass more, without gradient, however many hold; no cache of
    keys and values is kept for it.

    Args:
        directions: as for :class:`~real_models.methods.grasp.Grasp`, of the residual stream.
        layers: indices of the blocks; all by default.
        blocks: the list of decoder blocks, where it cannot be found.

    Raises:
        InputError: if the model is no peft model, so that its base is not at hand; while it runs, for a step of
            generation that goes on from a cache (pass ``use_cache=False``), and for gradient checkpointing, which runs
            blocks again when the base's stream is gone.
    """

    name = "hold"
    phase = "inference"
    needs = "directions, and the base model at deployment"
    guarantees = "h Q = h_base Q at the output of the chosen blocks"
    compared = (
        ComparedMethod(
            "hold", "weights", "components", SPAN, 8.0, lambda s, k: [Hold(s.top(int(k)))],
            stage="inference", needs_naive=True,
        ),
        ComparedMethod(
            "hold, random", "weights", "components", SPAN, 8.0, lambda s, k: [Hold(s.random(int(k)))],
            stage="inference", control=True,
        ),
        ComparedMethod(
            "hold, supervised", "trait", "none", (1.0,), 1.0, lambda s, _: [Hold(s.supervised())],
            stage="inference", control=True,
        ),
    )  # fmt: skip

    def install(self, model: torch.nn.Module, optimizer: torch.optim.Optimizer | None, undo: ExitStack) -> None:
        stream, bases = self.placed(model)
        require_peft(model)
        run = base_run(model, stream.blocks, undo)
        project_stream(stream, bases, undo, at=bases, base=run)
