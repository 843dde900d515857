"""What an edit did to each module, measured on the two adapters as they are stored."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass

from grasp_theory import InputError, Update
from grasp_theory.updates import Side

from ..adapters import Adapter
from ..directions import Directions, may_be_one_model
from ..methods.edit import Sides

CAVEAT = (
    "leak = ‖QᵀdW‖/‖dW‖ (write) or ‖dW V‖/‖dW‖ (read): of the update; frozen weights still write along Q. Where a norm "
    "with gain g follows the writers (Gemma 2 and 3, OLMo 2) the update keeps diag(1/g) Q out of the stream, not Q"
)


@dataclass(frozen=True)
class EditedModule:
    """What an edit did to one module.

    Attributes:
        norm_before, norm_after: ‖dW‖_F.
        removed: 1 − (norm_after / norm_before)², negative if a scale above 1 added.
        leak_before, leak_after: as :meth:`~real_models.methods.edit.Sides.leak`; None if nothing was projected out.
    """

    name: str
    side: Side | None
    norm_before: float
    norm_after: float
    removed: float
    leak_before: float | None
    leak_after: float | None


def compare_edit(
    before: Iterable[Update], after: Iterable[Update], sides: Mapping[str, Sides], names: Collection[str]
) -> list[EditedModule]:
    """One row for each of these modules, which both adapters have."""
    new = {u.name: u for u in after}
    rows = []
    for old in before:
        if old.name in names:
            a, b, part = old.lowrank, new[old.name].lowrank, sides.get(old.name, Sides())
            x, y = a.norm(), b.norm()
            removed = 1 - (y / x) ** 2 if x else 0.0
            rows.append(EditedModule(old.name, old.side, x, y, removed, part.leak(a), part.leak(b)))
    return rows


def check_origin(directions: Directions | None, adapter: Adapter, *, same_base: bool = False) -> list[str]:
    """Notes on directions of another run. InputError for directions of another base model, going by the names.

    Args:
        same_base: whether both names are known to mean one model.
    """
    if directions is None:
        return []
    here, there = adapter.config.base_model_name, directions.base_model
    if not same_base and not may_be_one_model(here, there):
        raise InputError(
            f"the directions were identified on {there!r}, the adapter is for {here!r}; if that is one model under two "
            "names, say so with --same-base"
        )
    if directions.adapter_sha256 != adapter.sha256:
        return ["the directions were identified on another adapter than this one"]
    return []
