"""What a writing module adds to the residual stream: its output, or what a norm makes of it. Found by experiment."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, Any

from grasp_theory import InputError

from ..adapters.sides import side_of
from .stream import Stream, stream_input, stream_output, with_stream

if TYPE_CHECKING:
    import torch

Writer = tuple[int, str, "torch.nn.Module"]  # block, name inside the block, module


def output_gains(model: torch.nn.Module, stream: Stream) -> dict[torch.nn.Module, torch.Tensor]:
    """Law: a writer with output y adds a y to the stream, or g * y / rms(y) where a norm follows.

    Asked of the model, not of the names of its norms. All writers are silenced but those of one kind, which are made
    to give a vector of signs s; what arrives at the block's output is then a s for a pre-norm block (s and 2s arrive
    in proportion), and g * s for a norm after the branch (s and 2s arrive alike: Gemma 2 and 3, OLMo 2).

    Returns the writers of the second sort with their gain g (width,), float32 on the CPU.
    Raises InputError for blocks in which neither holds: a norm after the residual sum (BERT, RoBERTa and other post-LN
    encoders) has no additive stream. Cost: four forward passes on two tokens for each kind of writer; after
    ``model.compile()`` they run uncompiled (torch 2.6 and later), and make no graph that would never be used again.
    """
    import torch

    writers = list(_writers(stream))
    if not writers:
        raise InputError(
            f"no module in the blocks of {type(model).__name__} is known to write the residual stream by its name "
            "(o_proj, down_proj, dense, c_proj, fc2, …), so nothing can be projected on the write side"
        )
    with torch.device("cpu"):  # whatever torch.set_default_device says
        generator = torch.Generator().manual_seed(0)
        s = torch.ones(stream.width, dtype=torch.float32)
        s[torch.randperm(stream.width, generator=generator)[: stream.width // 2]] = -1
        other = torch.where(torch.rand(stream.width, generator=generator) < 0.3, -1.0, 1.0)
    silent = _written(model, stream, writers, None, s)
    gains: dict[torch.nn.Module, torch.Tensor | None] = {}
    for kind in dict.fromkeys(kind for _, kind, _ in writers):
        once, twice, third = (_written(model, stream, writers, kind, x) for x in (s, 2 * s, other))
        for block, _, module in (w for w in writers if w[1] == kind):
            response = [x[block] - silent[block] for x in (once, twice, third)]
            gain = _gain(response, s, other, _precision(module), f"{kind} of block {block}")
            if module in gains and not _same(gains[module], gain):
                raise InputError(f"{kind} of block {block} is shared with another block, behind another norm; untie it")
            gains[module] = gain
    return {module: gain for module, gain in gains.items() if gain is not None}


def _same(a: torch.Tensor | None, b: torch.Tensor | None) -> bool:
    if a is None or b is None:
        return a is b
    return float((a - b).abs().max()) <= 1e-4 * float(a.abs().max())


def _gain(
    response: list[torch.Tensor], s: torch.Tensor, other: torch.Tensor, precision: float, where: str
) -> torch.Tensor | None:
    import torch

    once, twice, third = response
    scale = float(once.abs().max())
    if scale == 0 or not torch.isfinite(once).all():
        raise InputError(f"{where} does not reach the output of its block; pass gains={{}} if nothing follows it")

    def near(a: torch.Tensor, b: torch.Tensor) -> bool:
        return float((a - b).abs().max()) <= precision * float(b.abs().max())

    factor = float((once * s).mean())
    if near(once, factor * s) and near(twice, 2 * factor * s) and near(third, factor * other):
        return None
    if near(twice, once) and near(third * other, once * s):
        return once * s
    raise InputError(
        f"{where}: what it writes does not arrive at the block's output as it is, nor through a norm of its own. In a "
        "post-LN encoder (BERT, RoBERTa) the norm comes after the residual sum, and no projection of weights keeps a "
        "direction out of the stream; pass gains={} if you know that nothing follows it"
    )


def _precision(module: torch.nn.Module) -> float:
    """Relative: 64 units in the last place of the model's floating point type (sums of a few terms, one norm)."""
    import torch

    kinds = [p.dtype for p in module.parameters() if p.dtype.is_floating_point]
    return 64 * max(torch.finfo(kind).eps for kind in kinds or [torch.float32]) + 1e-4


def _written(
    model: torch.nn.Module, stream: Stream, writers: list[Writer], kind: str | None, signs: torch.Tensor
) -> list[torch.Tensor]:
    """(width,) output minus input of every block, the writers of a kind replaced by these signs, the others by 0."""
    import torch

    found: dict[int, torch.Tensor] = {}
    with ExitStack() as stack, torch.no_grad():
        stack.enter_context(evaluating(model))
        if hasattr(torch.compiler, "set_stance"):
            stack.enter_context(torch.compiler.set_stance("force_eager"))
        for _, name, module in writers:
            hook = _replaced_by(signs if name == kind else 0 * signs)
            stack.callback(module.register_forward_hook(hook).remove)
        for module in (m for block in stream.blocks for m in _others(block, {w for _, _, w in writers})):
            stack.callback(module.register_forward_hook(_silenced).remove)
        for index, block in enumerate(stream.blocks):

            def look(module: Any, args: Any, kwargs: Any, output: Any, index: int = index) -> None:
                change = stream_output(output).float() - stream_input(args, kwargs).float()
                found[index] = change.cpu().reshape(-1, change.shape[-1])[-1]

            # first of its hooks: what methods that are on already make of the block's output is not its own
            stack.callback(block.register_forward_hook(look, with_kwargs=True, prepend=True).remove)
        weight = model.get_input_embeddings().weight  # pyright: ignore
        zeros = torch.zeros(1, 2, weight.shape[1], dtype=weight.dtype, device=weight.device)
        try:
            model(inputs_embeds=zeros)
        except (TypeError, ValueError, RuntimeError, KeyError) as error:
            message = f"{type(model).__name__} does not run on inputs_embeds ({error}); pass gains={{}}"
            raise InputError(message) from error
    if set(found) != set(range(len(stream.blocks))):
        raise InputError("not every decoder block was run by the model; pass blocks=model.….layers")
    return [found[index] for index in range(len(stream.blocks))]


def _replaced_by(signs: torch.Tensor) -> Callable[..., Any]:
    def hook(module: Any, args: Any, output: Any) -> Any:
        return signs.to(output).expand_as(output).clone()

    return hook


def _silenced(module: Any, args: Any, output: Any) -> Any:
    return with_stream(output, 0 * stream_output(output))


def _others(module: torch.nn.Module, writers: set[torch.nn.Module]) -> Iterator[torch.nn.Module]:
    """The outermost modules with weight matrices and no known writer inside: fused experts may write unnamed."""
    for child in module.children():
        if child in writers:
            continue
        if writers.intersection(child.modules()):
            yield from _others(child, writers)
        elif any(p.ndim > 1 for p in child.parameters()):
            yield child


def _writers(stream: Stream) -> Iterator[Writer]:
    """The outermost modules of each block that write the stream by their name."""
    for index, block in enumerate(stream.blocks):
        inside: set[torch.nn.Module] = set()
        for name, module in block.named_modules():
            if module is not block and module not in inside and name and side_of(name) == "write":
                inside.update(module.modules())
                yield index, name, module


@contextmanager
def evaluating(model: torch.nn.Module) -> Iterator[None]:
    """Evaluation mode inside; every module's own mode again after."""
    modes = [(module, module.training) for module in model.modules()]
    model.eval()
    try:
        yield
    finally:
        for module, mode in modes:
            module.training = mode
