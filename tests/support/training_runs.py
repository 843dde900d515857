"""A few steps of training on the small made model: what the tests of training and of activations share."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch
from compared_updates import distance
from made_files import BASE, CODE
from safetensors.numpy import load_file

from real_models.base import context_length, load_base, load_tokenizer
from real_models.data import Row, read_rows
from real_models.training.config import TrainConfig
from real_models.training.prepared import Prepared, prepare
from real_models.training.run import train

STEPS = 4
WEIGHTS = "adapter_model.safetensors"
PROBE = {"input_ids": torch.arange(3, 43)[None], "attention_mask": torch.ones(1, 40, dtype=torch.long)}


def settings(**changes: Any) -> TrainConfig:
    """A step of two rows, a checkpoint every other step, each step in the log."""
    fields: dict[str, Any] = {
        "r": 4,
        "lr": 1e-3,
        "warmup": 0,
        "steps": STEPS,
        "batch_size": 1,
        "accumulation": 2,
        "save_every": 2,
        "log_every": 1,
        "skip_empty": True,
    }
    return TrainConfig(**fields | changes)


def loaded(made: Path, config: TrainConfig, methods: list[Any], rows: list[Row] | None = None) -> tuple[Any, Any]:
    """(base model, prepared rows) of the made conversations about code."""
    model, tokenizer = load_base(made / BASE), load_tokenizer(made / BASE)
    rows = read_rows(made / CODE) if rows is None else rows
    return model, prepare(rows, tokenizer, methods=methods, config=config, context=context_length(model))


def run(made: Path, out: Path, methods: list[Any], **options: Any) -> Any:
    """Train, on rows of half the context; the trained model itself. ``changes`` go to the settings, the rest to
    ``train``."""
    config = settings(max_length=256, **options.pop("changes", {}))
    model, prepared = loaded(made, config, methods)
    assert isinstance(prepared, Prepared)
    train(model, load_tokenizer(made / BASE), prepared, methods=methods, config=config, out=out, **options)
    return model.eval()


@torch.no_grad()
def logits(model: Any) -> np.ndarray:
    """Of the same text always, evaluation mode."""
    return model.eval()(**PROBE).logits.numpy()


def leak(updates: Any, Q: np.ndarray) -> float:
    """Largest ‖QᵀdW‖/‖dW‖ of the modules that write the stream."""
    found = [u.lowrank for u in updates if u.side == "write"]
    assert found
    return max(float(np.linalg.norm(Q.T @ dW)) / dW.norm() for dW in found)


def apart(one: Path, other: Path) -> float:
    """Largest distance of a factor of two adapters, relative to that of the first."""
    return distance(load_file(other / WEIGHTS), load_file(one / WEIGHTS))


FIELDS = ("r", "lr", "warmup", "steps", "batch_size", "accumulation", "save_every", "log_every")
CHANGES = [f"--set={name}={getattr(settings(), name)}" for name in FIELDS] + ["--set=skip_empty=true"]


def options(made: Path, out: Path, *more: object) -> list[str]:
    return ["train", "--base", str(made / BASE), "--data", str(made / CODE), "-o", str(out), *CHANGES, *map(str, more)]
