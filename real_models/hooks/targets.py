"""What a method is attached to: the model without its wrappers, and its LoRA factors."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from grasp_theory import InputError
from grasp_theory.updates import Side

from ..adapters.layout import base_name, strip_prefix
from ..adapters.refusals import MOVED_BASE, VARIANTS
from ..adapters.sides import layer_of, side_of
from .sharded import refuse_other_shards

if TYPE_CHECKING:
    import torch

SHARDED = "wrap it in DistributedDataParallel (accelerate's MULTI_GPU) or train it on one device"
_INNER = ("optimizer", "base_optimizer", "base")  # what wrappers that are no torch optimizers call the one inside
_NO_PRODUCT = ("target_parameters", "use_qalora", "use_bdlora", "kasa_config", "monteclora_config", "arrow_config")


@dataclass(frozen=True, eq=False)
class Factors:
    """The trainable LoRA factors of one module; dW = scaling * B A.

    Attributes:
        name: of the module in the base model.
        B: weight (d_out, r).
        A: weight (r, d_in).
        layer: the peft layer.
        adapter: its name.
        block: index of the decoder block, None outside of them.
        side: how the module meets the residual stream.
    """

    name: str
    layer: torch.nn.Module
    B: torch.nn.Parameter
    A: torch.nn.Parameter
    bias: torch.nn.Parameter | None
    scaling: float
    adapter: str
    side: Side | None
    block: int | None


def unwrap_model(model: Any) -> torch.nn.Module:
    """The model inside DataParallel, DistributedDataParallel or torch.compile; that of ``fully_shard`` is its own.

    Raises InputError if it is sharded otherwise (FSDP 1, ZeRO, tensor parallelism) or offloaded.
    """
    import torch

    if not isinstance(model, torch.nn.Module):
        raise InputError(f"expected a torch model, got {type(model).__name__}")
    seen: Any = model
    while True:
        name = type(seen).__name__
        if name in ("DistributedDataParallel", "DataParallel"):
            seen = seen.module
        elif name == "OptimizedModule":
            seen = seen._orig_mod
        else:
            break
    for module in seen.modules():
        kinds = {kind.__name__ for kind in type(module).__mro__}
        if "FullyShardedDataParallel" in kinds:
            raise InputError(
                "the model is sharded by FSDP 1, which flattens many parameters into one, so that none of them can be "
                f"projected: use FSDP 2 (fsdp_version: 2, torch's fully_shard), or {SHARDED}"
            )
        if "DeepSpeedEngine" in kinds:
            raise InputError(f"the model is run by DeepSpeed, which keeps its own copies of the parameters: {SHARDED}")
    for parameter in seen.parameters():
        if hasattr(parameter, "ds_id"):
            raise InputError(f"the parameters are sharded by DeepSpeed ZeRO: {SHARDED}")
    refuse_offloaded(seen)
    refuse_other_shards(seen)
    return seen


def refuse_offloaded(model: torch.nn.Module) -> None:
    """InputError if a parameter or buffer has no values here: its device is none that anything can be computed on."""
    there = [name for name, x in (*model.named_parameters(), *model.named_buffers()) if x.is_meta]
    if there:
        raise InputError(
            f"{len(there)} tensors of the model are on the meta device ({there[0]}, …), so their values are not at "
            "hand: accelerate keeps them elsewhere (device_map, cpu_offload, disk_offload), or they were never loaded; "
            "load the model whole on one device, or over several GPUs"
        )


def unwrap_optimizer(optimizer: Any) -> torch.optim.Optimizer | None:
    """The torch optimizer inside accelerate's wrapper.

    Raises InputError for one that is none, or that steps on copies.
    """
    import torch

    seen = optimizer
    while seen is not None:
        name = type(seen).__name__
        if "DeepSpeed" in name or "ZeroRedundancy" in name:
            raise InputError(f"{name} shards the optimizer's state and steps on copies: {SHARDED}")
        if isinstance(seen, torch.optim.Optimizer) and name != "AcceleratedOptimizer":
            return seen
        seen = next((x for x in (getattr(seen, key, None) for key in _INNER) if x is not None), None)
    if optimizer is not None:
        raise InputError(
            f"expected a torch optimizer, got {type(optimizer).__name__}: give one that trains all LoRA factors, by "
            "groups of parameters where they are treated differently"
        )
    return None


def lora_factors(model: torch.nn.Module) -> list[Factors]:
    """The active, trainable LoRA factors of a peft model, one entry for each pair of parameters.

    Raises InputError if there is none (no LoRA, all frozen or disabled), if they are merged into the pretrained weights
    (unmerging would then take out another update than was put in), for DoRA and the variants whose update is not
    scaling * B A (PiSSA and other starts that moved the base weights), and for LoRA on anything but linear layers
    (embeddings, convolutions), whose update is no matrix B A at this place.
    """
    found: list[Factors] = []
    seen: set[int] = set()
    active: set[str] = set()
    layer: Any
    for name, layer in model.named_modules():
        if not (hasattr(layer, "lora_A") and hasattr(layer, "active_adapters") and hasattr(layer, "scaling")):
            continue
        for adapter in layer.active_adapters:
            factors = _factors(name, layer, adapter)
            if factors is not None and layer.merged:
                raise InputError(
                    f"{factors.name}: the adapter is merged into the pretrained weights, which would change with its "
                    "factors when it is taken out again: call model.unmerge_adapter() first"
                )
            if factors is not None and id(factors.B) not in seen:
                active.add(adapter)
                seen.add(id(factors.B))
                found.append(factors)
    if not found:
        raise InputError(
            "the model has no trainable LoRA module: wrap it with peft.get_peft_model(model, LoraConfig(...)), or load "
            "the adapter with is_trainable=True"
        )
    _refuse_variants(model, active)
    return found


def _refuse_variants(model: Any, adapters: set[str]) -> None:
    """InputError where scaling * B A is not what training adds to the pretrained weights."""
    configs = getattr(model, "peft_config", {})
    for adapter in sorted(adapters & set(configs)):
        config = configs[adapter]
        start = str(getattr(config, "init_lora_weights", True)).lower()
        for prefix, (method, why, _) in MOVED_BASE.items():
            if start.startswith(prefix):
                raise InputError(
                    f"adapter {adapter!r} starts as {method}, which {why}: projecting it would take pretrained content "
                    "away; init_lora_weights=True"
                )
        for key in _NO_PRODUCT:
            if getattr(config, key, None) not in (None, False, [], set()):
                raise InputError(
                    f"adapter {adapter!r} uses {VARIANTS[key][0]}: {VARIANTS[key][1]}; train plain LoRA on linear "
                    "layers (target_modules=[...])"
                )


def _factors(name: str, layer: Any, adapter: str) -> Factors | None:
    clean = base_name(strip_prefix(name))[0]
    embedding = getattr(layer, "lora_embedding_B", {})
    if adapter in embedding and embedding[adapter].requires_grad:
        raise InputError(f"{clean}: LoRA on an embedding is not constrained; leave it out of target_modules")
    if adapter not in layer.lora_A:
        return None
    A, B = layer.lora_A[adapter], layer.lora_B[adapter]
    if not (hasattr(A, "weight") and hasattr(B, "weight")):
        raise InputError(
            f"{clean}: peft's {type(layer).__name__} keeps more than two factors (AdaLoRA has a learnt diagonal "
            "between them), so no projection of B or A bounds its update: train plain LoRA"
        )
    if not (A.weight.requires_grad or B.weight.requires_grad):
        return None
    if A.weight.ndim != 2 or B.weight.ndim != 2:
        raise InputError(f"{clean}: LoRA on a convolution is not constrained; leave it out of target_modules")
    if getattr(layer, "use_dora", {}).get(adapter):
        raise InputError(f"{clean}: DoRA's update is not B A, so no projection of B or A bounds it; use_dora=False")
    bias = getattr(B, "bias", None)
    scaling = float(layer.scaling[adapter])
    return Factors(clean, layer, B.weight, A.weight, bias, scaling, adapter, side_of(clean), layer_of(clean))


def trained(factors: list[Factors]) -> list[tuple[str, torch.nn.Parameter]]:
    """(name of the module, parameter) of every factor, and bias beside it, that requires a gradient."""
    return [(f.name, p) for f in factors for p in (f.A, f.B, f.bias) if p is not None and p.requires_grad]


def refuse_others(model: torch.nn.Module, factors: list[Factors], why: str, *, instead: str = "") -> None:
    """InputError if a trainable parameter is no LoRA factor: whole modules, biases, embeddings.

    Args:
        why: what is wrong with that here, as the message goes on.
        instead: what to do other than not to train them.
    """
    known = {id(p) for f in factors for p in (f.A, f.B, f.bias) if p is not None}
    others = [name for name, p in model.named_parameters() if p.requires_grad and id(p) not in known]
    if others:
        raise InputError(
            f"{len(others)} trainable parameters are no LoRA factors ({others[0]}, …){why}: "
            f'use bias="none" and no modules_to_save{instead}'
        )


def text_config(model: torch.nn.Module) -> Any:
    """The configuration of the language model inside."""
    config: Any = getattr(model, "config", None)
    if config is None:
        return None
    return config.get_text_config() if hasattr(config, "get_text_config") else config


def modules_named(model: torch.nn.Module) -> Iterator[tuple[str, torch.nn.Module]]:
    """(name in the base model, module), peft's own names left out."""
    for name, module in model.named_modules():
        yield base_name(strip_prefix(name))[0], module
