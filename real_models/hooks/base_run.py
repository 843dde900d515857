"""The base model run beside each forward pass of a fine-tune, for methods that compare the two streams."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

from grasp_theory import InputError

from .gains import evaluating
from .references import Policy, without_adapters
from .targets import modules_named

if TYPE_CHECKING:
    import torch

_CACHES = ("cache", "past_key_values", "use_cache")  # as the decoders of transformers call it


class BaseRun:
    """Ahead of the decoder: the same model with its adapters off, in evaluation mode, on the same input.

    A decoder has one, found among its hooks, so that those who hold on to it do not run each other's base.

    Attributes:
        recording: the base is running; the blocks' hooks remember what they see in ``found``.
        found: block -> what was remembered, for the pass that comes; empty for a reference's.
    """

    def __init__(self, model: torch.nn.Module, decoder: torch.nn.Module) -> None:
        self.recording = False
        self.found: dict[torch.nn.Module, torch.Tensor] = {}
        self._model, self._decoder, self._policy = model, decoder, Policy(model)
        self._users = 0
        self._handle: Any = None

    def __deepcopy__(self, memo: dict[int, Any]) -> BaseRun:
        return self

    def __call__(self, decoder: torch.nn.Module, args: Any, kwargs: dict[str, Any]) -> None:
        import torch

        if self.recording:
            return
        self.found.clear()
        if not self._policy.runs(decoder, self._decoder):
            return
        _refuse(decoder, kwargs)
        self.recording = True
        try:
            with torch.no_grad(), without_adapters(self._model), evaluating(self._model):
                uncached = {name: value for name, value in kwargs.items() if name not in _CACHES}
                decoder(*args, **uncached, use_cache=False)
        finally:
            self.recording = False

    def add(self) -> None:
        """One more holds on to it."""
        self._users += 1
        if self._users == 1:
            self._handle = self._decoder.register_forward_pre_hook(self, with_kwargs=True)

    def drop(self) -> None:
        """One less."""
        self._users -= 1
        if not self._users:
            self._handle.remove()
            self.found.clear()


def base_run(model: torch.nn.Module, blocks: Sequence[torch.nn.Module], undo: ExitStack) -> BaseRun:
    """That of the decoder that runs these blocks, made if there is none."""
    decoder = _decoder(model, blocks)
    hooks = decoder._forward_pre_hooks.values()
    run = next((hook for hook in hooks if isinstance(hook, BaseRun)), None) or BaseRun(model, decoder)
    run.add()
    undo.callback(run.drop)
    return run


def _decoder(model: torch.nn.Module, blocks: Sequence[torch.nn.Module]) -> torch.nn.Module:
    """The innermost module that runs all the blocks: that which holds their list."""
    import torch

    every = set(blocks)
    holding = [
        module
        for _, module in modules_named(model)
        if not isinstance(module, torch.nn.ModuleList) and every <= set(module.modules())
    ]
    return min(holding, key=lambda module: sum(1 for _ in module.modules()))


def _refuse(decoder: torch.nn.Module, kwargs: dict[str, Any]) -> None:
    caches = [kwargs[name] for name in _CACHES[:2] if kwargs.get(name) is not None]
    if any(not hasattr(cache, "get_seq_length") or cache.get_seq_length() > 0 for cache in caches):
        raise InputError("hold runs the base model too, and has no cache for it: generate with use_cache=False")
    if decoder.training and getattr(decoder, "gradient_checkpointing", False):
        raise InputError("hold cannot act with gradient checkpointing, which runs blocks again: leave one of them off")
