"""Hold: along the directions the stream stays what it is in the base model, whichever modules would move it."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

from grasp_theory import InputError

from ..comparison.compared import SPAN, Compared
from ..hooks.gains import evaluating
from ..hooks.placed import StreamMethod
from ..hooks.references import Policy, without_adapters
from ..hooks.stream import stream_output, with_stream
from ..hooks.targets import modules_named

if TYPE_CHECKING:
    import torch

_CACHES = ("cache", "past_key_values", "use_cache")  # as the decoders of transformers call it


class Hold(StreamMethod):
    """h <- h − ((h − h_base) Q) Qᵀ at the output of the chosen blocks, at every position, whenever the model runs.

    h_base is the stream of the base model on the same input: the same model with its adapters off, run beside it. So
    h Q = h_base Q there. What the pretrained model says along Q stays, which ablation takes away; what the update says
    along Q goes, whether its write modules put it there or its read modules had the frozen ones put it there, which no
    projection of the update can promise (a part of dW in a module that reads the stream reaches every direction that
    the frozen module behind it writes).

    Other methods on the same blocks act in both runs. Reference runs (adapters off) are left as they are. Cost: a
    forward pass more for each, without gradient; no cache of keys and values is kept for it.

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
        Compared(
            "hold", "weights", "components", SPAN, 8.0, lambda s, k: [Hold(s.top(int(k)))],
            stage="inference", needs_naive=True,
        ),
        Compared(
            "hold, random", "weights", "components", SPAN, 8.0, lambda s, k: [Hold(s.random(int(k)))],
            stage="inference", control=True,
        ),
        Compared(
            "hold, supervised", "trait", "none", (1.0,), 1.0, lambda s, _: [Hold(s.supervised())],
            stage="inference", control=True,
        ),
    )  # fmt: skip

    def install(self, model: torch.nn.Module, optimizer: torch.optim.Optimizer | None, undo: ExitStack) -> None:
        stream, bases = self.placed(model)
        with without_adapters(model):  # refuses what is no peft model
            pass
        decoder = _decoder(model, stream.blocks)
        run = _Run(model, decoder, {stream.blocks[index]: Q for index, Q in bases.items()})
        undo.callback(run.base.clear)
        undo.callback(decoder.register_forward_pre_hook(run.before, with_kwargs=True).remove)
        for block in run.held:
            undo.callback(block.register_forward_hook(run.after).remove)


class _Run:
    """The two passes of one forward call. base : block -> h_base Q (n, t, k)."""

    def __init__(
        self, model: torch.nn.Module, decoder: torch.nn.Module, held: dict[torch.nn.Module, torch.Tensor]
    ) -> None:
        self._model, self._decoder, self.held = model, decoder, held
        self.base: dict[torch.nn.Module, torch.Tensor] = {}
        self._policy, self._is_base = Policy(model), False

    def __deepcopy__(self, memo: dict[int, Any]) -> _Run:
        return self

    def before(self, decoder: torch.nn.Module, args: Any, kwargs: dict[str, Any]) -> None:
        """Ahead of the decoder: the base's stream on what it is given."""
        import torch

        if self._is_base:
            return
        self.base.clear()
        if not self._policy.runs(decoder, self._decoder):
            return
        _refuse(decoder, kwargs)
        self._is_base = True
        try:
            with torch.no_grad(), without_adapters(self._model), evaluating(self._model):
                uncached = {name: value for name, value in kwargs.items() if name not in _CACHES}
                decoder(*args, **uncached, use_cache=False)
        finally:
            self._is_base = False

    def after(self, block: torch.nn.Module, args: Any, output: Any) -> Any:
        """Behind a block: remember the base's coordinates, or put them in the place of these."""
        if block not in self.held or (not self._is_base and block not in self.base):
            return None
        import torch

        h = stream_output(output)
        Q = self.held[block].to(device=h.device)
        exact = torch.promote_types(h.dtype, Q.dtype)
        found = h.to(exact) @ Q.to(exact)
        if self._is_base:
            self.base[block] = found
            return None
        return with_stream(output, h + ((self.base[block] - found) @ Q.to(exact).T).to(h))


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
