"""What the tests of GRASP's guarantee share: which modules a side constrains, their leaks, and runs as drawn."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from tiny_models import OPTIMIZERS, deltas, descend, lora, tiny

from real_models.methods.grasp import Grasp

WRITERS = re.compile(r".*\.(o_proj|down_proj|c_proj)")
READERS = re.compile(r".*\.(q_proj|k_proj|v_proj|gate_proj|up_proj|c_attn|c_fc)")
MODULES = {"write": WRITERS, "read": READERS}
LEAKS = 0.02  # what a method without the guarantee must exceed
CONFIGS: list[dict[str, Any]] = [
    {},
    {"use_rslora": True, "r": 6},
    {"rank_pattern": {"o_proj": 2, "layers.1.mlp.down_proj": 7}, "alpha_pattern": {"up_proj": 3, "o_proj": 31}},
    {"lora_dropout": 0.3},
    {"init_lora_weights": False},
    {"target_modules": ["q_proj", "o_proj", "down_proj"]},
]


def chosen(dW: dict[str, np.ndarray], side: str) -> dict[str, np.ndarray]:
    """The updates that a side constrains, turned so that the constrained dimension comes first."""
    return {n: x if side == "write" else x.T for n, x in dW.items() if MODULES[side].match(n)}


def factors(model: Any, side: str) -> dict[str, Any]:
    """The B of the modules that write, or the A of those that read."""
    kind = "lora_B" if side == "write" else "lora_A"
    return {n: p for n, p in model.named_parameters() if kind in n and MODULES[side].match(n.split(".lora_")[0])}


def squares(model: Any, Q: torch.Tensor, side: str, gains: Any = None) -> torch.Tensor:
    """Σ ‖Qᵀ dW‖² or Σ ‖dW V‖², dW dense and differentiable."""
    total = torch.zeros(())
    for path, layer in model.named_modules():
        name = path.removeprefix("base_model.model.")
        if hasattr(layer, "lora_A") and MODULES[side].fullmatch(name):
            dW = layer.scaling["default"] * layer.lora_B["default"].weight @ layer.lora_A["default"].weight
            span = torch.linalg.qr(gains[name][:, None] * Q)[0] if name in (gains or {}) else Q
            total = total + (span.T @ dW if side == "write" else dW @ Q).square().sum()
    return total


def leak_of(dW: dict[str, np.ndarray], Q: np.ndarray, side: str = "write") -> float:
    """The largest ‖QᵀdW‖/‖dW‖, or ‖dW V‖/‖dW‖, of the modules that a side constrains."""
    return max(float(np.linalg.norm(Q.T @ x) / np.linalg.norm(x)) for x in chosen(dW, side).values())


def leaks(model: Any, Q: np.ndarray, side: str, name: str = "default") -> tuple[float, float]:
    """(largest of any module, of all modules together) ‖QᵀdW‖/‖dW‖, or ‖dW V‖/‖dW‖."""
    dW = [x for x in chosen(deltas(model, name), side).values() if np.any(x)]
    parts = np.array([[np.linalg.norm(Q.T @ x), np.linalg.norm(x)] for x in dW]).reshape(-1, 2)
    total = np.linalg.norm(parts, axis=0)
    return max(parts[:, 0] / parts[:, 1], default=0.0), float(total[0] / total[1]) if total[1] else 0.0


def top(model: Any, k: int, side: str) -> np.ndarray:
    """The leading directions of this model's own update, pooled: dense, and where a naive run leaks most."""
    return np.linalg.svd(np.hstack(list(chosen(deltas(model), side).values())))[0][:, :k]


def grasp(Q: Any, side: str) -> Grasp:
    return Grasp(Q) if side == "write" else Grasp(Q, sides={"read"})


@dataclass(frozen=True)
class Run:
    """A fine-tuning run as drawn."""

    seed: int
    k: int
    steps: int
    optimizer: str
    config: dict[str, Any]
    accumulate: int = 1
    clip: float | None = None
    aligned: bool = False
    lr: float = 1.0

    def start(self) -> tuple[Any, torch.optim.Optimizer]:
        model = lora(tiny(seed=self.seed % 7), seed=self.seed, **self.config)
        optimizer = OPTIMIZERS[self.optimizer](model)
        for group in optimizer.param_groups:
            group["lr"] *= self.lr
        return model, optimizer

    def train(self, model: Any, optimizer: torch.optim.Optimizer, **kwargs: Any) -> None:
        descend(model, optimizer, self.steps, accumulate=self.accumulate, clip=self.clip, **kwargs)
