"""Directions that an organism's naive run gives, and what they are compared with."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np

from grasp_theory import Subspace, Update, identify
from grasp_theory.identification.control import contrast, control_spaces
from grasp_theory.updates import Side

from .runs import NaiveRun, updates_at
from .setup import Batches, Setup


def top_directions(naive: NaiveRun, k: int, side: Side = "write") -> np.ndarray:
    """By weights: the k leading pooled left directions of the naive run's write modules, or the right ones of its
    read modules."""
    return _leading(naive.updates, k, side)


def seen_directions(naive: NaiveRun, k: int, text: Batches | None = None) -> np.ndarray:
    """By activations: the same of dW X on a text, the fine-tuning data by default."""
    from ..audit.activations import activation_updates

    seen = naive.spec.documents() if text is None else text
    return _leading(activation_updates(naive.model(naive.at), naive.updates, seen), k)


def layer_directions(naive: NaiveRun, k: int) -> dict[int, np.ndarray]:
    """The k leading left directions of each block's own write modules."""
    blocks = sorted({u.layer for u in naive.updates if u.side == "write" and u.layer is not None})
    return {block: _leading([u for u in naive.updates if u.layer == block], k) for block in blocks}


def read_directions(naive: NaiveRun, k: int) -> dict[str, np.ndarray]:
    """Read module -> the k leading right directions of its own update."""
    return {u.name: u.lowrank.svd(k).Vh.T for u in naive.updates if u.side == "read"}


def contrasted_directions(naive: NaiveRun, k: int) -> np.ndarray:
    """By weights, of what the naive run learnt and its control run did not, at the matched point: of
    (I − CCᵀ)(dW − dW of the control), C the leading directions of the control (statement ``control-contrast``)."""
    control = updates_at(naive.spec.control_run(), naive.at)
    found, other = (identify(list(u), side="write", pool="layers") for u in (naive.updates, control))
    return _leading(contrast(naive.updates, [control], spaces=control_spaces(found, [other])), k)


def random_directions(spec: Setup, k: int) -> np.ndarray:
    """The control: as many random ones."""
    rng = np.random.default_rng([spec.seed, 6])
    return Subspace.span(rng.standard_normal((spec.width, k))).basis


def written(naive: NaiveRun) -> dict[int, np.ndarray]:
    """For each block, the identified direction times the mean that the naive update moves the stream along it.

    On the fine-tuning data, block by block and not accumulated; no trait labels.
    """
    u, batches, model = top_directions(naive, 1)[:, 0], naive.spec.documents(), naive.model(naive.at)
    with model.disable_adapter():
        before = _mean_along(model, u, batches)
    steps = np.diff(_mean_along(model, u, batches) - before, prepend=0.0)
    return {block: step * u for block, step in enumerate(steps)}


def _mean_along(model: Any, u: np.ndarray, batches: Batches) -> np.ndarray:
    """Of each block's output, over all tokens but padding."""
    import torch

    from ..hooks.stream import stream_outputs

    direction, found = torch.from_numpy(u).float(), []
    for batch in batches:
        kept = batch["attention_mask"].bool()
        found.append(
            torch.stack([h[kept] @ direction for h in stream_outputs(model, {"input_ids": batch["input_ids"]})])
        )
    return torch.cat(found, 1).mean(1).double().numpy()


def _leading(updates: Iterable[Update], k: int, side: Side = "write") -> np.ndarray:
    """(width, k) leading directions of the modules of one side, pooled."""
    found = identify(list(updates), side=side, pool="layers", top=k)
    return np.hstack([found.component(i).subspace.basis for i in range(k)])
