"""CAFT and ablation at inference: the stream loses its part along the directions."""

from __future__ import annotations

from contextlib import ExitStack
from typing import TYPE_CHECKING

from grasp_theory.moved import renamed

from ..comparison.compared import COUNT, ComparedMethod
from ..hooks.edits import project_stream
from ..hooks.placed import StreamMethod
from ..hooks.references import Policy
from .grasp import Grasp

if TYPE_CHECKING:
    import torch

    from ..hooks.given import Given


class Ablation(StreamMethod):
    """h <- h − (h Q) Qᵀ at the output of the chosen blocks, at every position, whenever the model runs.

    It removes the factor itself, what the pretrained model says along Q included (statement ``ablation-cost``).
    Several act on their joint span, behind whatever was attached before the last of them.

    Args:
        directions: as for :class:`~real_models.methods.grasp.Grasp`, of the residual stream.
        layers: indices of the blocks; all by default.
        blocks: the list of decoder blocks, where it cannot be found.
    """

    name = "inference-ablation"
    phase = "inference"
    needs = "directions"
    guarantees = "h Q = 0 at the output of the chosen blocks"
    compared = (
        ComparedMethod(
            "ablation", "weights", "components", COUNT, 1.0, lambda s, k: [Ablation(s.top(int(k)))],
            stage="inference", needs_naive=True,
        ),
    )  # fmt: skip

    __init__ = renamed(at="layers")(StreamMethod.__init__)

    def install(self, model: torch.nn.Module, optimizer: torch.optim.Optimizer | None, undo: ExitStack) -> None:
        stream, bases = self.placed(model)
        policy = Policy(model) if self._only_training else None
        project_stream(stream, bases, undo, at=bases, training=policy)

    _only_training = False


class Caft(Ablation):
    """Concept ablation fine-tuning: :class:`Ablation`, its arguments too, while the model trains, not at deployment.

    On LoRA it leaves B A0 Q, a random read of the directions that no gradient sees (statement ``caft-gap``); attach
    ``Grasp(..., sides={"read"})`` beside it to project A0 too. Source: arXiv:2507.16795.
    """

    name = "caft"
    phase = "training"
    guarantees = "h Q = 0 at the output of the chosen blocks while training; nothing at deployment"
    options = frozenset({"directions", "layers"})
    compared = (
        ComparedMethod("caft", "data", "components", COUNT, 1.0, lambda s, k: [Caft(s.top(int(k)))], needs_naive=True),
        ComparedMethod(
            "caft, A projected", "data", "components", COUNT, 1.0,
            lambda s, k: [Caft(s.top(int(k))), Grasp(dict.fromkeys(s.readers, s.top(int(k))), sides={"read"})],
            needs_naive=True,
        ),
    )  # fmt: skip

    @classmethod
    def from_given(cls, given: Given) -> Caft:
        return cls(given.chosen(cls.name), layers=given.layers)

    _only_training = True
