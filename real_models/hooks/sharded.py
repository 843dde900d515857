"""Parameters that FSDP2 has cut into rows, one part in each process: what is here, and what all of them make together.

``fully_shard`` turns each parameter into a DTensor, sharded on dimension 0, and leaves activations as they were.
Between steps a module holds its part; while a block runs it holds the whole parameter, an ordinary tensor. What is said
here of processes is true of those that share the parameter; replicas of them (HSDP) do the same beside them.

Every function takes whole tensors too, and is then the identity. Functions that talk to other processes say so: all of
them have to be called by all processes, in the same order.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from grasp_theory import InputError

if TYPE_CHECKING:
    import torch


def is_sharded(x: Any) -> bool:
    """Whether x is a DTensor, of which this process holds a part."""
    return hasattr(x, "placements")


def here(x: torch.Tensor) -> torch.Tensor:
    """The part of x that this process holds, sharing its memory."""
    found: Any = x
    return found.to_local() if is_sharded(x) else x


def whole(x: torch.Tensor) -> torch.Tensor:
    """All of x, in every process. Cost: one all-gather."""
    found: Any = x
    return found.full_tensor() if is_sharded(x) else x


def cut(values: torch.Tensor, x: torch.Tensor) -> torch.Tensor:
    """Whole values (the same in every process) as a tensor that is sharded as x is; nothing is sent."""
    if not is_sharded(x):
        return values
    from torch.distributed.tensor import DTensor, Replicate

    found: Any = x
    everywhere = DTensor.from_local(values, found.device_mesh, [Replicate()] * found.device_mesh.ndim, run_check=False)
    return everywhere.redistribute(placements=found.placements)


def summed(part: torch.Tensor, x: torch.Tensor) -> torch.Tensor:
    """Σ of each process's part, in every process. Cost: one all-reduce."""
    if not is_sharded(x):
        return part
    from torch.distributed.tensor import DTensor, Partial, Replicate

    found: Any = x
    placements = [Partial() if placement.is_shard() else Replicate() for placement in found.placements]
    return DTensor.from_local(part, found.device_mesh, placements, run_check=False).full_tensor()


def agreed(values: torch.Tensor, x: torch.Tensor) -> torch.Tensor:
    """The values of the first process, in every process. Cost: one broadcast.

    Processes on unlike machines may decompose the same matrix with other signs, and their rows then do not fit.
    """
    if not is_sharded(x):
        return values
    from torch.distributed.tensor import Replicate, distribute_tensor

    found: Any = x
    return distribute_tensor(values, found.device_mesh, [Replicate()] * found.device_mesh.ndim).to_local()


def gradients(loss: torch.Tensor, parameters: Sequence[torch.nn.Parameter]) -> list[torch.Tensor | None]:
    """∂loss/∂p of each; ``p.grad`` is left as it was. None where the loss does not depend on p.

    By ``autograd.grad``, which sets off no hook of DistributedDataParallel. The graph of a sharded model ends at whole
    parameters, not at these; there a backward pass reduces them, to the mean over processes. Nothing else may be
    trained than ``parameters``, whose gradients would be added to.
    """
    import torch

    if not any(is_sharded(p) for p in parameters):
        return list(torch.autograd.grad(loss, list(parameters), allow_unused=True))
    before = [p.grad for p in parameters]
    for p in parameters:
        p.grad = None
    try:
        loss.backward()
        return [p.grad for p in parameters]
    finally:
        for p, gradient in zip(parameters, before, strict=True):
            p.grad = gradient


def reshard(model: torch.nn.Module) -> None:
    """Every module holds its part again: a forward pass without a backward pass leaves the outermost whole."""
    for module in model.modules():
        if is_fsdp(module):
            found: Any = module
            found.reshard()


def is_fsdp(module: torch.nn.Module) -> bool:
    """Whether ``fully_shard`` was called on the module, which changes its class."""
    return any(kind.__name__ == "FSDPModule" for kind in type(module).__mro__)


def refuse_other_shards(model: torch.nn.Module) -> None:
    """InputError for a model of which ``fully_shard`` is not all that has cut it, and for offloaded parameters.

    Tensor parallelism cuts frozen weights too, by rows and by columns, and activations with them.
    """
    by_fsdp = any(map(is_fsdp, model.modules()))
    for name, parameter in model.named_parameters():
        if not is_sharded(parameter):
            continue
        found: Any = parameter
        cuts = [placement for placement in found.placements if type(placement).__name__ != "Replicate"]
        rows = all(type(placement).__name__ == "Shard" and placement.dim == 0 for placement in cuts)
        if cuts and not (by_fsdp and len(cuts) == 1 and (rows or not parameter.requires_grad)):
            raise InputError(
                f"{name} is sharded as {found.placements}, and the methods know parameters that are cut into rows "
                "(Shard(0), by fully_shard), replicated or not: train without tensor parallelism"
            )
        if parameter.requires_grad and parameter.device.type != found.device_mesh.device_type:
            raise InputError(
                f"{name} is kept on {parameter.device.type} and computed on {found.device_mesh.device_type}: offloaded "
                "parameters are not supported, set fsdp_offload_params to false"
            )
