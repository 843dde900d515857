"""Projections of the residual stream at a block: one hook for all of them, which acts on their joint span."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from . import linalg
from .bases import joint_basis, remove_part
from .stream import Stream, stream_output, with_stream

if TYPE_CHECKING:
    import torch

    from .base_run import BaseRun
    from .references import Policy


@dataclass(frozen=True, eq=False)
class Span:
    """Q (width, k) out of the stream's gradient, and, unless ``gradient``, out of the stream itself.

    Attributes:
        training: only while the block is in training mode and runs what is trained, not a reference.
        base: not taken out, but held at what the stream is in the base model.
    """

    Q: torch.Tensor
    training: Policy | None
    gradient: bool
    base: BaseRun | None = None


class StreamProjection:
    """h <- h − (h Q) Qᵀ, Q all that is taken out of the stream; its gradient loses that and what only gradients lose.

    One after the other would not do: what a second projection takes out has a part along the first one's directions.
    What is held, of the rest of the span: h <- h − ((h − h_base) R) Rᵀ, R orthonormal and orthogonal to Q.
    """

    def __init__(self, block: torch.nn.Module) -> None:
        self._block = block
        self._spans: tuple[Span, ...] = ()
        self._joint: dict[tuple[Span, ...], tuple[torch.Tensor | None, torch.Tensor | None]] = {}
        self._rest: dict[tuple[Span, ...], torch.Tensor] = {}
        self._all: torch.Tensor | None = None
        self._handle: Any = None

    def __deepcopy__(self, memo: dict[int, Any]) -> StreamProjection:
        return self

    def __call__(self, module: torch.nn.Module, args: Any, output: Any) -> Any:
        from .gradient import without_gradient

        here = tuple(
            s for s in self._spans if s.base is None and (s.training is None or self._trains(module, s.training))
        )
        run = next((s.base for s in self._spans if s.base is not None), None)
        holding = run is not None and module is self._block and (run.recording or module in run.found)
        stream, gradient = self._bases(here)
        if stream is None and gradient is None and not holding:
            return None
        h = stream_output(output)
        if gradient is not None:
            h = without_gradient(h, gradient)
        if stream is not None:
            h = remove_part(h, stream)
        if run is not None and holding:
            if run.recording:
                run.found[module] = _coordinates(h, self._every())
            else:
                h = self._held(h, run.found[module], here)
        return with_stream(output, h)

    def _bases(self, here: tuple[Span, ...]) -> tuple[torch.Tensor | None, torch.Tensor | None]:
        """What is taken out of the stream, and out of its gradient."""
        if here not in self._joint:
            gradient = _joint([s.Q for s in here]) if any(s.gradient for s in here) else None
            self._joint[here] = _joint([s.Q for s in here if not s.gradient]), gradient
        return self._joint[here]

    def _every(self) -> torch.Tensor:
        """The basis in which the base's stream is remembered: all that is held or taken out, at any time."""
        if self._all is None:
            self._all = _joined([s.Q for s in self._spans if not s.gradient])
        return self._all

    def _held(self, h: torch.Tensor, base: torch.Tensor, here: tuple[Span, ...]) -> torch.Tensor:
        """h with the base's coordinates in the place of its own, on what is held and not taken out ``here``."""
        import torch

        if here not in self._rest:
            held = _joined([s.Q for s in self._spans if s.base is not None])
            taken = [s.Q for s in here if not s.gradient]
            self._rest[here] = _off(held, _joined(taken)) if taken else held
        R = self._rest[here].to(h.device)
        with torch.autocast(h.device.type, enabled=False):
            every = self._every()
            target = base if R is every else base @ (every.to(base).T @ R.to(base))
            change = target - _coordinates(h, R)
            return h + (change @ R.to(change).T).to(h)

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
        self._rest.clear()
        self._all = None
        taken = tuple(s for s in spans if s.base is None)
        # now: torch.compile would compile again what it saw this made in
        self._bases(taken)
        self._bases(tuple(s for s in taken if s.training is None))

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
    base: BaseRun | None = None,
) -> None:
    """Take Q of each of these blocks out of the stream at its output, or (``gradient``) out of the gradient there.

    With ``base`` it is held at what it is in the base model. In every order of attaching and detaching it acts on the
    joint span of all that are on. Other hooks on a block (steering) come before, if they were there when the last
    projection was attached.
    """
    for index in at:
        block, span = stream.blocks[index], Span(bases[index], training, gradient, base)
        hooks = block._forward_hooks.values()
        one = next((hook for hook in hooks if isinstance(hook, StreamProjection)), None) or StreamProjection(block)
        one.add(span)
        undo.callback(one.drop, span)


def _joined(spans: list[torch.Tensor]) -> torch.Tensor:
    """An orthonormal basis of what they span together; the very one if there is one."""
    return spans[0] if len(spans) == 1 else joint_basis(spans).to(spans[0])


def _off(Q: torch.Tensor, P: torch.Tensor) -> torch.Tensor:
    """An orthonormal basis of what the span of Q and P together has beside that of P."""
    both = _joined([P, Q]).double()
    further = both.shape[1] - P.shape[1]
    rest = both - P.double() @ (P.double().T @ both)  # its singular values are 1, so many, and 0
    return linalg.svd(rest)[0][:, :further].to(Q)


def _joint(spans: list[torch.Tensor]) -> torch.Tensor | None:
    return _joined(spans) if spans else None


def _coordinates(h: torch.Tensor, Q: torch.Tensor) -> torch.Tensor:
    """h Q, in float32 (float64 for float64), under autocast too."""
    import torch

    exact = torch.promote_types(h.dtype, Q.dtype)
    with torch.autocast(h.device.type, enabled=False):
        return h.to(exact) @ Q.to(device=h.device, dtype=exact)
