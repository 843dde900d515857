"""Directions as a user gives them, made into one orthonormal basis for each place they act at."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from grasp_theory import InputError, Subspace

from ..arguments import span
from ..directions import Directions, may_be_one_model

if TYPE_CHECKING:
    import torch

    from .stream import Stream

# Directions, Subspace, array or tensor (d,) or (d, k), or a mapping from block (or module) to one of these
Choice = Any


def stream_bases(choice: Choice, stream: Stream, model: torch.nn.Module) -> dict[int, torch.Tensor]:
    """Block -> Q (width, k), orthonormal columns in float32, from one choice for all blocks or one for each.

    Raises InputError for directions of another width, side or base model, and for blocks that there are not.
    """
    if isinstance(choice, Mapping):
        if not choice:
            raise InputError("no direction was given: the mapping from blocks to directions is empty")
        unknown = sorted(set(choice) - set(range(len(stream.blocks))), key=str)
        if unknown:
            raise InputError(f"there are directions for blocks {unknown}, but blocks 0 … {len(stream.blocks) - 1} only")
        bases = {index: basis(one, stream.width, model, side="write") for index, one in choice.items()}
    else:
        bases = dict.fromkeys(range(len(stream.blocks)), basis(choice, stream.width, model, side="write"))
    return {index: Q.to(next(stream.blocks[index].parameters()).device) for index, Q in bases.items()}


def basis(choice: Choice, width: int, model: torch.nn.Module, *, side: str) -> torch.Tensor:
    """Q (width, k) of one choice. Raises InputError for another side, width or base model, and for no direction."""
    import torch

    if isinstance(choice, Directions):
        if choice.side != side:
            raise InputError(
                f"the directions are of the {choice.side} side ({choice.hook_point}), and this acts on the {side} "
                f"side: identify with --side {side}"
            )
        _check_base(choice, model)
        choice = choice.subspace
    Q = (choice if isinstance(choice, Subspace) else span("directions", choice)).basis
    if Q.shape[0] != width:
        raise InputError(f"the directions live in {Q.shape[0]} dimensions, but here there are {width}: another model?")
    if Q.shape[1] == 0:
        raise InputError("no direction was given: the basis has no (independent) column")
    return torch.from_numpy(Q.astype(np.float32))


def joint_basis(bases: Sequence[torch.Tensor]) -> torch.Tensor:
    """Q (d, k), orthonormal columns in float64, of what these columns span together; on the device of the first.

    A direction that several of them hold counts once: which are independent is judged in the type of the first.
    """
    import torch

    every = torch.cat([Q.to(bases[0]) for Q in bases], dim=1)
    return torch.from_numpy(span("directions", every).basis).to(every.device)


def remove_part(
    x: torch.Tensor, Q: torch.Tensor, *, total: Callable[[torch.Tensor], torch.Tensor] | None = None
) -> torch.Tensor:
    """x − (x Q) Qᵀ for rows x (…, width), in the type of x; computed in float32 (float64 for float64).

    Under autocast too, which would do the products in bfloat16.

    Args:
        total: x Q from the part of it that x and Q give, where both are only some of the columns.
    """
    import torch

    if torch.is_autocast_enabled(x.device.type):
        with torch.autocast(x.device.type, enabled=False):
            return remove_part(x, Q, total=total)
    work = x if x.dtype in (torch.float32, torch.float64) else x.float()
    Q = Q.to(work)
    part = work @ Q
    return (work - (part if total is None else total(part)) @ Q.T).to(x.dtype)


def _check_base(directions: Directions, model: torch.nn.Module) -> None:
    here = getattr(getattr(model, "config", None), "_name_or_path", None)
    if not may_be_one_model(here, directions.base_model):
        raise InputError(
            f"the directions were identified on {directions.base_model!r}, the model is {here!r}; if it is the same "
            "model under another name, pass directions.subspace"
        )
