"""What a method on the stream is asked for: directions, and the blocks that it acts at."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from ..arguments import indices
from .bases import Choice, stream_bases
from .method import Method
from .stream import Stream, chosen_blocks, find_stream

if TYPE_CHECKING:
    import torch


class StreamMethod(Method):
    """A method that acts on directions of the stream at the output of chosen blocks."""

    def __init__(
        self,
        directions: Choice,
        *,
        layers: Sequence[int] | None = None,
        blocks: Sequence[torch.nn.Module] | None = None,
    ) -> None:
        self.directions, self.blocks = directions, blocks
        self.layers = None if layers is None else indices("layers", layers)

    def placed(self, model: torch.nn.Module) -> tuple[Stream, dict[int, torch.Tensor]]:
        """(the stream, chosen block -> Q); InputError as :func:`stream_bases` and :func:`chosen_blocks`."""
        stream = find_stream(model, blocks=self.blocks)
        bases = stream_bases(self.directions, stream, model)
        return stream, {index: bases[index] for index in chosen_blocks(stream, self.layers, among=bases)}
