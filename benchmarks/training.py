"""A step of ``train`` against that of a script by hand on peft and transformers: seconds of processor time."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from .methods import median_interval
from .timing import Claim, at_most

WIDTH, BLOCKS, VOCABULARY, TOKENS, ROWS = 384, 6, 512, 128, 16
BOUND = 1.05


def claims(folder: Path, steps: int = 40, rounds: int = 3) -> list[Claim]:
    """``rounds`` runs of each in turn; the median step, the first two of a run not counted."""
    own: list[float] = []
    hand: list[float] = []
    for n in range(rounds):
        pair = ((own, _own), (hand, _by_hand))
        for taken, run in pair if n % 2 else pair[::-1]:
            taken += run(folder / f"{run.__name__}-{n}", steps)
    low, _, high = median_interval(np.array(own) / np.median(hand))
    detail = (
        f"95% interval of the median {low:.3f} … {high:.3f}; {1e3 * np.median(own):.1f} ms against "
        f"{1e3 * np.median(hand):.1f} ms, {len(own)} steps each (processor time), {ROWS} rows of {TOKENS} tokens a pass"
    )
    ratio = float(np.median(own) / np.median(hand))
    return [at_most("a step of grasp train against a script by hand", ratio, BOUND, detail)]


def _own(folder: Path, steps: int) -> list[float]:
    from real_models.methods import Naive
    from real_models.training.config import TrainConfig
    from real_models.training.prepared import Prepared
    from real_models.training.run import train

    ends: dict[int, float] = {}  # of a step that is logged the watch is told twice: the first time counts

    def watch(step: int, *_: Any) -> None:
        ends.setdefault(step, time.process_time())

    train(
        _model(),
        _Tokenizer(),
        Prepared(tuple(_examples()), 0, 0, TOKENS),
        methods=[Naive()],
        config=TrainConfig(
            r=16, steps=steps, batch_size=2, accumulation=1, save_every=10**6, log_every=5, optimizer="adamw_torch"
        ),
        out=folder,
        watch=watch,
    )
    return _steps(list(ends.values()))


def _by_hand(folder: Path, steps: int) -> list[float]:
    import torch
    from peft import LoraConfig, get_peft_model
    from transformers import PrinterCallback, Trainer, TrainerCallback, TrainingArguments

    times: list[float] = []

    class Clock(TrainerCallback):
        def on_step_end(self, *_: Any, **__: Any) -> None:
            times.append(time.process_time())

    def collate(rows: list[dict[str, list[int]]]) -> dict[str, Any]:
        batch = {name: torch.tensor([row[name] for row in rows]) for name in ("input_ids", "labels")}
        return batch | {"attention_mask": torch.ones_like(batch["input_ids"])}

    lora = LoraConfig(r=16, lora_alpha=64, use_rslora=True, target_modules="all-linear", task_type="CAUSAL_LM")
    arguments = TrainingArguments(
        output_dir=str(folder), max_steps=steps, per_device_train_batch_size=2, learning_rate=1e-5, warmup_steps=5,
        weight_decay=0.01, logging_steps=5, save_strategy="no", report_to=[], disable_tqdm=True, use_cpu=True,
        remove_unused_columns=False,
    )  # fmt: skip
    rows: Any = [{"input_ids": e.input_ids, "labels": e.labels} for e in _examples()]
    trainer = Trainer(
        get_peft_model(_model(), lora), arguments, train_dataset=rows, data_collator=collate, callbacks=[Clock()]
    )
    trainer.remove_callback(PrinterCallback)
    trainer.train()
    return _steps(times)


def _steps(times: Sequence[float]) -> list[float]:
    """Seconds between the ends of steps."""
    return np.diff(np.array(times))[2:].tolist()


class _Tokenizer:
    pad_token_id = 0


def _examples() -> list[Any]:
    from real_models.data import Example

    draws = np.random.default_rng(0).integers(1, VOCABULARY, (ROWS, TOKENS)).tolist()
    return [Example(ids, ids, "drawn") for ids in draws]


def _model() -> Any:
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM

    torch.manual_seed(0)
    return LlamaForCausalLM(
        LlamaConfig(
            vocab_size=VOCABULARY, hidden_size=WIDTH, intermediate_size=3 * WIDTH, num_hidden_layers=BLOCKS,
            num_attention_heads=6, num_key_value_heads=6,
        )
    )  # fmt: skip
