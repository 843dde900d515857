"""The base model as a reference for its own fine-tune: the adapters off, on the same text."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from grasp_theory import InputError

from ..arguments import listed, tensor

if TYPE_CHECKING:
    import torch

Batch = Mapping[str, Any]  # input_ids (n, t) and, where there is padding, attention_mask (n, t)


def checked_batches(batches: Iterable[Batch]) -> tuple[dict[str, torch.Tensor], ...]:
    """The batches with a mask each. InputError if there is none, or one is no batch of tokens."""
    import torch

    out = []
    for batch in listed("batches", batches, "batches of text"):
        if not isinstance(batch, Mapping) or "input_ids" not in batch:
            raise InputError("expected batches of text: dicts with input_ids (n, t) and attention_mask (n, t)")
        ids, mask = tensor("input_ids", batch["input_ids"]), batch.get("attention_mask")
        mask = torch.ones_like(ids) if mask is None else tensor("attention_mask", mask)
        if ids.ndim != 2 or mask.shape != ids.shape or ids.is_floating_point() or not mask.any():
            raise InputError(
                f"a batch needs integer input_ids (n, t) and a mask of the same shape that is not all 0, got shapes "
                f"{tuple(ids.shape)} and {tuple(mask.shape)}"
            )
        out.append({"input_ids": ids, "attention_mask": mask})
    if not out:
        raise InputError("no batch of text was given; an iterator that was used before is empty")
    return tuple(out)


def run_text(model: torch.nn.Module, batch: Batch) -> torch.Tensor:
    """Logits (n, t, vocabulary) of the model as it is."""
    device = model.get_input_embeddings().weight.device  # pyright: ignore
    return model(**{name: x.to(device) for name, x in batch.items()}, use_cache=False).logits


@contextmanager
def without_adapters(model: torch.nn.Module) -> Iterator[None]:
    """The base model inside; which parameters are trained is as before after.

    peft's ``disable_adapter`` marks every factor of the active adapters as trained when it ends, also those that were
    frozen by hand. Raises InputError if the model is no peft model.
    """
    disable: Any = getattr(model, "disable_adapter", None)
    if disable is None:
        raise InputError(
            f"{type(model).__name__} is no peft model, so its base is not at hand: wrap it with peft.get_peft_model or "
            "PeftModel.from_pretrained, and do not merge the adapter"
        )
    trained = [(p, p.requires_grad) for p in model.parameters()]
    try:
        with disable():
            yield
    finally:
        for parameter, flag in trained:
            parameter.requires_grad_(flag)
