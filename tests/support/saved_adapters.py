"""Adapters as peft itself saves them, of tiny models of transformers: the kinds that are found in public."""

from __future__ import annotations

import json
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
import transformers as hf
from expected_adapters import PORTUGUESE, RANDOM_START, Read, Refused
from peft import AdaLoraConfig, IA3Config, LoraConfig, get_peft_model
from safetensors.torch import load_file
from tiny_models import tiny

CLASSIFIER = {"vocab_size": 40, "num_labels": 3, "pad_token_id": 1}
ROBERTA = CLASSIFIER | {"hidden_size": 24, "intermediate_size": 36, "num_hidden_layers": 3, "num_attention_heads": 4}
DISTIL = CLASSIFIER | {"dim": 24, "hidden_dim": 36, "n_layers": 3, "n_heads": 4}


def roberta() -> Any:
    return hf.RobertaForSequenceClassification(hf.RobertaConfig(**ROBERTA))


def distilbert() -> Any:
    return hf.DistilBertForSequenceClassification(hf.DistilBertConfig(**DISTIL))


def save(folder: Path, model: Any, config: Any, *, seed: int = 0, zero: str = "-", **options: Any) -> Path:
    """Factors drawn from the seed; modules whose name holds ``zero`` keep the B of 0 that they start from."""
    with warnings.catch_warnings(), torch.random.fork_rng():
        warnings.simplefilter("ignore")  # peft reports what it corrects and what it cannot save
        torch.manual_seed(seed)
        adapted = get_peft_model(model, config, autocast_adapter_dtype=False)
        for name, parameter in adapted.named_parameters():
            if "lora_" in name and zero not in name:
                parameter.data = torch.randn_like(parameter)
        adapted.save_pretrained(str(folder), **options)
    return folder


def lora(model: Callable[[], Any], **fields: Any) -> Callable[[Path], None]:
    """What saves LoRA of rank 4 on this model; ``save_...`` goes to :func:`save`."""
    options = {key.removeprefix("save_"): fields.pop(key) for key in [*fields] if key.startswith("save_")}
    dtype = fields.pop("dtype", torch.float32)
    config = {"r": 4, "lora_alpha": 8, **fields}
    return lambda folder: (save(folder, model().to(dtype), LoraConfig(**config), **options), None)[1]


def other(config: Callable[[], Any]) -> Callable[[Path], None]:
    """What saves something that is no LoRA."""
    return lambda folder: (save(folder, tiny(), config()), None)[1]


def bin_only(folder: Path) -> None:
    """As peft wrote before safetensors: one pickle of tensors."""
    lora(lambda: tiny("opt"), target_modules=["q_proj", "v_proj"])(folder)
    weights = folder / "adapter_model.safetensors"
    torch.save(load_file(weights), folder / "adapter_model.bin")
    weights.unlink()


def random_start(folder: Path) -> None:
    """As peft saved it with init_lora_weights = False in its regression suite."""
    lora(lambda: tiny("opt"), target_modules=["q_proj", "v_proj"], init_lora_weights=False)(folder)


def plain_conv1d(folder: Path) -> None:
    """GPT-2's Conv1D under fan_in_fan_out = false, as peft left it where it corrected the layers alone."""
    lora(lambda: tiny("gpt2"), target_modules=["c_attn", "c_proj", "c_fc"])(folder)
    change(folder, fan_in_fan_out=False)


def dead_names(folder: Path) -> None:
    """Targets that the model does not have, beside one that it has."""
    lora(lambda: tiny("gpt2"), target_modules=["c_attn", "q_proj", "v_proj"])(folder)


def stacked(folder: Path) -> None:
    """The layout of peft's first months: one B for q, k and v."""
    lora(lambda: tiny("bloom"), target_modules=["query_key_value"])(folder)
    change(folder, enable_lora=[True, False, True])


def change(folder: Path, **fields: Any) -> None:
    path = folder / "adapter_config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | fields))


SELECTED: dict[str, Any] = {"task_type": "SEQ_CLS", "target_modules": ["query", "value"]}
QV = ["q_proj", "v_proj"]
PATTERNS: dict[str, Any] = {"rank_pattern": {"q_proj": 2}, "alpha_pattern": {"v_proj": 16}}
BOTH = ("read", "write")

# name -> what saves it, and the outcome that reading it must have
SAVED: dict[str, tuple[Callable[[Path], None], Read | Refused]] = {
    **{
        f"run/checkpoint-{step}": (
            lora(roberta, bias="all", **SELECTED, save_seed=step),
            Read(6, 3, ("read",), {"bias": 25, "modules_to_save": 6, "original_module": 2}, ("25 biases",)),
        )
        for step in (50, 100, 1000)
    },
    "modules_to_save": (
        lora(distilbert, task_type="SEQ_CLS", target_modules=["q_lin", "v_lin"]),
        Read(6, 3, ("read",), {"modules_to_save": 4}, PORTUGUESE.notes),
    ),
    "conv1d": (lora(lambda: tiny("gpt2"), target_modules=["c_attn"]), Read(2, 2, ("read",))),
    "conv1d, fan_in_fan_out false": (plain_conv1d, Read(8, 2, BOTH)),
    "dead target names": (dead_names, Read(2, 2, ("read",))),
    "bin": (bin_only, Read(4, 2, ("read",))),
    "random start": (random_start, Read(4, 2, ("read",), notes=(RANDOM_START,))),
    "bf16": (lora(tiny, target_modules=QV, dtype=torch.bfloat16), Read(4, 2, ("read",), dtype="BF16")),
    "rslora": (lora(tiny, target_modules=[*QV, "o_proj"], use_rslora=True), Read(6, 2, BOTH)),
    "patterns": (lora(tiny, target_modules=QV, **PATTERNS), Read(4, 2, ("read",))),
    "every linear layer": (lora(tiny, target_modules="all-linear"), Read(14, 2, BOTH)),
    "embedding": (
        lora(tiny, target_modules=["embed_tokens", "q_proj"]),
        Read(3, 2, BOTH, {"embedding": 1}, ("1 embedding",)),
    ),
    "partly zero": (lora(tiny, target_modules=QV, save_zero="layers.0."), Read(4, 2, ("read",))),
    "dora": (lora(tiny, target_modules=QV, use_dora=True), Refused("not W_tuned - W_base")),
    "pissa": (lora(tiny, target_modules=QV, init_lora_weights="pissa"), Refused("not W_tuned - W_base")),
    "enable_lora": (stacked, Refused("enable_lora")),
    "ia3": (other(lambda: IA3Config(target_modules=["k_proj"], feedforward_modules=[])), Refused("the method IA3")),
    "adalora": (other(lambda: AdaLoraConfig(target_modules=QV, total_step=9)), Refused("the method ADALORA")),
}
