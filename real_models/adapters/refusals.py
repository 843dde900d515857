"""Which adapters cannot be read as W_tuned - W_base = scaling * B @ A, and why; what is known about the others."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from grasp_theory import AdapterError, UnsupportedAdapterError
from grasp_theory.updates import Side

# Every field of LoraConfig in peft 0.2 … 0.21, and what peft writes beside them; a test compares the installed one.
_FIELDS = (
    "alora_invocation_tokens alpha_pattern arrow_config auto_mapping base_model_name_or_path bias corda_config "
    "enable_lora ensure_weight_tying eva_config exclude_modules fan_in_fan_out inference_mode init_lora_weights "
    "kasa_config layer_replication layers_pattern layers_to_transform loftq_config lora_alpha lora_bias lora_dropout "
    "lora_ga_config megatron_config megatron_core merge_weights modules_to_save modules_to_tie monteclora_config "
    "peft_type peft_version qalora_group_size r rank_pattern revision runtime_config target_modules "
    "target_modules_to_tie target_parameters task_type trainable_token_indices use_bdlora use_dora use_qalora "
    "use_rslora velora_config"
)
KNOWN_FIELDS = frozenset(_FIELDS.split())

# Other methods by their names in peft.utils.PeftType (BONE: up to peft 0.17); a test compares the installed one.
_TYPES = (
    "ADALORA ADAMSS ADAPTION_PROMPT BEFT BOFT C3A CARTRIDGE CPT DEFT DELORA FOURIERFT FROD GLORA GRALORA HIRA HRA IA3 "
    "LILY LN_TUNING LOHA LOKR MISS MULTITASK_PROMPT_TUNING OFT OSF PEANUT POLY PREFIX_TUNING PROMPT_TUNING PSOFT "
    "PVERA P_TUNING RANDLORA ROAD SHADOW SHIRA SUPERTUNING TINYLORA TRAINABLE_TOKENS UNILORA VBLORA VERA WAVEFT "
    "XLORA BONE"
)
OTHER_TYPES = frozenset(_TYPES.split())


class Start(NamedTuple):
    """A start of the factors that leaves dW = scaling * B @ A true: the side it fixes, and what to know about it."""

    fixed: Side | None
    note: str


START_NOTES: Mapping[str, Start] = {
    "none": Start(
        None, "init_lora_weights=False: both factors started random, so the update contains its random start"
    ),
    "orthogonal": Start(None, "init_lora_weights=orthogonal: both factors started random with a product of zero"),
    "eva": Start(
        "read",
        "init_lora_weights=eva: A started at the principal directions of the activations, so the read side shows the "
        "inputs and says nothing about the fine-tune",
    ),
    "mica": Start(
        "write",
        "init_lora_weights=mica: B was frozen at singular vectors of the base weights, so the write side says nothing "
        "about the fine-tune",
    ),
}

_CONVERT = "save it with path_initial_model_for_weight_conversion, which turns it into plain LoRA"
# Prefix of init_lora_weights -> (name, what it did to the base, the way out).
MOVED_BASE = {
    "pissa": ("PiSSA", "subtracted the leading components of W from the base", _CONVERT),
    "corda": ("CorDA", "subtracted data-dependent components of W from the base", _CONVERT),
    "olora": ("OLoRA", "subtracted the product of its QR start from the base", _CONVERT),
    "lora_ga": ("LoRA-GA", "subtracted its gradient-aligned start from the base", _CONVERT),
    "loftq": (
        "LoftQ",
        "replaced the base by a quantised one and the factors make up for the error",
        "train plain LoRA",
    ),
}

_MERGE = "compare merged weights with base weights instead"
# Field -> (what was found, why scaling * B @ A is not the change of the weights, the way out).
VARIANTS = {
    "use_dora": ("DoRA", "the columns of W + scaling * B @ A are rescaled by learnt magnitudes", _MERGE),
    "layer_replication": (
        "layer_replication",
        "several adapted layers share one base layer, which has no one change",
        "",
    ),
    "target_parameters": (
        "target_parameters",
        "3-D expert parameters share factors in an order the file does not tell",
        "",
    ),
    "use_qalora": ("QA-LoRA", "inputs are pooled in groups before A, so B @ A is not of the shape of W", ""),
    "use_bdlora": ("BD-LoRA", "one factor is block-diagonal and stored packed", ""),
    "kasa_config": ("KaSA", "the base was truncated and a learnt diagonal stands between B and A", ""),
    "monteclora_config": ("MonteCLoRA", "the factors are sampled around the stored ones", ""),
    "arrow_config": ("Arrow", "a router mixes several adapters token by token", "read each adapter by itself"),
    "alora_invocation_tokens": ("aLoRA", "the update acts on the tokens after the invocation only", ""),
    "enable_lora": (
        "the enable_lora layout of peft 0.2 and older (MergedLinear)",
        "B is a grouped convolution over parts of a fused projection",
        "load and save it with that peft as plain LoRA, one projection each",
    ),
}


def refuse_config(config: Mapping[str, Any], what: str | Path) -> str:
    """The start of the factors, or a refusal: UnsupportedAdapterError with what was found, why, and the way out."""
    _refuse_type(config.get("peft_type"), what)
    for key, (found, why, way_out) in VARIANTS.items():
        if config.get(key) not in (None, False, []):  # an empty object turns a variant on with its defaults
            raise unsupported(what, found, why, way_out)
    return _start(config.get("init_lora_weights", True), what)


def unsupported(what: str | Path, found: str, why: str, way_out: str = "") -> UnsupportedAdapterError:
    """The one wording of every refusal."""
    return UnsupportedAdapterError(
        f"{what}: this adapter uses {found}: {why}. scaling * B @ A is therefore not W_tuned - W_base; "
        f"{way_out or 'only plain LoRA can be read'}"
    )


def _refuse_type(peft_type: Any, what: str | Path) -> None:
    if not isinstance(peft_type, str):
        raise AdapterError(f'{what}: peft_type must name the method (such as "LORA"), got {peft_type!r:.80}')
    if peft_type in OTHER_TYPES:
        raise unsupported(what, f"the method {peft_type}", "its update is not a product of two stored factors")
    if peft_type != "LORA":
        raise unsupported(what, f"the method {peft_type!r:.80}", "this reader does not know it")


def _start(value: Any, what: str | Path) -> str:
    if value is None or isinstance(value, bool):
        return "default" if value else "none"
    if not isinstance(value, str):
        raise AdapterError(f"{what}: init_lora_weights must be true, false or a name, got {value!r:.80}")
    name = value.lower()
    if name in ("true", "false"):
        return "default" if name == "true" else "none"
    for prefix, (method, why, way_out) in MOVED_BASE.items():
        if name.startswith(prefix):
            raise unsupported(what, f"{method} (init_lora_weights={value!r:.80})", f"the start {why}", way_out)
    if name not in ("gaussian", *START_NOTES) or name == "none":
        raise unsupported(
            what, f"the start init_lora_weights={value!r:.80}", "it is not known whether it changes the base weights"
        )
    return name


# Suffixes of tensors that only such variants store, for files whose config does not admit to them.
VARIANT_TENSORS: Mapping[str, tuple[str, str]] = {
    "lora_magnitude_vector": VARIANTS["use_dora"][:2],
    "dora_scale": VARIANTS["use_dora"][:2],
    "lora_E": ("AdaLoRA", "a learnt diagonal stands between B and A"),
    "ranknum": ("AdaLoRA", "a learnt diagonal stands between B and A"),
    "lora_diag": VARIANTS["kasa_config"][:2],
}


WAY_OUT = "load it with the tool that wrote it (or diffusers' load_lora_weights) and save it as PEFT or diffusers LoRA"
KOHYA = ("lora_unet", "lora_te", "lora_transformer", "lycoris_")
# Part of a tensor's name -> the layout that alone uses it.
LAYOUTS = {
    "hada_w": "LoHa (LyCORIS: a Hadamard product of two low-rank products)",
    "lokr_w": "LoKr (LyCORIS: a Kronecker product)",
    "oft_blocks": "OFT (Kohya, LyCORIS: rotations)",
    "on_input": "IA3 (LyCORIS: scales of activations)",
    ".processor.qkv_lora": "XLabs (Flux, two factors a fused projection)",
    ".adapter.linear_in": "NeMo and Megatron (linear_in and linear_out)",
    ".loras.": "AdapterHub's adapters",
    "_lora_a": "JAX (lora_a and lora_b of a kernel)",
}
# Name of a file that other tools write, as a pattern of glob -> whose.
FILES = {
    "*.gguf": "llama.cpp (GGUF)",
    "adapters.npz": "MLX before safetensors",
    "*.lora": "LitGPT",
    "*.lora.pth": "LitGPT",
    "adapter_[0-9]*.pt": "torchtune",
    "pytorch_adapter.bin": "AdapterHub's adapters",
    "pytorch_lora_weights.bin": "diffusers in a pickle",
}
ORIGINAL = ("diffusion_model.", "model.diffusion_model.")
DIFFUSERS = ("unet.", "transformer.", "text_encoder.", "text_encoder_2.", "prior.")


def foreign_layout(keys: list[str]) -> str | None:
    """The name of the other tool's layout that ``keys`` are in; None if of none that is known.

    A GPT-2 adapter saved without peft's prefix also starts with "transformer.", so this is asked only where the
    config of peft, or every factor of its layout, is missing.
    """
    for mark, layout in LAYOUTS.items():
        if any(mark in key for key in keys):
            return layout
    if any(key.startswith(KOHYA) for key in keys):
        return "Kohya (lora_unet_… with lora_down, lora_up and alpha)"
    if any(key.startswith(ORIGINAL) for key in keys):
        return "ComfyUI (diffusion_model.…, the names of the original model)"
    if any(key.endswith((".lora.up.weight", ".lora.down.weight")) for key in keys):
        return "diffusers (pytorch_lora_weights)"
    if any(key.startswith(DIFFUSERS) and ".lora_" in key and key.endswith(".weight") for key in keys):
        return "diffusers (pytorch_lora_weights)"
    if any(key.endswith((".lora_a", ".lora_b")) for key in keys):
        return "MLX (adapters.safetensors beside its own adapter_config.json)"
    if any(key.endswith(".lora_a.weight") for key in keys):
        return "torchtune (lora_a and lora_b)"
    return None
