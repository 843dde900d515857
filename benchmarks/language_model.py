"""Training and scoring of a language model with 49,152 words: against a plain transformers Trainer, and a plain loop.

On SmolLM2 where `grasp model smollm2` has put it, else on a random model of its shape: weights cost the same whatever
they are. Seconds of processor time: a second job on the machine does not count.
"""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import numpy as np

from .timing import Claim, at_least, at_most

# Tokens of what a chat template puts in front of every row, of a question, of its answer: those of TruthfulQA for
# SmolLM2 (21; mean 22, 90% in 15 … 37; mean 12, 90% in 5 … 20). Answers to one question begin alike with 1.8 tokens.
PREFIX, QUESTION, ANSWER, ALIKE = 21, (15, 30), (5, 20), (0, 0, 0, 7)
SHAPE = f"{PREFIX} shared + {QUESTION[0]}…{QUESTION[1] - 1} + {ANSWER[0]}…{ANSWER[1] - 1} tokens"
ROWS, STEPS, BATCH, PAIRS, PARTS, VOCABULARY, PAD = 48, 3, 8, 100, 4, 49152, 2
CLOSE = 1e-5


def claims(folder: Path) -> list[Claim]:
    """Training of ``STEPS`` steps of 16 rows twice each, and scoring of 2 · ``PAIRS`` texts, each in turn."""
    from real_models.language_model import model_folder

    what = "SmolLM2" if model_folder().is_dir() else "a random model of SmolLM2's shape"
    return [*_training(folder, what), *_scoring(what)]


def _training(folder: Path, what: str) -> list[Claim]:
    import peft  # noqa: F401 (what is imported counts for nobody)
    from transformers import Trainer  # noqa: F401

    import real_models.training.trainer  # noqa: F401

    own: list[float] = []
    plain: list[float] = []
    losses: dict[str, list[float]] = {}
    tokens = sum(len(e.input_ids) for e in _rows())
    for n in range(2):
        pair = ((own, _lean), (plain, _plain))
        for taken, run in pair if n % 2 else pair[::-1]:
            seconds, losses[run.__name__] = run(folder / f"language-{run.__name__}{n}")
            taken.append(seconds)
    ratio = float(np.mean(plain) / np.mean(own))
    apart = float(np.abs(np.subtract(losses["_lean"], losses["_plain"])).max())
    detail = (
        f"{what}: {tokens / np.mean(own):.0f} against {tokens / np.mean(plain):.0f} tokens a second of processor time, "
        f"{STEPS} steps of {ROWS // STEPS} rows, {BATCH} a batch, of {SHAPE}, LoRA r 16 on all linear modules"
    )
    return [
        at_least("tokens a second of grasp train against a plain Trainer", ratio, 1.3, detail),
        at_most("largest difference of their losses", apart, CLOSE, f"losses of {STEPS} steps", unit=""),
    ]


def _lean(folder: Path) -> tuple[float, list[float]]:
    from real_models.methods import Naive
    from real_models.training.prepared import Prepared
    from real_models.training.run import train

    class Tokenizer:
        pad_token_id = PAD

    model = _model()
    start = time.process_time()
    prepared = Prepared(tuple(_rows()), 0, 0, 128)
    train(model, Tokenizer(), prepared, methods=[Naive()], config=_config(), out=folder)
    seconds = time.process_time() - start
    return seconds, _losses(json.loads((folder / "log.json").read_text())["history"])


def _plain(folder: Path) -> tuple[float, list[float]]:
    """The same arguments, rows and LoRA start, by transformers alone."""
    from transformers import PrinterCallback, Trainer

    from real_models.training.run import Collate, _arguments, adapt

    model, config = _model(), _config()
    start = time.process_time()
    rows: Any = [{"input_ids": e.input_ids, "labels": e.labels} for e in _rows()]
    trainer = Trainer(
        adapt(model, config), _arguments(config, folder, STEPS, save_strategy="no"), train_dataset=rows,
        data_collator=Collate(PAD),
    )  # fmt: skip
    trainer.remove_callback(PrinterCallback)
    trainer.train()
    return time.process_time() - start, _losses(trainer.state.log_history)


