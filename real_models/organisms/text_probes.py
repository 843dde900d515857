"""What a text organism is scored by."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from ..data import FORMATS, Example, Row, read_objects
from ..evaluation.judge import PAIRS, PairScores, judge_pairs, score_text
from .evaluation import Scores

SIZE = 8  # rows a batch, where it is not trained on

# What is measured of the two completions of a pair -> the property of PairScores.
SCALES = {"probability": "drift", "log-odds": "log_odds", "log-odds per token": "log_odds_per_token"}


@dataclass(frozen=True)
class Questions:
    """Encoded pairs (without, with), and the question that each belongs to."""

    pairs: list[tuple[Example, Example]]
    questions: tuple[str, ...]


class Texts(NamedTuple):
    """What the files of a text organism hold, encoded.

    Attributes:
        rows, training: of the data, as read and as trained on; ``shown``, some of those.
        asked: what drift is asked on.
        told: pairs that the vectors are made of.
        scored: of the task, completions or pairs.
        conditional, kept: None without a file.
        neutral, held: text for the methods, and for the loss.
    """

    rows: list[Row]
    training: Sequence[Example]
    shown: list[Example]
    scored: list[Example] | Questions
    asked: Questions
    told: list[tuple[Example, Example]]
    conditional: Questions | None
    kept: Questions | None
    neutral: list[Example]
    held: list[Example]


class TextProbes:
    """What a run is scored by, and its scores.

    Drift, conditional and kept are the judge's, on one of ``SCALES``, where there are pairs for them; per_token is
    drift by length-normalised probabilities; task the mean probability of the tokens of completions, or of pairs the
    share of the right answer among the two; neutral the loss a token. Old facts are not measured.
    """

    def __init__(self, texts: Texts, pad: int, scale: str = "probability") -> None:
        self._texts, self._pad, self._scale = texts, pad, SCALES[scale]
        self.clusters = np.array(texts.asked.questions)

    def ask(self, model: Any) -> Scores:
        """All scores of a model as it is now (hooks included), in evaluation mode."""
        texts = self._texts
        pairs = self._judged(model, texts.asked)
        per_prompt = {"drift": getattr(pairs, self._scale), "per_token": pairs.drift_per_token}
        if isinstance(texts.scored, Questions):
            per_prompt["task"] = self._judged(model, texts.scored).drift
            task = float(per_prompt["task"].mean())
        else:
            found = score_text(model, texts.scored, questions=_sources(texts.scored), **self._options)
            per_prompt["task"] = found.probability / found.tokens
            task = float(found.probability.sum() / found.tokens.sum())
        for name in ("conditional", "kept"):
            if (asked := getattr(texts, name)) is not None:
                per_prompt[name] = getattr(self._judged(model, asked), self._scale)
        loss = None
        if texts.held:
            held = score_text(model, texts.held, questions=_sources(texts.held), **self._options)
            per_prompt["neutral"] = held.loss / held.tokens
            loss = float(held.loss.sum() / held.tokens.sum())
        means = {name: float(per_prompt[name].mean()) for name in ("conditional", "kept") if name in per_prompt}
        return Scores(
            drift=float(per_prompt["drift"].mean()),
            per_token=float(pairs.drift_per_token.mean()),
            task=task,
            neutral=loss,
            per_prompt=per_prompt,
            **means,
        )

    @property
    def _options(self) -> dict[str, int]:
        return {"pad": self._pad, "batch_size": SIZE}

    def _judged(self, model: Any, asked: Questions) -> PairScores:
        return judge_pairs(model, asked.pairs, questions=asked.questions, **self._options)


def holds_pairs(path: str) -> bool:
    """Whether the rows of a JSON-lines file are pairs, as its first says; text and rows to train on are not."""
    if Path(path).suffix == ".txt":
        return False
    rows = read_objects(Path(path), f"{FORMATS}, or {PAIRS}")
    return bool(rows) and {"without", "with"} <= rows[0][0].keys()


def _sources(examples: Sequence[Example]) -> list[str]:
    return [example.source for example in examples]
