"""transformers' Trainer without waste: no padding, shared prefixes once, logits where a label asks for them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from transformers import Trainer

from ..data import IGNORED
from ..prefix_tree import Packing, logits_at, rows_of

AT = "predicted_at"  # beside the inputs of a packed batch


class LeanTrainer(Trainer):
    """Law: the loss of every optimizer step is that of the Trainer, up to rounding.

    Its rows, their order and the normalization by the step's labelled tokens (num_items_in_batch) are the Trainer's.
    Among the batches of one step rows are put beside those that they share a prefix with, and every batch is packed
    (:class:`~real_models.prefix_tree.Packing`). Where the loss is a mean of batch means (models that take no
    num_items_in_batch) rows stay in their batches. Models that :class:`Packing` does not know, and several devices in
    one process (DataParallel), train as the Trainer does.
    """

    packing: Packing | None = None

    def get_batch_samples(self, *args: Any, **kwargs: Any) -> Any:
        batches, count = super().get_batch_samples(*args, **kwargs)
        if self.packing is None or self.args.n_gpu > 1 or not all(_plain(batch) for batch in batches):
            return batches, count
        rows = [rows_of(batch) for batch in batches]
        if count is not None:
            rows = regrouped(rows)
        return [self._packed(part) for part in rows], count

    def compute_loss(self, model: Any, inputs: Any, *args: Any, **kwargs: Any) -> Any:
        if AT not in inputs:
            return super().compute_loss(model, inputs, *args, **kwargs)
        inputs = dict(inputs)
        with logits_at(self.accelerator.unwrap_model(model), inputs.pop(AT)):
            return super().compute_loss(model, inputs, *args, **kwargs)

    def _packed(self, rows: Sequence[tuple[list[int], list[int]]]) -> dict[str, torch.Tensor]:
        """Causal losses shift by one: the labels get one more in front, and the logits one more behind, unused."""
        assert self.packing is not None  # noqa: S101
        packed = self.packing.pack(rows)
        labels = torch.cat([torch.tensor([IGNORED]), packed.labels])[None]
        return packed.inputs | {"labels": labels, AT: torch.cat([packed.index, packed.index[-1:]])}


def regrouped(batches: Sequence[Sequence[Any]]) -> list[list[Any]]:
    """The same rows in as many batches of the same sizes, in lexicographic order of their tokens."""
    rows = iter(sorted((row for batch in batches for row in batch), key=lambda row: row[0]))
    return [[next(rows) for _ in batch] for batch in batches]


def _plain(batch: Any) -> bool:
    return isinstance(batch, Mapping) and set(batch) == {"input_ids", "labels", "attention_mask"}
