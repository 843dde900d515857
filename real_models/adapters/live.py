"""The updates of a peft model in memory, read and replaced without saving it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

import numpy as np

from grasp_theory import InputError, LowRank, Update

from .config import LoraSettings, check_config, zero_start
from .layout import base_name, check_shapes, strip_prefix
from .sides import block_of, layer_of, natural_key, side_of


def updates_from_model(model: Any, adapter_name: str = "default") -> tuple[Update, ...]:
    """The updates of a live peft model: those that saving the model and reading it back would give.

    The scaling is the one the layers compute with. Factors are copied to float32 (float64 if they are float64) each
    time ``Update.lowrank`` is asked for, so an update follows the training. The out_proj of torch's MultiheadAttention
    is given once although peft adds it twice; :func:`read_adapter` warns of it.

    Args:
        model: a peft model, or anything with LoRA layers of peft and a ``peft_config``.
        adapter_name: which of its adapters.

    Raises InputError if the model has no such adapter, UnsupportedAdapterError as :func:`read_adapter`.
    """
    configs = getattr(model, "peft_config", None)
    if not isinstance(configs, Mapping) or adapter_name not in configs:
        there = sorted(configs) if isinstance(configs, Mapping) else "none: it is no peft model"
        raise InputError(f"the model has no adapter {adapter_name!r}; it has {there}")
    from peft.tuners.lora import LoraLayer  # here, not above: a model that is no peft model needs no peft

    settings, _ = check_config(_plain(configs[adapter_name].to_dict()), f"adapter {adapter_name!r}")
    updates = [
        _update(base_name(strip_prefix(name))[0], layer, adapter_name, settings)
        for name, layer in model.named_modules()
        if isinstance(layer, LoraLayer) and adapter_name in layer.scaling and not _saved_whole(name)
    ]
    return tuple(sorted(updates, key=lambda u: natural_key(u.name)))


def load_updates(model: Any, updates: Iterable[Update], adapter_name: str = "default") -> Callable[[], None]:
    """Set the updates of a live peft model: ``updates_from_model`` gives them, to the rounding of the factors' type.

    All are read before the first is put in. The layers keep their scaling.

    Args:
        model: a peft model with unmerged LoRA on linear layers.
        updates: of some of its modules; of any rank, as nothing but the product of the factors counts.
        adapter_name: which of its adapters.

    Returns what puts the very parameters back that were there. Raises InputError for a module that has no LoRA of this
    name, another shape, and factors that are merged, or of an embedding or a convolution; the model is then as it was.
    """
    import torch

    from ..hooks.sharded import is_sharded

    if any(is_sharded(parameter) for parameter in model.parameters()):
        raise InputError(
            "the parameters are sharded by FSDP, which keeps its own hold of them, so that no others can be put in "
            "their place: save the adapter, edit it (grasp edit, or the method's edited), and load it"
        )
    given = {u.name: u.lowrank for u in updates}
    layers = _linear_layers(model, adapter_name)
    for name, lowrank in given.items():
        shape = _shape(layers[name], adapter_name) if name in layers else None
        if shape != lowrank.shape:
            here = "has no unmerged LoRA on a linear layer of this name" if shape is None else f"is {shape} here"
            raise InputError(f"the update of {name} is {lowrank.shape}, and the model {here}: is it of another model?")
    before = []
    for name, lowrank in given.items():
        layer = layers[name]
        same = lowrank.scaling == layer.scaling[adapter_name]
        B = lowrank.B if same else lowrank.B * (lowrank.scaling / layer.scaling[adapter_name])
        for module, new in ((layer.lora_B[adapter_name], B), (layer.lora_A[adapter_name], lowrank.A)):
            old = module.weight
            before.append((module, old))
            values = torch.from_numpy(np.ascontiguousarray(new)).to(old.device, old.dtype)
            module.weight = torch.nn.Parameter(values, requires_grad=old.requires_grad)

    def put_back() -> None:
        for module, old in before:
            module.weight = old

    return put_back


def _shape(layer: Any, adapter_name: str) -> tuple[int, int]:
    return layer.lora_B[adapter_name].weight.shape[0], layer.lora_A[adapter_name].weight.shape[1]


def _linear_layers(model: Any, adapter_name: str) -> dict[str, Any]:
    """Name in the base model -> peft layer of two matrices, the adapter not merged."""
    from peft.tuners.lora import LoraLayer

    return {
        base_name(strip_prefix(name))[0]: layer
        for name, layer in model.named_modules()
        if isinstance(layer, LoraLayer)
        and adapter_name in layer.lora_A
        and layer.lora_A[adapter_name].weight.ndim == 2
        and not layer.merged
    }


def _plain(config: Mapping[str, Any]) -> dict[str, Any]:
    """The config as it would come back from its file: enumerations as text, sets as lists."""
    out = dict(config)
    for key, value in config.items():
        out[key] = sorted(value) if isinstance(value, set) else getattr(value, "value", value)
    return out


def _saved_whole(name: str) -> bool:
    return bool({"modules_to_save", "original_module"}.intersection(name.split(".")))


def _factors(layer: Any, adapter_name: str) -> tuple[Any, Any]:
    """(B, A), of an embedding its own."""
    if adapter_name in layer.lora_embedding_A:
        return layer.lora_embedding_B[adapter_name], layer.lora_embedding_A[adapter_name]
    return layer.lora_B[adapter_name].weight, layer.lora_A[adapter_name].weight


def _update(name: str, layer: Any, adapter_name: str, settings: LoraSettings) -> Update:
    embedding = adapter_name in layer.lora_embedding_A
    b, a = (tuple(f.shape) for f in _factors(layer, adapter_name))
    check_shapes(a, b, f"factors of shape {a} and {b}", f"module {name!r}")
    shape = (b[0], int(np.prod(a[1:])))
    side = "write" if embedding else side_of(name)
    source, start = _source(layer, adapter_name), zero_start(settings, embedding=embedding)
    return Update(name, layer_of(name), side, shape, a[0], source, settings.fixed, start, block_of(name))


def _source(layer: Any, adapter_name: str) -> Callable[[], LowRank]:
    from ..hooks.guard import enforce  # which needs torch

    def read() -> LowRank:
        enforce(layer, adapter_name)
        B, A = _factors(layer, adapter_name)
        return LowRank(_to_numpy(B), _to_numpy(A), float(layer.scaling[adapter_name]))

    return read


def _to_numpy(parameter: Any) -> np.ndarray:
    """A (rows, -1) copy on the CPU."""
    import torch

    from ..hooks.sharded import whole

    target = torch.float64 if parameter.dtype == torch.float64 else torch.float32
    return whole(parameter.detach()).flatten(1).to("cpu", target, copy=True).numpy()
