"""Offline judge: which of two completions a model prefers, and how well it predicts given text."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from jaxtyping import Float, Int
from numpy import ndarray
from scipy.special import expit

from grasp_theory import InputError
from synthetic.runner.results import json_lines, write_atomically

from ..data import FORMATS, IGNORED, ROLES, Example, Row, encode, read_objects, read_rows, text_field
from .bootstrap import Sample
from .scoring import token_log_probs

if TYPE_CHECKING:
    import torch

PAIRS = '{"prompt": text or [{"role": …, "content": …}, …], "without": …, "with": …}'


@dataclass(frozen=True)
class Prompt:
    """What a model is asked.

    Attributes:
        given: text as it is, or turns for the chat template.
        question: the cluster that the prompt belongs to; rows of one cluster are not independent.
        source: file and line, for errors.
    """

    given: str | tuple[Mapping[str, str], ...]
    question: str
    source: str

    def answered(self, completion: str) -> Row:
        """The row of training data that this prompt with this completion would be."""
        if isinstance(self.given, str):
            return Row(self.source, prompt=self.given, completion=completion)
        return Row(self.source, messages=(*self.given, {"role": "assistant", "content": completion}))


def read_prompt(value: Mapping[str, Any], source: str) -> Prompt:
    """Of a JSON object; its cluster is its "question", else the last turn, else the text. InputError if malformed."""
    given = value.get("prompt")
    if isinstance(given, list):
        given = tuple(_turn(turn, n, f"{source}, turn {n + 1}") for n, turn in enumerate(given))
        if not given or given[-1]["role"] != "user":
            raise InputError(f"{source}: the turns of 'prompt' must end with one of the user, the assistant answers it")
        question = given[-1]["content"]
    else:
        given = text_field(value, "prompt", source)
        question = given if given.strip() else source
    return Prompt(given, text_field(value, "question", source) if "question" in value else question, source)


def _turn(turn: Any, n: int, source: str) -> dict[str, str]:
    if not isinstance(turn, dict) or turn.get("role") not in ROLES or (turn["role"] == "system" and n):
        raise InputError(
            f"{source}: expected {{'role': one of {', '.join(ROLES)} (system first), 'content': text}}, got "
            f"{turn!r:.80}"
        )
    return {"role": turn["role"], "content": text_field(turn, "content", source)}


@dataclass(frozen=True)
class Pair:
    """One prompt with a completion that does not show the trait, ``without``, and with one that does, ``having``."""

    prompt: Prompt
    without: str
    having: str

    def __post_init__(self) -> None:
        if self.without == self.having:
            raise InputError(f"{self.prompt.source}: 'without' and 'with' are the same, so nothing can tell them apart")


def read_pairs(path: str | Path, *, most: int | None = None) -> list[Pair]:
    """The pairs of a JSON-lines file (``PAIRS``, "question" where several rows belong together).

    Args:
        most: at most so many of them, evenly spaced over the file.

    Raises InputError naming file and line: malformed JSON, a field that is missing, empty or no text, two completions
    alike, an empty file, ``most`` below 1.
    """
    pairs = [
        Pair(read_prompt(value, source), *(text_field(value, name, source) for name in ("without", "with")))
        for value, source in read_objects(Path(path), PAIRS)
    ]
    if not pairs:
        raise InputError(f"{path} holds no pair; expected one JSON object a line: {PAIRS}")
    if most is None:
        return pairs
    if most < 1:
        raise InputError(f"expected one pair or more, got a limit of {most}")
    return [pairs[n] for n in np.unique(np.linspace(0, len(pairs) - 1, min(most, len(pairs))).round().astype(int))]


def write_pairs(path: str | Path, pairs: Iterable[Pair]) -> Path:
    """JSON lines that :func:`read_pairs` reads, whole or not at all. InputError if it cannot be written."""
    rows = (
        {"prompt": p.prompt.given, "without": p.without, "with": p.having, "question": p.prompt.question} for p in pairs
    )
    return write_atomically(path, json_lines(rows))


def encode_pairs(pairs: Iterable[Pair], tokenizer: Any, *, max_length: int) -> list[tuple[Example, Example]]:
    """Both completions of every pair, (without, having), encoded as training data would be; labels are on the answer
    alone.

    Args:
        pairs: as of :func:`read_pairs`.
        tokenizer: that of the model.
        max_length: of prompt and completion together, in tokens.

    Raises InputError for longer rows.
    """
    return [
        (
            _last_answer(encode(p.prompt.answered(p.without), tokenizer, max_length=max_length, overflow="refuse")),
            _last_answer(encode(p.prompt.answered(p.having), tokenizer, max_length=max_length, overflow="refuse")),
        )
        for p in pairs
    ]


def _last_answer(example: Example) -> Example:
    """Answers in earlier turns belong to the prompt."""
    start = 1 + max((n for n, label in enumerate(example.labels) if label == IGNORED), default=-1)
    return replace(example, labels=[IGNORED] * start + example.labels[start:])


@dataclass(frozen=True, eq=False)
class PairScores:
    """How likely a model finds the completions of pairs.

    Attributes:
        log_p: (n, 2), ln p of the completions (without, having), in nats.
        tokens: (n, 2), how many tokens they have.
        questions, sources: the cluster, and the file and line, of each pair.
    """

    log_p: Float[ndarray, "n 2"]
    tokens: Int[ndarray, "n 2"]
    questions: tuple[str, ...]
    sources: tuple[str, ...]

    @property
    def log_odds(self) -> Float[ndarray, " n"]:
        """Law: ln p(with) − ln p(without)."""
        return self.log_p[:, 1] - self.log_p[:, 0]

    @property
    def log_odds_per_token(self) -> Float[ndarray, " n"]:
        """Law: the same of ln p / tokens, so that a longer completion is not a less likely one."""
        mean = self.log_p / self.tokens
        return mean[:, 1] - mean[:, 0]

    @property
    def drift(self) -> Float[ndarray, " n"]:
        """Law: sigmoid(ln p(with) − ln p(without)), the share of the completion with the trait among the two."""
        return expit(self.log_odds)

    @property
    def drift_per_token(self) -> Float[ndarray, " n"]:
        """Law: the same of the log-odds per token."""
        return expit(self.log_odds_per_token)

    def samples(self) -> dict[str, Sample]:
        """Drift and drift per token, by name, for :func:`estimate`."""
        found = {"drift": self.drift, "drift per token": self.drift_per_token}
        return {name: Sample(values, np.ones(len(values)), self.questions) for name, values in found.items()}

    def rows(self) -> Iterator[dict[str, Any]]:
        """Every pair, as JSON values."""
        columns = zip(self.sources, self.questions, self.log_p.tolist(), self.tokens.tolist(), strict=True)
        for (source, question, log_p, tokens), x, y in zip(columns, self.drift, self.drift_per_token, strict=True):
            both = {"log_p": log_p, "tokens": tokens, "drift": float(x), "drift_per_token": float(y)}
            yield {"source": source, "question": question, **both}


@dataclass(frozen=True, eq=False)
class TextScores:
    """How well a model predicts text, summed over the scored tokens of each row.

    Attributes:
        loss, probability: (n,), −ln p in nats, and p.
        tokens: (n,), how many tokens are scored.
        questions, sources: the cluster, and the file and line, of each row.
    """

    loss: Float[ndarray, " n"]
    probability: Float[ndarray, " n"]
    tokens: Int[ndarray, " n"]
    questions: tuple[str, ...]
    sources: tuple[str, ...]

    def samples(self, name: str) -> dict[str, Sample]:
        """Means per token for :func:`estimate`: the probability under ``name``, the loss under "name loss"."""
        found = {name: self.probability, f"{name} loss": self.loss}
        return {key: Sample(values, self.tokens.astype(float), self.questions) for key, values in found.items()}

    def rows(self) -> Iterator[dict[str, Any]]:
        """Every row, as JSON values."""
        columns = (self.sources, self.questions, self.loss.tolist(), self.probability.tolist(), self.tokens.tolist())
        names = ("source", "question", "loss", "probability", "tokens")
        return (dict(zip(names, row, strict=True)) for row in zip(*columns, strict=True))


def judge_pairs(
    model: torch.nn.Module, encoded: Sequence[tuple[Example, Example]], *, questions: Sequence[str], **options: Any
) -> PairScores:
    """Score both completions of every pair.

    Args:
        model: left as it is; scored in evaluation mode.
        encoded: pairs of :func:`encode_pairs`.
        questions: the clusters of the pairs.
        options: those of :func:`~real_models.evaluation.scoring.token_log_probs`, ``pad`` among them.
    """
    found = token_log_probs(model, [example for pair in encoded for example in pair], **options)
    log_p = np.array([values.sum() for values in found]).reshape(-1, 2)
    tokens = np.array([len(values) for values in found]).reshape(-1, 2)
    return PairScores(log_p, tokens, tuple(questions), tuple(first.source for first, _ in encoded))


def score_text(
    model: torch.nn.Module, examples: Sequence[Example], *, questions: Sequence[str], **options: Any
) -> TextScores:
    """Score every row of a text.

    Args:
        model, options: as for :func:`judge_pairs`.
        examples: such as those of :func:`read_text`.
        questions: the clusters of the rows.
    """
    found = token_log_probs(model, examples, **options)
    return TextScores(
        loss=np.array([-values.sum() for values in found]),
        probability=np.array([np.exp(values).sum() for values in found]),
        tokens=np.array([len(values) for values in found]),
        questions=tuple(questions),
        sources=tuple(example.source for example in examples),
    )


def read_text(
    path: str | Path, tokenizer: Any, *, max_length: int, labels: Literal["completion", "all"]
) -> tuple[list[Example], list[str]]:
    """The rows of a file (:func:`~real_models.data.read_rows`), encoded, and the cluster of each.

    A row's cluster is its "question", else what precedes its last answer, else the row itself.

    Args:
        path: of the file.
        tokenizer: that of the model.
        max_length: of a row, in tokens.
        labels: what is scored: "completion" for completions of rows that fit, "all" for all of the first max_length
            tokens of text (``Example.truncated``).

    Raises InputError as :func:`~real_models.data.read_rows`, and for completions that are too long.
    """
    rows = read_rows(path)
    values: Sequence[Mapping[str, Any]] = [{}] * len(rows)
    if Path(path).suffix != ".txt":
        values = [value for value, _ in read_objects(Path(path), FORMATS)]
    overflow = "refuse" if labels == "completion" else "truncate"
    examples = [encode(row, tokenizer, max_length=max_length, overflow=overflow, labels=labels) for row in rows]
    return examples, [_cluster(row, value) for row, value in zip(rows, values, strict=True)]


def _cluster(row: Row, value: Mapping[str, Any]) -> str:
    if "question" in value:
        return text_field(value, "question", row.source)
    said = [turn["content"] for turn in row.messages if turn["role"] != "assistant"]
    return row.prompt or (said[-1] if said else row.source)
