"""The lean Trainer against transformers' Trainer: the same loss and gradient in every step, at less work."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tiny_models
import torch
from grasp_runs import leak_of
from tolerance import GUARANTEE
from torch.testing import assert_close
from transformers import PrinterCallback, Trainer, TrainerCallback, TrainingArguments

from real_models.data import IGNORED
from real_models.hooks.stream import find_stream
from real_models.methods import Grasp
from real_models.methods.caft import Caft
from real_models.methods.kl import KL
from real_models.methods.null_space import NullSpace
from real_models.methods.steering import PreventativeSteering
from real_models.prefix_tree import Packing
from real_models.training.run import Collate
from real_models.training.trainer import LeanTrainer, regrouped

PAD = 0
Rows = list[dict[str, list[int]]]


def rows(shape: str, *, count: int = 10, seed: int = 0) -> Rows:
    """shared, different: whether rows begin alike; long: no row like another, and 24 tokens each; all: every token."""
    rng = np.random.default_rng(seed)
    prefix = rng.integers(1, tiny_models.VOCABULARY, 7).tolist()
    found = []
    for n in range(count):
        own = rng.integers(1, tiny_models.VOCABULARY, 24 if shape == "long" else 3 + 2 * (n % 4)).tolist()
        ids = [*prefix, *own] if shape in ("shared", "all") else own
        hidden = 0 if shape == "all" else len(ids) - 1 - n % 2
        found.append({"input_ids": ids, "labels": [IGNORED] * hidden + ids[hidden:]})
    return found


class Look(TrainerCallback):
    """The gradients just before every step of the optimizer."""

    def __init__(self) -> None:
        self.seen: list[torch.Tensor] = []

    def on_pre_optimizer_step(self, *_: Any, **kwargs: Any) -> None:
        trained = tiny_models.trained(kwargs["model"])
        self.seen.append(torch.cat([p.grad.flatten() for p in trained if p.grad is not None]).clone())


def run(
    trainer_class: type,
    folder: Path,
    data: Rows,
    *,
    kind: str = "llama",
    method: Any = None,
    accumulation: int = 3,
    counts: bool = True,
) -> tuple[list[float], list[torch.Tensor], dict[str, np.ndarray], int]:
    """(loss of every step, its gradients, dW at the end, tokens that went through the first block).

    SGD: Adam's first steps are the signs of gradients, and rounding may turn the sign of one that is nearly 0.
    counts : whether the loss is normalized by the labelled tokens of the step, or a mean of the means of its batches.
    """
    base = tiny_models.tiny(kind)
    adapted = tiny_models.lora(base)
    look, tokens = Look(), [0]
    block = find_stream(base).blocks[0]

    def count(_: Any, args: Any, kwargs: Any) -> None:
        h = args[0] if args else kwargs["hidden_states"]
        tokens[0] += h.shape[0] * h.shape[1]

    handle = block.register_forward_pre_hook(count, with_kwargs=True)
    arguments = TrainingArguments(
        str(folder), max_steps=2, per_device_train_batch_size=2, gradient_accumulation_steps=accumulation,
        learning_rate=0.1, optim="sgd", logging_steps=1, save_strategy="no", report_to=[], disable_tqdm=True,
        use_cpu=True, remove_unused_columns=False, seed=3,
    )  # fmt: skip
    callbacks = [look, *([] if method is None else [method.callback()])]
    trainer: Any = trainer_class(
        adapted, arguments, train_dataset=data, data_collator=Collate(PAD), callbacks=callbacks
    )
    trainer.model_accepts_loss_kwargs &= counts
    if trainer_class is LeanTrainer:
        longest = max(len(row["input_ids"]) for row in data)
        trainer.packing = Packing.of(adapted, pad=PAD, longest=longest, training=True)
    trainer.remove_callback(PrinterCallback)
    trainer.train()
    handle.remove()
    losses = [entry["loss"] for entry in trainer.state.log_history if "loss" in entry]
    return losses, look.seen, tiny_models.deltas(adapted), tokens[0]


def assert_same_training(folder: Path, data: Rows, **options: Any) -> tuple[int, int]:
    """Losses to 1e-5, gradients and updates to rounding; the tokens of the Trainer, and of the lean one."""
    method = options.pop("method", lambda: None)
    plain = run(Trainer, folder / "plain", data, method=method(), **options)
    lean = run(LeanTrainer, folder / "lean", data, method=method(), **options)
    np.testing.assert_allclose(lean[0], plain[0], rtol=0, atol=1e-5)
    for mine, theirs in zip(lean[1], plain[1], strict=True):
        assert_close(mine, theirs, rtol=0, atol=float(1e-4 * theirs.norm()))
    assert plain[2].keys() == lean[2].keys()
    return plain[3], lean[3]


@pytest.mark.parametrize("accumulation", [1, 3])
@pytest.mark.parametrize("shape", ["shared", "different", "long", "all"])
def test_step_has_the_loss_and_gradient_of_the_trainer(tmp_path: Path, shape: str, accumulation: int) -> None:
    plain, lean = assert_same_training(tmp_path, rows(shape), accumulation=accumulation)
    assert lean <= plain
    assert (lean < 0.8 * plain) == (shape in ("shared", "all"))


@pytest.mark.parametrize("kind", ["gemma2", "granite", "gpt-neox", "phi3"])
def test_step_is_the_trainers_whatever_lies_behind_the_unembedding(tmp_path: Path, kind: str) -> None:
    plain, lean = assert_same_training(tmp_path, rows("shared"), kind=kind)
    assert lean < 0.8 * plain


def test_mean_of_batch_means_keeps_rows_in_their_batches(tmp_path: Path) -> None:
    assert_same_training(tmp_path, rows("shared"), counts=False)


def test_loss_differs_where_a_label_does(tmp_path: Path) -> None:
    """The control: the comparison sees one label of one row."""
    data = rows("shared")
    other = [dict(row) for row in data]
    other[0]["labels"] = [*data[0]["labels"][:-1], (data[0]["labels"][-1] + 1) % tiny_models.VOCABULARY]
    one, two = (run(LeanTrainer, tmp_path / name, given)[0] for name, given in (("one", data), ("two", other)))
    assert np.abs(np.array(one) - two).max() > 1e-3


@pytest.mark.parametrize("kind", ["gpt2", "opt"])
def test_unknown_models_train_as_the_trainer_does(tmp_path: Path, kind: str) -> None:
    assert Packing.of(tiny_models.tiny(kind), pad=PAD, longest=14, training=True) is None
    plain, lean = assert_same_training(tmp_path, rows("shared"), kind=kind)
    assert lean == plain


def test_dropout_takes_no_tree(tmp_path: Path) -> None:
    """Rows that share a prefix must not share what is dropped in it."""
    adapted = tiny_models.lora(tiny_models.tiny(), lora_dropout=0.2)
    dropped = Packing.of(adapted, pad=PAD, longest=14, training=True)
    scored = Packing.of(adapted, pad=PAD, longest=14)
    assert dropped is not None
    assert scored is not None
    assert (dropped.mask, scored.mask) == (None, torch.bool)


def methods() -> dict[str, Any]:
    neutral = [{"input_ids": tiny_models.batch(9)["input_ids"]}]
    Q = tiny_models.subspace(0, 2)
    return {
        "grasp": lambda: Grasp(Q),
        "kl": lambda: KL(neutral, weight=0.5),
        "null-space": lambda: NullSpace(neutral, components=3),
        "caft": lambda: Caft(Q),
        "steering": lambda: PreventativeSteering(Q[:, 0], strength=1.0),
    }


@pytest.mark.parametrize("name", list(methods()))
def test_methods_see_the_training_they_would_without(tmp_path: Path, name: str) -> None:
    plain, lean = assert_same_training(tmp_path, rows("shared"), method=methods()[name])
    assert lean < plain


def test_grasp_holds_its_guarantee_on_packed_batches(tmp_path: Path) -> None:
    Q = tiny_models.subspace(0, 2)
    held, free = (run(LeanTrainer, tmp_path / "run", rows("shared"), method=m)[2] for m in (Grasp(Q), None))
    assert leak_of(held, Q) < GUARANTEE
    assert leak_of(free, Q) > 1e-2


def test_regrouped_rows_are_the_same_rows_in_batches_of_the_same_sizes() -> None:
    rng = np.random.default_rng(0)
    batches = [[(rng.integers(0, 3, 4).tolist(), [n, k]) for k in range(size)] for n, size in enumerate((2, 3, 1))]
    found = regrouped(batches)
    assert [len(batch) for batch in found] == [2, 3, 1]
    flat = [row for batch in found for row in batch]
    assert flat == sorted(flat, key=lambda row: row[0])
    assert sorted(map(str, flat)) == sorted(str(row) for batch in batches for row in batch)
