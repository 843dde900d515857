"""How near the identified directions are to the supervised one, and what deleting each component does."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from ..methods import Edit
from .directions import layer_directions, read_directions, seen_directions, top_directions
from .runs import NaiveRun
from .setup import Setup

SIDES = ("write, pooled", "write, per block", "read, per module")
Removed = Mapping[str, np.ndarray]  # module -> (width, 1), unit direction of its output (write) or input (read)


def trait_axes(spec: Setup) -> np.ndarray:
    """(width, blocks) the supervised direction of every block, of unit length."""
    return np.column_stack([v / np.linalg.norm(v) for _, v in sorted(spec.trait_vectors().items())])


def alignment(naive: NaiveRun, *, count: int = 4) -> dict[str, Any]:
    """``|cos|`` of the leading components with the mean-difference vector of each block.

    Under "weights" and "activations" (components, blocks) for directions by weights and by activations; under "random"
    √(2/(π d)), the mean of ``|cos|`` for a random direction in d dimensions (large d), and its 99% quantile.
    """
    V = trait_axes(naive.spec)
    found = {
        name: np.abs(directions(naive, count).T @ V).round(4).tolist()
        for name, directions in (("weights", top_directions), ("activations", seen_directions))
    }
    d = len(V)
    return found | {"random": round(float(np.sqrt(2 / (np.pi * d))), 4), "random_99": round(2.576 / np.sqrt(d), 4)}


def components(naive: NaiveRun, side: str, k: int) -> list[Removed]:
    """The k leading components of the update at the matched point.

    Args:
        side: one of ``SIDES``: of all write modules pooled, of each block's write modules, or of each read module.
    """
    if side == "write, pooled":
        shared = top_directions(naive, k)
        bases = {u.name: shared for u in naive.updates if u.side == "write"}
    elif side == "write, per block":
        blocks = layer_directions(naive, k)
        bases = {u.name: blocks[u.layer] for u in naive.updates if u.side == "write" and u.layer is not None}
    else:
        bases = read_directions(naive, k)
    return [{name: basis[:, i : i + 1] for name, basis in bases.items()} for i in range(k)]


def effects(naive: NaiveRun, k: int) -> dict[str, float]:
    """Drift and task at the matched point with component i deleted ("drift without write, pooled 0", …), for each of
    ``SIDES``.
    """
    probes, found = naive.spec.probes(), {}
    for side in SIDES:
        for i, removed in enumerate(components(naive, side, k)):
            model = naive.model(naive.at)
            edit = Edit(write=removed) if side.startswith("write") else Edit(read=removed)
            with edit.attached(model):
                scores = probes.ask(model)
            found |= {f"drift without {side} {i}": scores.drift, f"task without {side} {i}": scores.task}
    return found
