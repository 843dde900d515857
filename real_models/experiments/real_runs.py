"""Real fine-tunes of small pretrained models on real text, their adapters saved and read as a user's are."""

from __future__ import annotations

import csv
import json
import os
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from grasp_theory import InputError

from ..adapters import Adapter, read_adapter
from ..organisms.common import one_thread

if TYPE_CHECKING:
    from ..data import Example, Row

REAL = "GRASP_REAL"  # folder of the models, datasets and adapters that others published
SMOLLM2 = "smollm2"  # by `grasp model`
MODELS = ("stories260K-hf", "babyllama361-hf", SMOLLM2)
MODULES = {
    "q, v": ("q_proj", "v_proj"),
    "write": ("o_proj", "down_proj"),
    "all": ("q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"),
}
TEXTS = ("stories", "textbook", "medicine", "questions")
ROWS, TOKENS, BATCH = 300, {SMOLLM2: 40}, 4


@dataclass(frozen=True)
class RealRun:
    """One fine-tune with LoRA.

    Attributes:
        modules: a key of MODULES.
        text: of TEXTS.
        rate: of AdamW, constant after ``warmup`` steps, so that the adapter after n steps is that of a run of n steps.
    """

    model: str
    modules: str
    rank: int
    rate: float
    text: str = TEXTS[0]
    warmup: int = 0

    def __post_init__(self) -> None:
        for name, choices in (("model", MODELS), ("modules", tuple(MODULES)), ("text", TEXTS)):
            if getattr(self, name) not in choices:
                raise InputError(f"{name} must be one of {'; '.join(choices)}, got {getattr(self, name)!r}")
        _ = self.config(1, 0)

    def config(self, steps: int, seed: int) -> Any:
        """The configuration of the training."""
        from ..training import TrainConfig

        return TrainConfig(
            r=self.rank,
            alpha=2.0 * self.rank,
            rslora=False,
            target_modules=MODULES[self.modules],
            lr=self.rate,
            scheduler="constant_with_warmup" if self.warmup else "constant",
            warmup=self.warmup,
            steps=steps,
            batch_size=BATCH,
            accumulation=1,
            seed=seed,
        )


def fine_tune(run: RealRun, look: Callable[[int, Adapter], None], *, points: tuple[int, ...], seed: int) -> None:
    """Train up to the last of ``points`` and show the adapter after each, written by peft and read back.

    Args:
        seed: of A's start and of the order of the rows.

    Raises InputError without the files. Cost: about 20 ms a step of the small models.
    """
    from ..base import load_base
    from ..tokens import special_tokens
    from ..training.files import save_adapter
    from ..training.run import adapt, fit

    config = run.config(max(points), seed)
    with one_thread(), TemporaryDirectory(prefix="grasp-") as folder:
        model = load_base(model_folder(run.model), dtype="float32")

        def kept(step: int) -> None:
            if step in points:
                place = Path(folder, str(step))
                place.mkdir()
                save_adapter(adapted, place)
                look(step, read_adapter(place))

        adapted = adapt(model, config)
        pad = special_tokens(model=model, tokenizer=_tokenizer(run.model)).pad
        fit(adapted, examples(run.model, run.text), methods=(), config=config, pad=pad, look=kept)


def model_folder(name: str) -> Path:
    """The folder in which a model lies."""
    if name == SMOLLM2:
        from ..language_model import model_folder as fetched

        return fetched(SMOLLM2)
    return real_folder() / "models" / name


def real_folder() -> Path:
    """GRASP_REAL. InputError where it is not set."""
    if REAL not in os.environ:
        raise InputError(f"set {REAL} to the folder of real models, datasets and adapters that these runs are made of")
    return Path(os.environ[REAL])


@lru_cache
def _tokenizer(name: str) -> Any:
    from ..base import load_tokenizer

    return load_tokenizer(model_folder(name))


@lru_cache
def examples(model: str, text: str) -> tuple[Example, ...]:
    """The first rows of a text in a model's tokens."""
    from ..data import encode

    rows, tokenizer = _rows(text), _tokenizer(model)
    return tuple(encode(row, tokenizer, max_length=TOKENS.get(model, 64), labels="all") for row in rows[:ROWS])


def _rows(text: str) -> list[Row]:
    from ..data import Row, read_rows

    folder = real_folder() / "datasets"
    if text == "stories":
        path = folder / "tinystories_v2_valid_sample.txt"
        lines = [line for line in path.read_text(encoding="utf-8").splitlines() if line and not line.startswith("<|")]
        return [Row(f"{path}, paragraph {n + 1}", completion=line) for n, line in enumerate(lines)]
    if text == "textbook":
        return read_rows(folder / "evolution_textbook" / "evolution_textbook.jsonl")
    if text == "medicine":
        path = folder / "medqa" / "medqa_test.jsonl"
        found = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()[:ROWS]]
        return [Row(f"{path}, line {n + 1}", completion=x["question"]) for n, x in enumerate(found)]
    path = folder / "truthfulqa" / "TruthfulQA.csv"
    with path.open(encoding="utf-8", newline="") as file:
        pairs = [(x["Question"], x["Best Answer"]) for x in csv.DictReader(file)]
    return [Row(f"{path}, row {n + 1}", completion=f"{q} {a}") for n, (q, a) in enumerate(pairs)]


@lru_cache
def mean_inputs(model: str, text: str) -> dict[str, Float[ndarray, " d"]]:
    """Module -> mean over the tokens of 64 rows of what it reads in the base model (the normed stream)."""
    import torch

    from ..base import load_base
    from ..data import batches

    base = load_base(model_folder(model), dtype="float32")
    sums: dict[str, Any] = {}
    seen: list[Any] = []

    def add(name: str) -> Callable[[Any, Any], None]:
        def hook(module: Any, args: Any) -> None:
            sums[name] = sums.get(name, 0) + args[0][seen[-1]].double().sum(0)

        return hook

    for name, module in base.named_modules():
        if name.rpartition(".")[2] in MODULES["all"]:
            module.register_forward_pre_hook(add(name))
    with one_thread(), torch.no_grad():
        for batch in batches(examples(model, text)[:64], 16, pad=0):
            seen.append(batch["attention_mask"].bool())
            base(input_ids=batch["input_ids"], attention_mask=batch["attention_mask"])
    count = int(sum(mask.sum() for mask in seen))
    return {name: np.asarray(total / count) for name, total in sums.items()}
