"""Steering: a vector added to the stream, while training (preventative) or at inference."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

import numpy as np

from grasp_theory import InputError
from grasp_theory.moved import renamed

from ..arguments import indices, real, tensor
from ..comparison.compared import STRENGTH, ComparedMethod
from ..hooks.method import Method
from ..hooks.references import Policy
from ..hooks.stream import Stream, chosen_blocks, find_stream, hook_blocks

if TYPE_CHECKING:
    import torch

    from ..hooks.given import Given


class InferenceSteering(Method):
    """h <- h + strength * v at the output of the chosen blocks, at every position, whenever the model runs.

    Away from a trait along v: a negative strength (statement ``steering-bias``).

    Args:
        vectors: v (width,), not normalised, or a mapping from block index to one.
        strength: what they are multiplied by.
        layers: indices of the blocks.
        blocks: the list of decoder blocks, where it cannot be found.
    """

    name = "inference-steering"
    phase = "inference"
    needs = "a vector"
    guarantees = "nothing"
    compared = (
        ComparedMethod(
            "steering, identified", "data", "strength", STRENGTH, 1.0,
            lambda s, k: [InferenceSteering(s.written(), strength=-k)], stage="inference", needs_naive=True,
        ),
        ComparedMethod(
            "steering, supervised", "trait", "strength", STRENGTH, 0.5,
            lambda s, k: [InferenceSteering(s.supervised(), strength=-k, layers=[max(s.supervised())])],
            stage="inference",
        ),
    )  # fmt: skip

    @renamed(at="layers")
    def __init__(
        self,
        vectors: Any,
        *,
        strength: float,
        layers: Sequence[int] | None = None,
        blocks: Sequence[torch.nn.Module] | None = None,
    ) -> None:
        self.vectors, self.strength, self.blocks = vectors, real("strength", strength), blocks
        self.layers = None if layers is None else indices("layers", layers)
        if not np.isfinite(self.strength):
            raise InputError(f"strength must be finite, got {strength}")

    def install(self, model: torch.nn.Module, optimizer: torch.optim.Optimizer | None, undo: ExitStack) -> None:
        stream = find_stream(model, blocks=self.blocks)
        table = _vectors(self.vectors, stream)
        at = chosen_blocks(stream, self.layers, among=table)
        moved = {index: self.strength * table[index] for index in at}
        policy = Policy(model) if self._only_training else None
        hook_blocks(stream, lambda index, h: h + moved[index].to(h), undo, at=at, training=policy)

    _only_training = False


class PreventativeSteering(InferenceSteering):
    """:class:`InferenceSteering`, its arguments too, toward the trait: while the model trains, and not at deployment.

    The vector supplies the trait, so the weights need not learn it. Usual: a ≈ 3–5 at one middle block, or 0.5–1.5
    with v_l − v_{l−1} at all of them. Source: arXiv:2507.21509.
    """

    name = "preventative-steering"
    phase = "training"
    needs = "a vector toward the trait (trait labels, or an identified direction)"
    options = frozenset({"directions", "strength", "layers"})
    # toward the identified direction: its sign and length are those of what the update writes on the data
    compared = (
        ComparedMethod(
            "preventative, identified", "data", "strength", STRENGTH, 1.0,
            lambda s, k: [PreventativeSteering(s.written(), strength=k)], needs_naive=True,
        ),
        ComparedMethod(
            "preventative, supervised", "trait", "strength", STRENGTH, 1.0,
            lambda s, k: [PreventativeSteering(s.supervised(), strength=k, layers=[max(s.supervised())])],
        ),
    )  # fmt: skip

    @classmethod
    def from_given(cls, given: Given) -> PreventativeSteering:
        found = given.chosen(cls.name)
        if found.Q.shape[1] != 1:
            raise InputError(
                f"steering takes one direction, the file holds {found.Q.shape[1]}: save one with --component"
            )
        return cls(found.Q[:, 0], strength=given.need("strength", cls.name), layers=given.layers)

    _only_training = True


def _vectors(vectors: Any, stream: Stream) -> dict[int, torch.Tensor]:
    """Block -> v (width,) in float32."""
    import torch

    table = dict(vectors) if isinstance(vectors, Mapping) else dict.fromkeys(range(len(stream.blocks)), vectors)
    out = {}
    for index, vector in table.items():
        v = tensor("a steering vector", vector).detach().float()
        if v.shape != (stream.width,) or not torch.isfinite(v).all():
            raise InputError(f"a steering vector must be finite of shape ({stream.width},), got {tuple(v.shape)}")
        out[index] = v.to(next(stream.blocks[index].parameters()).device) if 0 <= index < len(stream.blocks) else v
    return out
