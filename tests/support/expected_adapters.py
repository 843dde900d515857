"""The real adapters with what reading each must give, small ones made to measure, and dense matrices for both."""

from __future__ import annotations

import json
import math
import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tolerance
from checkout import ROOT, python
from safetensors.numpy import save_file

from grasp_theory import AdapterError, GraspError, UnsupportedAdapterError, Update
from real_models import read_adapter


@dataclass(frozen=True)
class Read:
    """A folder that is read: number of updates and of layers, sides, kinds of extras with their counts, notes."""

    updates: int
    layers: int
    sides: tuple[str | None, ...]
    extras: dict[str, int] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    base: str | None = None
    dtype: str = "F32"


@dataclass(frozen=True)
class Refused:
    """A folder that is refused, with a part of the reason."""

    reason: str


ROBERTA = Read(
    36, 12, ("read",), {"bias": 97, "modules_to_save": 6, "original_module": 2}, ("97 biases",), "roberta-base"
)
PORTUGUESE = Read(24, 12, ("read",), {"modules_to_save": 4}, ("4 modules_to_save",), "roberta-base")
RTOL = 1e-10  # what LowRank promises of its singular values, relative to the largest
RANDOM_START = "contains its random start"
PEFT = "huggingface+peft/40640403/tests/regression"

# The folder GRASP_REAL holds public PEFT adapters as adapters/OWNER+REPOSITORY/PATH (of GitHub), stories260K in the
# layout of transformers as models/stories260K-hf, and samples of public data in datasets/, see test_real_files.py.
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
    """scaling * B @ A of every module, by the definition, dense in float64."""
    config = json.loads((folder / "adapter_config.json").read_text())
    tensors = load_tensors(folder)
    out = {}
    for key, A in tensors.items():
        for a, b in (("lora_A.weight", "lora_B.weight"), ("lora_embedding_A", "lora_embedding_B")):
            if key.endswith(f".{a}"):
                B = tensors[key.removesuffix(a) + b]
                r = A.shape[0]
                name = key.removeprefix("base_model.model.").removesuffix(f".{a}")
                own = [x for p, x in (config.get("alpha_pattern") or {}).items() if re.fullmatch(rf"(.*\.)?{p}", name)]
                alpha = own[0] if own else config["lora_alpha"]
                scaling = alpha / (math.sqrt(r) if config.get("use_rslora") else r)
                out[name] = scaling * B.reshape(B.shape[0], r) @ A.reshape(r, -1)
    return out


def assert_read(folder: Path, expected: Read | Refused) -> None:
    """The folder is read as the table says."""
    assert isinstance(expected, Read)
    adapter = read_adapter(folder)
    assert len(adapter.updates) == expected.updates
    assert len({u.block for u in adapter.updates if u.block is not None}) == expected.layers
    assert tuple(sorted({u.side for u in adapter.updates}, key=str)) == tuple(sorted(expected.sides, key=str))
    assert Counter(e.kind for e in adapter.extras) == expected.extras
    assert adapter.warnings == ()
    assert len(adapter.notes) == len(expected.notes) + (expected.extras.get("bias", 0) > 0)
    for note in expected.notes:
        assert any(note in text for text in adapter.notes)
    assert adapter.config.base_model_name == expected.base
    assert adapter.dtypes == (expected.dtype,)


def assert_refused(folder: Path, expected: Read | Refused) -> None:
    """The folder is refused with the reason of the table."""
    assert isinstance(expected, Refused)
    with pytest.raises(UnsupportedAdapterError, match=expected.reason):
        read_adapter(folder)


def assert_dense(folder: Path, dense: Mapping[str, np.ndarray]) -> None:
    """Singular values of every module, vectors and the product itself on a sample, against ``dense_updates``."""
    updates = read_adapter(folder).updates
    assert {u.name for u in updates} == set(dense)
    for i, update in enumerate(updates):
        dW, lowrank = dense[update.name], update.lowrank
        assert dW.shape == update.shape == lowrank.shape
        S = lowrank.singular_values()
        # Dense singular values from the smaller Gram side would lose half the digits; this is LAPACK on dW itself.
        expected = np.linalg.svd(dW, compute_uv=False) if i % 12 == 0 else _singular_values_by_qr(dW, update.rank)
        np.testing.assert_allclose(S, expected[: S.size], rtol=0, atol=RTOL * expected[0])
        if i % 12 == 0:
            svd = lowrank.svd(2)
            residual = dW @ svd.Vh.T - svd.U * svd.S[:2]
            np.testing.assert_allclose(residual, 0, atol=RTOL * expected[0])
            scale = abs(lowrank.scaling) * np.linalg.norm(lowrank.B) * np.linalg.norm(lowrank.A)
            np.testing.assert_allclose(
                lowrank @ np.eye(dW.shape[1]), dW, rtol=0, atol=tolerance.backward([update.rank], np.float32, scale)
            )


def _singular_values_by_qr(dW: np.ndarray, rank: int) -> np.ndarray:
    """Dense singular values of a matrix of known rank: exact projection on a random sample of its columns' span."""
    Q = np.linalg.qr(dW @ np.random.default_rng(0).standard_normal((dW.shape[1], rank + 8)))[0]
    return np.linalg.svd(Q.T @ dW, compute_uv=False)


# Where torch is not to be loaded: reads the folders given as arguments.
WITHOUT_TORCH = """
import sys; from real_models import read_adapter; import real_models.adapters
for path in sys.argv[1:]:
    for u in read_adapter(path).updates: u.lowrank.singular_values()
heavy = {'torch', 'peft', 'transformers', 'huggingface_hub', 'safetensors'} & set(sys.modules)
assert not heavy, heavy
"""


def assert_read_without_torch(folders: list[Path]) -> None:
    python("-c", WITHOUT_TORCH, *map(str, folders), cwd=ROOT)


def dense(update: Update) -> np.ndarray:
    """dW as an array: what the library never forms."""
    return update.lowrank @ np.eye(update.shape[1])


def expected_edit(dW, Q=None, V=None, *, delete=(), keep=None, scale=1.0) -> np.ndarray:
    """The definition, on dense matrices."""
    U, S, Vh = np.linalg.svd(dW, full_matrices=False)
    chosen = [i for i in range(len(S)) if i not in delete and (keep is None or i < keep)]
    out = (U[:, chosen] * S[chosen]) @ Vh[chosen]
    out = out if Q is None else out - Q @ (Q.T @ out)
    return scale * (out if V is None else out - (out @ V) @ V.T)


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


def raw(header: Any, data: bytes = b"", *, length: int | None = None) -> bytes:
    """A safetensors file; length : what it says of its header, the truth if it is not given."""
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return (len(text) if length is None else length).to_bytes(8, "little") + text + data


def refused(path, match: str, *, kind: type[GraspError] = AdapterError, name: str | None = None) -> None:
    with pytest.raises(kind, match=match):
        _ = [update.lowrank for update in read_adapter(path, name).updates]
