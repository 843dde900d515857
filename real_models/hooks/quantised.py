"""Quantised bases: which modules keep integers in the place of their weights, and what cannot be done on them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from types import MethodType
from typing import TYPE_CHECKING, Any

from grasp_theory import GraspError

if TYPE_CHECKING:
    import torch

_TENSORS = ("torchao", "optimum")  # quantised weights that call themselves floating point


def quantised_modules(model: torch.nn.Module) -> list[str]:
    """Names of the modules that hold a matrix of integers, or of a quantising library's tensors.

    bitsandbytes, GPTQ, AWQ and HQQ store integers; torchao and quanto tensors of their own type.
    """
    return [name for name, module in model.named_modules() if _is_quantised(module)]


def _is_quantised(module: torch.nn.Module) -> bool:
    import torch

    integers = (torch.uint8, torch.int8, torch.int32)
    own = (*module.parameters(recurse=False), *module.buffers(recurse=False))
    return any(x.ndim > 1 and (x.dtype in integers or type(x.data).__module__.startswith(_TENSORS)) for x in own)


def refuse_merging(model: torch.nn.Module, undo: ExitStack) -> None:
    """Merging into a quantised base raises GraspError until ``undo``, before anything is changed.

    peft rounds W + dW to the base's levels anew, and the difference to W is then no longer dW: what a projection keeps
    out of dW comes back with the rounding.
    """
    for layer in _lora_on_quantised(model):
        merging = getattr(layer.__dict__.get("merge"), "__func__", None)
        if not isinstance(merging, _Merging):
            merging = _Merging()
            layer.merge = MethodType(merging, layer)  # bound, so that a copy's is bound to the copy
        merging.holders += 1
        undo.callback(_release, layer, merging)


class _Merging:
    """``merge`` of one peft layer and its copies, refused while a method holds it."""

    def __init__(self) -> None:
        self.holders = 0

    def __call__(self, layer: Any, *args: Any, **kwargs: Any) -> None:
        if self.holders:
            raise GraspError(
                "the base is quantised: merging would round W + dW to its levels anew, after which the update is not "
                "dW and what was kept out of it is back. Save the adapter and load it beside the base, or merge it "
                "into model.dequantize()"
            )
        type(layer).merge(layer, *args, **kwargs)


def _release(layer: Any, merging: _Merging) -> None:
    merging.holders -= 1
    if not merging.holders:
        layer.__dict__.pop("merge", None)


def _lora_on_quantised(model: torch.nn.Module) -> Iterator[Any]:
    for module in model.modules():
        base = getattr(module, "base_layer", None) if hasattr(module, "lora_A") else None
        if base is not None and _is_quantised(base):
            yield module