def _losses(history: list[dict[str, float]]) -> list[float]:
    """Of every step."""
    return [entry["loss"] for entry in history if "loss" in entry]


def _scoring(what: str) -> list[Claim]:
    from real_models.evaluation.scoring import token_log_probs

    model, texts = _model(), _pairs()
    seconds, found = {"own": 0.0, "loop": 0.0}, {"own": [], "loop": []}
    for part in np.array_split(np.arange(len(texts)), PARTS):
        chosen = [texts[n] for n in part]
        for name, score in (
            ("own", lambda rows: [values.sum() for values in token_log_probs(model, rows, pad=PAD)]),
            ("loop", lambda rows: [_by_hand(model, row) for row in rows]),
        ):
            start = time.process_time()
            found[name] += score(chosen)
            seconds[name] += time.process_time() - start
    apart = float(np.abs(np.subtract(found["own"], found["loop"]) / np.array(found["loop"])).max())
    detail = (
        f"{what}: {seconds['own']:.1f} s against {seconds['loop']:.1f} s of processor time, {len(texts)} texts in "
        f"{PAIRS} pairs of one prompt, {SHAPE}"
    )
    return [
        at_least("scoring of paired texts against a loop over all logits", seconds["loop"] / seconds["own"], 3, detail),
        at_most("largest relative difference of ln p", apart, CLOSE, f"{len(texts)} texts", unit=""),
    ]


def _by_hand(model: Any, row: Any) -> float:
    import torch

    from real_models.data import IGNORED

    ids, labels = torch.tensor([row.input_ids]), torch.tensor(row.labels)[1:]
    with torch.no_grad():
        scores = model(input_ids=ids, use_cache=False).logits[0, :-1].log_softmax(-1)
    kept = labels != IGNORED
    return float(scores[kept].gather(-1, labels[kept][:, None]).sum())


def _config() -> Any:
    from real_models.training.config import TrainConfig

    batch = {"batch_size": BATCH, "accumulation": ROWS // STEPS // BATCH, "steps": STEPS}
    return TrainConfig(r=16, lr=1e-4, save_every=10**6, log_every=1, **batch)


def _rows() -> list[Any]:
    """Rows to train on, each of its own question."""
    return [answered[0] for answered in _drawn(ROWS, 1, seed=0)]


def _pairs() -> list[Any]:
    """Texts, two with the same question in turn."""
    return [text for answered in _drawn(PAIRS, 2, seed=1) for text in answered]


def _drawn(questions: int, answers: int, *, seed: int) -> list[list[Any]]:
    from real_models.data import IGNORED, Example

    rng = np.random.default_rng(seed)

    def words(count: int) -> list[int]:
        return rng.integers(3, VOCABULARY, count).tolist()

    prefix, out = words(PREFIX), []
    for _ in range(questions):
        prompt = prefix + words(int(rng.integers(*QUESTION)))
        alike, said = words(int(rng.choice(ALIKE))), []
        for _ in range(answers):
            length = int(rng.integers(*ANSWER))
            answer = (alike + words(length))[: max(length, len(alike) + 1)]
            said.append(Example(prompt + answer, [IGNORED] * len(prompt) + answer, "drawn"))
        out.append(said)
    return out


def _model() -> Any:
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM

    from real_models.base import load_base
    from real_models.language_model import model_folder

    if model_folder().is_dir():
        return load_base(model_folder(), dtype="float32")
    torch.manual_seed(0)
    return LlamaForCausalLM(
        LlamaConfig(
            vocab_size=VOCABULARY, hidden_size=576, intermediate_size=1536, num_hidden_layers=30,
            num_attention_heads=9, num_key_value_heads=3, max_position_embeddings=8192, tie_word_embeddings=True,
        )
    ).eval()  # fmt: skip
