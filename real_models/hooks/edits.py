"""Projections of the residual stream at a block: one hook for all of them, which acts on their joint span."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from .bases import joint_basis, remove_part
from .stream import Stream, stream_output, with_stream

if TYPE_CHECKING:
    import torch

    from .references import Policy


@dataclass(frozen=True, eq=False)
class Span:
    """Q (width, k) out of the stream's gradient, and, unless ``gradient``, out of the stream itself.

    Attributes:
        training: only while the block is in training mode and runs what is trained, not a reference.
    """

    Q: torch.Tensor
    training: Policy | None
    gradient: bool


class StreamProjection:
    """h <- h − (h Q) Qᵀ, Q all that is taken out of the stream; its gradient loses that and what only gradients lose.

    One after the other would not do: what a second projection takes out has a part along the first one's directions.
    """

    def __init__(self, block: torch.nn.Module) -> None:
        self._block = block
        self._spans: tuple[Span, ...] = ()
        self._joint: dict[tuple[Span, ...], tuple[torch.Tensor | None, torch.Tensor | None]] = {}
        self._handle: Any = None

    def __deepcopy__(self, memo: dict[int, Any]) -> StreamProjection:
        return self

    def __call__(self, module: torch.nn.Module, args: Any, output: Any) -> Any:
        from .gradient import without_gradient

        here = tuple(s for s in self._spans if s.training is None or self._trains(module, s.training))
        if here not in self._joint:
            gradient = _joint([s.Q for s in here]) if any(s.gradient for s in here) else None
            self._joint[here] = _joint([s.Q for s in here if not s.gradient]), gradient
        stream, gradient = self._joint[here]
        if stream is None and gradient is None:
            return None
        h = stream_output(output)
        if gradient is not None:
            h = without_gradient(h, gradient)
        if stream is not None:
            h = remove_part(h, stream)
        return with_stream(output, h)

    def add(self, span: Span) -> None:
        """Act on it too, behind all hooks that the block has."""
        self._change((*self._spans, span))
        if self._handle is not None:
            self._handle.remove()
        self._handle = self._block.register_forward_hook(self)

    def drop(self, span: Span) -> None:
        """No longer on it."""
        self._change(tuple(s for s in self._spans if s is not span))
        if not self._spans:
            self._handle.remove()

    def _change(self, spans: tuple[Span, ...]) -> None:
        self._spans = spans
        self._joint.clear()

    def _trains(self, module: torch.nn.Module, policy: Policy) -> bool:
        return module.training and policy.runs(module, self._block)


def project_stream(
    stream: Stream,
    bases: Mapping[int, torch.Tensor],
    undo: ExitStack,
    *,
    at: Iterable[int],
    training: Policy | None = None,
    gradient: bool = False,
) -> None:
    """Take Q of each of these blocks out of the stream at its output, or (``gradient``) out of the gradient there.

    In every order of attaching and detaching it acts on the joint span of all that are on. Other hooks on a block
    (steering) come before, if they were there when the last projection was attached.
    """
    for index in at:
        block, span = stream.blocks[index], Span(bases[index], training, gradient)
        hooks = block._forward_hooks.values()
        one = next((hook for hook in hooks if isinstance(hook, StreamProjection)), None) or StreamProjection(block)
        one.add(span)
        undo.callback(one.drop, span)


def _joint(spans: list[torch.Tensor]) -> torch.Tensor | None:
    if len(spans) < 2:
        return spans[0] if spans else None
    return joint_basis(spans).to(spans[0])
