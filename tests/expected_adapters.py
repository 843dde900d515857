"""The real adapters with what reading each must give, small ones made to measure, and dense matrices for both."""

from __future__ import annotations

import json
import math
import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import save_file

from grasp_theory import AdapterError, GraspError, Update
from real_models import read_adapter


def real_adapters() -> Path:
    """The folder of real checkpoints. Its absence is a failure: without it nothing here would have been tested."""
    root = os.environ.get("GRASP_REAL") or Path(__file__).parents[2] / "shared" / "real"
    folder = Path(root).resolve() / "adapters"
    if not folder.is_dir():
        pytest.fail(f"{folder} is missing; set GRASP_REAL to the folder of real artefacts")
    return folder


@dataclass(frozen=True)
class Read:
    """A folder that is read: number of updates and of layers, sides, kinds of extras with their counts, notes."""

    updates: int
    layers: int
    sides: tuple[str | None, ...]
    extras: dict[str, int] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    base: str | None = None


@dataclass(frozen=True)
class Refused:
    """A folder that is refused, with a part of the reason."""

    reason: str


ROBERTA = Read(
    36, 12, ("read",), {"bias": 97, "modules_to_save": 6, "original_module": 2}, ("97 biases",), "roberta-base"
)
PORTUGUESE = Read(24, 12, ("read",), {"modules_to_save": 4}, ("4 modules_to_save",), "roberta-base")
RANDOM_START = "contains its random start"
PEFT = "huggingface+peft/40640403/tests/regression"

# Every folder under adapters/ that holds an adapter_config.json, and the outcome it must have.
EXPECTED: dict[str, Read | Refused] = {
    "AguLeon+LoRA_RoBERTa_AGNews/results/checkpoint-500": ROBERTA,
    "AguLeon+LoRA_RoBERTa_AGNews/results/checkpoint-1000": ROBERTA,
    "AguLeon+LoRA_RoBERTa_AGNews/results/checkpoint-1200": ROBERTA,
    "Raghava-Ram+self-healing-classification-dag/fine_tuned_model": Read(
        12, 6, ("read",), {"modules_to_save": 4}, ("4 modules_to_save",), "distilbert-base-uncased"
    ),
    "SARAELSAFTY+Movies-_with_lora/model": Read(24, 12, ("read",), base="EleutherAI/gpt-neo-125M"),
    "huggingface+peft/3db9c681/tests/regression/lora_opt-125m_bnb_4bit/0.5.0": Read(
        24, 12, ("read",), notes=(RANDOM_START,), base="facebook/opt-125m"
    ),
    f"{PEFT}/adalora_mlp/0.6.1": Refused("the method ADALORA"),
    f"{PEFT}/ia3_conv2d/0.6.1": Refused("the method IA3"),
    f"{PEFT}/ia3_mlp/0.6.1": Refused("the method IA3"),
    f"{PEFT}/ia3_no_ff_mlp/0.6.1": Refused("the method IA3"),
    f"{PEFT}/ia3_opt-350m/0.6.1": Refused("the method IA3"),
    f"{PEFT}/lora_conv2d/0.6.1": Read(1, 0, (None,), notes=(RANDOM_START,)),
    f"{PEFT}/lora_emb_conv1d/0.6.1": Read(2, 0, (None, "write"), notes=(RANDOM_START,)),
    f"{PEFT}/lora_mlp/0.6.1": Read(1, 0, (None,), notes=(RANDOM_START,)),
    f"{PEFT}/lora_mlp_modules_to_save/0.6.1": Read(
        1, 0, (None,), {"modules_to_save": 2}, (RANDOM_START, "2 modules_to_save")
    ),
    f"{PEFT}/lora_opt-350m/0.6.1": Read(48, 24, ("read",), notes=(RANDOM_START,), base="facebook/opt-350m"),
    "huggingface+trl/7f579ce4/kto_anthropic_hh": Read(12, 12, ("read",), base="gpt2"),
    # a U-Net: six down, one middle and nine up blocks; keys and values of attn2 read the text
    "hyper07+Skin-Lesion-Generation-Diffusion/lora_weights": Read(128, 16, (None, "read", "write")),
    "mycguo+fine-tune-ai-model/fine_tuned_model": Read(36, 12, ("read", "write"), base="gpt2"),
    "paulohenriquecrs+RoBERTa_SEQ_CLS_LoRA_Portuguese/results/checkpoint-500": PORTUGUESE,
    "paulohenriquecrs+RoBERTa_SEQ_CLS_LoRA_Portuguese/results/checkpoint-6000": PORTUGUESE,
    "shibbir24+Smart-Review-AI/lora_adapter": Read(12, 12, ("read",), notes=("checkpoint-2500",), base="gpt2"),
    "shibbir24+Smart-Review-AI/lora_adapter/checkpoint-2500": Read(12, 12, ("read",), base="gpt2"),
    "wujindou+BLOOM-LORA": Refused("enable_lora"),
}
READ = sorted(key for key, value in EXPECTED.items() if isinstance(value, Read))
REFUSED = sorted(key for key, value in EXPECTED.items() if isinstance(value, Refused))


