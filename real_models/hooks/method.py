"""What a method is: something that can be attached to a model (and an optimizer) and taken off without a trace."""

from __future__ import annotations

import sys
from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, nullcontext
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from grasp_theory import InputError

if TYPE_CHECKING:
    import torch

    from ..comparison.compared import ComparedMethod
    from .callback import MethodCallback
    from .given import Given

Phase = Literal["training", "inference", "weights"]


class Method(ABC):
    """A removal method on a live model: one implementation, two faces.

    ``with method.attached(model, optimizer):`` for a loop of one's own, ``callbacks=[method.callback()]`` for the
    Trainer of transformers and trl. Both put hooks on the optimizer's step and on the decoder blocks and take them off
    again, whatever happens inside.

    A file of ``real_models/methods`` that defines one is all it takes: ``METHODS`` finds it there.

    Attributes:
        name, phase: as in ``grasp methods``.
        needs: what it is given beyond the fine-tuning run.
        guarantees: what holds exactly.
        needs_optimizer: whether it acts on the optimizer's step.
        projects: whether it has to be attached after methods that add to the gradients.
        options: fields of :class:`~real_models.hooks.given.Given` that ``from_given`` takes, None if ``grasp train``
            does not offer the method.
        compared: how ``grasp compare`` runs it.
    """

    name: ClassVar[str]
    phase: ClassVar[Phase] = "training"
    needs: ClassVar[str]
    guarantees: ClassVar[str]
    needs_optimizer: ClassVar[bool] = False
    projects: ClassVar[bool] = False
    options: ClassVar[frozenset[str] | None] = None
    compared: ClassVar[tuple[ComparedMethod, ...]] = ()
    _on = False

    @classmethod
    def from_given(cls, given: Given) -> Method:
        """The method as a user of the command line asks for it; InputError if something it needs was not given."""
        raise NotImplementedError(f"{cls.name} is not offered on the command line")

    def attach(self, model: torch.nn.Module, optimizer: Any = None) -> Attachment:
        """Put the method on; undone by ``Attachment.detach``.

        Args:
            optimizer: a torch optimizer, or what accelerate wraps around one.

        Under FSDP 2 every process attaches the same methods, in the same order, and so with ``leak``.

        Raises InputError if the method cannot act on this model, is on it already, or the model is sharded otherwise
        (FSDP 1, ZeRO) or offloaded (parameters on the meta device); the model is then as it was.
        """
        import torch

        from .sharded import reshard
        from .targets import unwrap_model, unwrap_optimizer

        module = unwrap_model(model)
        inner = unwrap_optimizer(optimizer)
        if self.needs_optimizer and inner is None:
            raise InputError(f"{self.name} acts on the optimizer's step: pass the optimizer too")
        if self._on:
            raise InputError(f"this {self.name} is attached already; detach it first, or make another one")
        # what is made here takes part in training, and tensors of inference mode cannot
        usual = torch.inference_mode(False) if torch.is_inference_mode_enabled() else nullcontext()
        with usual, ExitStack() as stack:
            _forget_compiled()
            stack.callback(_forget_compiled)
            reshard(module)
            self.install(module, inner, stack)
            self._on = True
            stack.callback(setattr, self, "_on", False)
            return Attachment(self, module, stack.pop_all())

    @abstractmethod
    def install(self, model: torch.nn.Module, optimizer: torch.optim.Optimizer | None, undo: ExitStack) -> None:
        """Check first, then put the hooks on; everything that undoes them goes on ``undo``."""

    @contextmanager
    def attached(self, model: torch.nn.Module, optimizer: Any = None) -> Iterator[Attachment]:
        """The method is on inside the block."""
        attachment = self.attach(model, optimizer)
        try:
            yield attachment
        finally:
            attachment.detach()

    def leak(self, model: torch.nn.Module) -> dict[str, float]:
        """What the update does that the method forbids, by name, relative to its size; nothing by default."""
        return {}

    def prepare(self, messages: list[dict[str, Any]]) -> list[dict[str, Any]]:
        """The conversation to train on in place of this one; the same one, but for methods that act on the prompts."""
        return messages

    def mixed(self, rows: Sequence[Any], *, seed: int) -> Sequence[Any]:
        """The rows to train on in place of these; the same ones, but for methods that put others beside them.

        Args:
            rows: encoded, one entry each, of whatever kind the training takes.
            seed: that of the training.
        """
        return rows

    def progress(self, share: float) -> None:  # noqa: B027 (most methods have no schedule)
        """Told by the callback how much of the training is done (0 … 1); for methods with a schedule."""

    def step(self, number: int) -> None:  # noqa: B027 (most methods do the same in every step)
        """Told by the callback which step comes, counted from 0 over interruptions; for methods that take turns."""

    def callback(self) -> MethodCallback:
        """The same for ``Trainer(..., callbacks=[...])``: on while it trains, the leak in its log."""
        from .callback import MethodCallback

        return MethodCallback(self)


class Attachment:
    """A method on a model. ``detach`` takes it off; a second time does nothing.

    Args:
        method, model: which, and on what.
        undo: what takes its hooks off.
    """

    def __init__(self, method: Method, model: torch.nn.Module, undo: ExitStack) -> None:
        self.method, self._model, self._undo = method, model, undo

    def detach(self) -> None:
        """Take every hook off."""
        self._undo.close()

    def leak(self) -> dict[str, float]:
        """``Method.leak`` of the model it is on."""
        return self.method.leak(self._model)


def _forget_compiled() -> None:
    """torch.compile does not look for hooks again: what was compiled, by whatever handle, is forgotten."""
    compiler = sys.modules.get("torch._dynamo")
    if compiler is not None:
        compiler.reset()
