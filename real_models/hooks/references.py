"""References of a fine-tune: the base model, its adapters off, and whatever else is run without what is trained."""

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


def require_peft(model: torch.nn.Module) -> None:
    """InputError for a model whose adapters cannot be disabled."""
    if not hasattr(model, "disable_adapter"):
        raise InputError(
            f"{type(model).__name__} is no peft model, so its base is not at hand: wrap it with peft.get_peft_model or "
            "PeftModel.from_pretrained, and do not merge the adapter"
        )


@contextmanager
def without_adapters(model: torch.nn.Module) -> Iterator[None]:
    """The base model inside; which parameters are trained is as before, inside and after.

    peft's ``disable_adapter`` freezes every factor, and marks those of the active adapters as trained when it ends,
    also what was frozen by hand. FSDP 2 settles in its first forward pass what it makes of gradients in mixed
    precision, and settles nothing where nothing is trained. Raises InputError if the model is no peft model.
    """
    require_peft(model)
    wrapped: Any = model
    trained = [(p, p.requires_grad) for p in model.parameters()]

    def as_before() -> None:
        for parameter, flag in trained:
            parameter.requires_grad_(flag)

    try:
        with wrapped.disable_adapter():
            as_before()
            yield
    finally:
        as_before()


class Policy:
    """The adapters that are trained when a method is attached; a forward without them is one of a reference.

    Preference losses run the same model as its own reference: in training mode, with its adapters disabled or with a
    frozen one in their place. peft marks whichever adapter is active as trained, so ``requires_grad`` tells nothing
    later on. A model without such adapters is never its own reference, unless its adapters are disabled.
    """

    def __init__(self, model: torch.nn.Module) -> None:
        layers: list[Any] = [m for m in model.modules() if hasattr(m, "adapter_layer_names")]
        self._layers = layers
        self._trained = {name for layer in self._layers for name in layer.active_adapters if _is_trained(layer, name)}

    def runs(self, module: torch.nn.Module, own: torch.nn.Module) -> bool:
        """Whether what goes through ``module``, hooked as ``own``, is what is trained, and no reference.

        A copy of the model takes the hooks along and is another model; a replica of DataParallel is the same one.
        """
        if not (module is own or getattr(module, "_is_replica", False)):
            return False
        on = [layer for layer in self._layers if not layer.disable_adapters]
        if not self._trained:
            return bool(on) or not self._layers
        return any(not self._trained.isdisjoint(layer.active_adapters) for layer in on)


def _is_trained(layer: Any, adapter: str) -> bool:
    parts = (getattr(layer, name, None) for name in layer.adapter_layer_names)
    found = (part[adapter] for part in parts if part is not None and adapter in part)
    return any(p.requires_grad for part in found for p in _parameters(part))


def _parameters(part: Any) -> Iterable[torch.nn.Parameter]:
    return part.parameters() if hasattr(part, "parameters") else (part,)
