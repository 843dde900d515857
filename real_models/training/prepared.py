"""Rows as a training run takes them: encoded, counted in optimizer steps, checked against the model."""

from __future__ import annotations

import math
import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from grasp_theory import InputError

from ..base import UNSTATED
from ..data import Example, Row, encode
from .config import TrainConfig

if TYPE_CHECKING:
    from ..methods import Method


@dataclass(frozen=True)
class Prepared:
    """Rows that are encoded for training, and what was lost.

    Attributes:
        examples: token ids and labels, a row each.
        truncated: how many rows were cut off at max_length.
        skipped: how many rows were left out because nothing to learn was left in them.
        max_length: the longest row, in tokens.
    """

    examples: tuple[Example, ...]
    truncated: int
    skipped: int
    max_length: int

    @property
    def tokens(self) -> int:
        """Tokens of one pass over the data."""
        return sum(len(example.input_ids) for example in self.examples)


def prepare(
    rows: Sequence[Row], tokenizer: Any, *, methods: Sequence[Method], config: TrainConfig, context: int | None
) -> Prepared:
    """Put rows through every method's ``prepare`` (inoculation), the chat template and the tokenizer.

    Args:
        rows: as of :func:`~real_models.data.read_rows`.
        tokenizer: that of the model.
        methods: those of the run.
        config: its ``max_length``, ``overflow`` and ``skip_empty`` say how long a row may be, and what becomes of
            longer ones.
        context: tokens that the model can see; None where it does not say.

    Raises InputError for a max_length above the context, for a length that neither model nor tokenizer states, for rows
    that a method or the template refuses, and if no row is left.
    """
    limit = config.max_length or context or tokenizer.model_max_length
    if context and limit > context:
        raise InputError(f"max_length {limit} exceeds the model's context of {context} tokens")
    if limit > UNSTATED:
        raise InputError("neither the model nor its tokenizer says how many tokens it can see: set max_length")
    examples, skipped = [], 0
    for row in rows:
        row = _prompted(row, methods)
        try:
            examples.append(encode(row, tokenizer, max_length=limit, overflow=config.overflow))  # pyright: ignore
        except InputError as error:
            if not (config.skip_empty and "nothing to learn" in str(error)):
                raise
            skipped += 1
    if not examples:
        raise InputError(f"no row is left: nothing to learn within {limit} tokens in any of {len(rows)} rows")
    return Prepared(tuple(examples), sum(e.truncated for e in examples), skipped, limit)


def _prompted(row: Row, methods: Sequence[Method]) -> Row:
    """The row as the methods that act on prompts want it."""
    from ..methods import Method

    for method in methods:
        if row.messages:
            row = replace(row, messages=tuple(method.prepare([dict(turn) for turn in row.messages])))
        elif type(method).prepare is not Method.prepare:
            raise InputError(f"{row.source}: {method.name} acts on conversations; write the row with 'messages'")
    return row


def step_count(prepared: Prepared, config: TrainConfig) -> int:
    """The optimizer steps of a run, in as many :func:`processes` as there are."""
    if config.steps:
        return config.steps
    batches = math.ceil(len(prepared.examples) / (config.batch_size * processes()))
    return max(1, math.ceil(math.ceil(batches / config.accumulation) * config.epochs))


def processes() -> int:
    """How many processes the launcher (WORLD_SIZE) says there are."""
    return int(os.environ.get("WORLD_SIZE", "1"))


def check_vocabulary(model: Any, examples: Sequence[Example]) -> None:
    """InputError if the tokenizer makes tokens that the model has no embedding for."""
    known = model.get_input_embeddings().num_embeddings
    for example in examples:
        if max(example.input_ids) >= known:
            raise InputError(
                f"{example.source}: token {max(example.input_ids)}, but the model embeds {known}: the tokenizer is of "
                "another model"
            )
