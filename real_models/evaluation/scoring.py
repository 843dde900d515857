"""ln p of labelled tokens: what every score of a model on given text is made of."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from grasp_theory import InputError

from ..data import IGNORED, Example, batches
from ..prefix_tree import Packing, groups, logits_at

if TYPE_CHECKING:
    import torch

Watch = Callable[[Iterable[Any], int], Iterable[Any]]  # (stream, total) -> stream


def token_log_probs(
    model: torch.nn.Module,
    examples: Sequence[Example],
    *,
    pad: int,
    batch_size: int = 8,
    watch: Watch | None = None,
) -> list[Float[ndarray, " tokens"]]:
    """ln p of every labelled token given all before it, a row each in the order given; nats, float64.

    In evaluation mode, softmax in float32 or better. A prefix that rows share is computed once, in one sequence of
    about ``prefix_tree.TOKENS`` tokens (:mod:`real_models.prefix_tree`); models that take no such sequence see
    right-padded batches of ``batch_size`` rows of similar length. Either changes a row by rounding alone. Raises
    InputError for a row without a labelled token after the first, for one whose probabilities are not finite, and for
    offloaded models. Cost: a forward pass over the distinct prefixes, the logits of the labelled tokens in memory.
    """
    import torch

    from ..hooks.gains import evaluating
    from ..hooks.targets import refuse_offloaded

    refuse_offloaded(model)
    found: list[ndarray] = [np.empty(0)] * len(examples)
    place = next(model.parameters())
    exact = torch.promote_types(place.dtype, torch.float32)
    longest = max((len(e.input_ids) for e in examples), default=0)
    packing = Packing.of(model, pad=pad, longest=longest)
    if packing is None or packing.mask is None:
        order = sorted(range(len(examples)), key=lambda n: -len(examples[n].input_ids))  # the most memory first
        parts = [order[first : first + batch_size] for first in range(0, len(order), batch_size)]
    else:
        parts = groups([e.input_ids for e in examples])
    with torch.no_grad(), evaluating(model):
        for part in watch(parts, len(parts)) if watch else parts:
            rows = [examples[n] for n in part]
            counts = [sum(label != IGNORED for label in row.labels[1:]) for row in rows]
            logits, at, labels = _logits(model, rows, packing, pad, place.device)
            values = logits.to(exact).log_softmax(-1)[at, labels].double().cpu().numpy()
            for n, one in zip(part, np.split(values, np.cumsum(counts)[:-1]), strict=True):
                found[n] = one
    for example, values in zip(examples, found, strict=True):
        if not len(values) or not np.isfinite(values).all():
            what = "probabilities that are not finite" if len(values) else "no token to be scored"
            raise InputError(f"{example.source}: {what}; check this row, and the weights of the model")
    return found


def _logits(
    model: torch.nn.Module, rows: Sequence[Example], packing: Packing | None, pad: int, device: torch.device
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """(logits (m, vocabulary), which of them (k,), labels (k,)) of the labelled tokens of all rows in turn.

    The first tokens of two answers to one prompt are predicted at one place.
    """
    import torch

    if packing is None:
        batch = {name: x.to(device) for name, x in next(batches(rows, len(rows), pad=pad)).items()}
        labels = batch.pop("labels")[:, 1:]
        kept = labels != IGNORED
        logits = model(**batch, use_cache=False).logits[:, :-1][kept]
        return logits, torch.arange(len(logits), device=device), labels[kept]
    packed = packing.pack([(row.input_ids, row.labels) for row in rows])
    places, at = packed.index.unique(return_inverse=True)
    with logits_at(model, places):
        inputs = {name: x.to(device) for name, x in packed.inputs.items()}
        return model(**inputs, use_cache=False).logits[0], at.to(device), packed.labels.to(device)