def load_tensors(folder: Path) -> dict[str, np.ndarray]:
    """Every tensor in float64, by the loaders of safetensors and torch: nothing of the reader under test."""
    import torch
    from safetensors.torch import load_file

    weights = folder / "adapter_model.safetensors"
    if weights.exists():
        tensors = load_file(weights)
    else:
        tensors = torch.load(folder / "adapter_model.bin", map_location="cpu", weights_only=True)
    return {key: value.double().numpy() for key, value in tensors.items()}


def dense_updates(folder: Path) -> dict[str, np.ndarray]:
    """scaling * B @ A of every module of a folder without patterns, by the definition, dense in float64."""
    config = json.loads((folder / "adapter_config.json").read_text())
    assert not config.get("rank_pattern")
    assert not config.get("alpha_pattern")
    tensors = load_tensors(folder)
    out = {}
    for key, A in tensors.items():
        for a, b in (("lora_A.weight", "lora_B.weight"), ("lora_embedding_A", "lora_embedding_B")):
            if key.endswith(f".{a}"):
                B = tensors[key.removesuffix(a) + b]
                r = A.shape[0]
                scaling = config["lora_alpha"] / (math.sqrt(r) if config.get("use_rslora") else r)
                name = key.removeprefix("base_model.model.").removesuffix(f".{a}")
                out[name] = scaling * B.reshape(B.shape[0], r) @ A.reshape(r, -1)
    return out


def dense(update: Update) -> np.ndarray:
    """dW as an array: what the library never forms."""
    return update.lowrank @ np.eye(update.shape[1])


def as_weight(update: Update, module: Any) -> np.ndarray:
    """The stated orientation rules, from dW (d_out, d_in) to the stored weight of the torch module."""
    from torch.nn import Embedding
    from transformers.pytorch_utils import Conv1D

    dW = dense(update)
    return (dW.T if isinstance(module, Conv1D | Embedding) else dW).reshape(module.weight.shape)


# --- small adapters, sound apart from what a test changes in them ---------------------------------------------

CONFIG = {"peft_type": "LORA", "r": 2, "lora_alpha": 4, "target_modules": ["q_proj"]}
A, B = "base_model.model.layers.0.q_proj.lora_A.weight", "base_model.model.layers.0.q_proj.lora_B.weight"
FACTORS = {A: np.ones((2, 4), np.float32), B: np.ones((3, 2), np.float32)}


def adapter(folder: Path, config: Any = None, tensors: dict[str, np.ndarray] | None = None) -> Path:
    """A small sound adapter, apart from what is given."""
    folder.mkdir(exist_ok=True)
    config = CONFIG if config is None else config
    (folder / "adapter_config.json").write_bytes(config if isinstance(config, bytes) else json.dumps(config).encode())
    save_file(FACTORS if tensors is None else tensors, folder / "adapter_model.safetensors")
    return folder


def refused(path, match: str, *, kind: type[GraspError] = AdapterError, name: str | None = None) -> None:
    with pytest.raises(kind, match=match):
        _ = [update.lowrank for update in read_adapter(path, name).updates]
