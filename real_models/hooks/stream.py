"""The residual stream of a model: its decoder blocks, its width, and hooks on it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from grasp_theory import InputError

from ..arguments import listed
from .targets import modules_named, text_config

if TYPE_CHECKING:
    import torch

    from .references import Policy

_SIZES = ("num_hidden_layers", "n_layer", "num_layers")


@dataclass(frozen=True, eq=False)
class Stream:
    """The residual stream of a model.

    Attributes:
        blocks: the decoder blocks in order.
        width: the dimension of the stream.
    """

    blocks: tuple[torch.nn.Module, ...]
    width: int


def find_stream(model: torch.nn.Module, *, blocks: Sequence[torch.nn.Module] | None = None) -> Stream:
    """The decoder blocks: the one list of modules as long as the configuration says there are layers.

    Works from the structure alone, for any causal LM of transformers. Raises InputError, naming what to pass, for
    encoder-decoder models, if there is no such list or more than one.
    """
    import torch

    config = text_config(model)
    width = getattr(config, "hidden_size", None)
    if width is None:
        raise InputError(f"{type(model).__name__} has no config.hidden_size, so the width of its stream is not known")
    if blocks is not None:
        return Stream(_modules(blocks), int(width))
    if getattr(config, "is_encoder_decoder", False):
        raise InputError("an encoder-decoder model has two streams: pass blocks=model.….decoder.layers")
    count = next((getattr(config, name) for name in _SIZES if getattr(config, name, None)), None)
    lists = [
        (name, module)
        for name, module in modules_named(model)
        if isinstance(module, torch.nn.ModuleList) and len(module) == count and len({type(m) for m in module}) <= 2
    ]
    depth = min((name.count(".") for name, _ in lists), default=0)
    outermost = [(name, module) for name, module in lists if name.count(".") == depth]
    if len(outermost) != 1:
        seen = ", ".join(name for name, _ in outermost) or "none"
        raise InputError(
            f"the decoder blocks of {type(model).__name__} are not known: expected one list of {count} modules, found "
            f"{seen}; pass blocks=model.….layers"
        )
    return Stream(tuple(outermost[0][1]), int(width))


def _modules(blocks: Sequence[torch.nn.Module]) -> tuple[torch.nn.Module, ...]:
    import torch

    found = listed("blocks", blocks, "decoder blocks")
    if not found or not all(isinstance(block, torch.nn.Module) for block in found):
        raise InputError(f"blocks must be a list of decoder blocks, such as model.….layers, got {blocks!r:.60}")
    return found


def blocks_of(stream: Stream) -> dict[torch.nn.Module, list[int]]:
    """The blocks each module lies in: more than one for a module that blocks share, none for those outside."""
    places: dict[torch.nn.Module, list[int]] = {}
    for index, block in enumerate(stream.blocks):
        for module in block.modules():
            places.setdefault(module, []).append(index)
    return places


def stream_input(args: tuple[Any, ...], kwargs: dict[str, Any]) -> torch.Tensor:
    """The stream among a block's arguments."""
    return args[0] if args else kwargs["hidden_states"]


def stream_output(output: Any) -> torch.Tensor:
    """The stream in what a block returns, a tensor or a tuple that starts with it."""
    return output[0] if isinstance(output, (tuple, list)) else output


def with_stream(output: Any, h: torch.Tensor) -> Any:
    """What the block returns, with another stream."""
    return (h, *output[1:]) if isinstance(output, (tuple, list)) else h


def hook_blocks(
    stream: Stream,
    change: Callable[[int, torch.Tensor], torch.Tensor],
    undo: ExitStack,
    *,
    at: Iterable[int],
    training: Policy | None = None,
) -> None:
    """``change(block, h)`` takes the place of the stream h at the output of each of these blocks.

    Args:
        training: only while the block is in training mode and runs what is trained, not a reference.
    """
    for index in at:

        def hook(module: torch.nn.Module, args: Any, output: Any, index: int = index) -> Any:
            if training and not (module.training and training.runs(module, stream.blocks[index])):
                return None
            return with_stream(output, change(index, stream_output(output)))

        undo.callback(stream.blocks[index].register_forward_hook(hook).remove)


def stream_outputs(model: torch.nn.Module, batch: Mapping[str, torch.Tensor]) -> list[torch.Tensor]:
    """The stream (n, t, width) at the output of every block, in order, on a batch; without gradient."""
    import torch

    found: dict[int, torch.Tensor] = {}

    def keep(index: int, h: torch.Tensor) -> torch.Tensor:
        found[index] = h
        return h

    with ExitStack() as undo, torch.no_grad():
        stream = find_stream(model)
        hook_blocks(stream, keep, undo, at=range(len(stream.blocks)))
        model(**batch)
    return [found[index] for index in sorted(found)]


def chosen_blocks(stream: Stream, layers: Sequence[int] | None, *, among: Mapping[int, Any]) -> list[int]:
    """Block indices a user named, or all that there is something for. InputError for others."""
    wanted = sorted(among if layers is None else set(layers))
    wrong = [index for index in wanted if index not in among or not 0 <= index < len(stream.blocks)]
    if wrong or not wanted:
        raise InputError(
            f"no block {wrong or layers}: choose among 0 … {len(stream.blocks) - 1} (those with a direction)"
        )
    return wanted
