"""A Trainer of transformers on a tiny model, in an order that a loop by hand can follow."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
import transformers as hf
from tiny_models import batch, lora, tiny
from torch.utils.data import SequentialSampler

STEPS, ACCUMULATE, CLIP, DECAY, LR, WARMUP = 8, 2, 0.5, 0.1, 1e-2, 3


class InOrder(hf.Trainer):
    """The data in their own order, so that a loop by hand can follow."""

    def _get_train_sampler(self, *args: Any) -> Any:
        return SequentialSampler(self.train_dataset)  # pyright: ignore[reportArgumentType]


def data(count: int = 2 * ACCUMULATE * STEPS) -> list[dict[str, torch.Tensor]]:
    return [{key: value[0] for key, value in batch(n, sequences=1).items()} for n in range(count)]


def trainer(folder: Path, callbacks: list, *, model: Any = None, rows: Any = None, **arguments: Any) -> hf.Trainer:
    """AdamW with weight decay, accumulation, clipping, warm-up; a log entry at every step."""
    fields: dict[str, Any] = {
        "max_steps": STEPS,
        "per_device_train_batch_size": 2,
        "gradient_accumulation_steps": ACCUMULATE,
        "learning_rate": LR,
        "weight_decay": DECAY,
        "warmup_steps": WARMUP,
        "max_grad_norm": CLIP,
        "logging_steps": 1,
        "save_strategy": "no",
        "report_to": [],
        "disable_tqdm": True,
        "use_cpu": True,
    }
    settings = hf.TrainingArguments(output_dir=str(folder), **{**fields, **arguments})
    model = lora(tiny(), lora_dropout=0.1) if model is None else model
    rows = data() if rows is None else rows
    return InOrder(model=model, args=settings, train_dataset=rows, callbacks=callbacks)
