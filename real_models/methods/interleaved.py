"""Interleaved neutral data: part of every pass is rows without task and trait, so that what they say is kept."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

import numpy as np

from grasp_theory import InputError

from ..arguments import listed, real
from ..comparison.compared import ComparedMethod
from ..hooks.method import Method

if TYPE_CHECKING:
    import torch

    from ..hooks.given import Given


class Interleaved(Method):
    """Of the rows trained on, a share are neutral ones; the number of optimizer steps stays, and so the arithmetic.

    It acts on the data: to n training rows it adds round(n share/(1 − share)) of the neutral ones, drawn by the seed
    without replacement, every one once before any comes again. The sampler mixes them, so that the share is that of a
    pass over the data exactly, and of a batch in the mean. In as many steps 1 − share as many of the training rows are
    seen. Attached to a model it does nothing. The oldest remedy of forgetting: rehearsal (Robins 1995, Connection
    Science 7), pretraining data mixed into fine-tuning.

    Args:
        rows: neutral rows, encoded as those that are trained on: :class:`~real_models.data.Example` for ``grasp
            train``.
        share: of neutral rows, at least 0 and below 1.
    """

    name = "interleaved"
    needs = "neutral training rows"
    guarantees = "nothing"
    options = frozenset({"neutral_data", "share"})
    compared = (
        ComparedMethod(
            "interleaved", "neutral text", "share", (0.1, 0.25, 0.5), 0.25,
            lambda s, k: [Interleaved(s.neutral_rows(), share=k)], mixes=True,
        ),
    )  # fmt: skip

    @classmethod
    def from_given(cls, given: Given) -> Interleaved:
        rows, share = (given.need(name, cls.name) for name in ("neutral_data", "share"))
        return cls(rows(), share=share)

    def __init__(self, rows: Sequence[Any], *, share: float) -> None:
        self.rows, self.share = listed("rows", rows, "training rows"), real("share", share)
        if not 0 <= self.share < 1:
            raise InputError(f"share must be at least 0 and below 1, got {share}")
        if not self.rows:
            raise InputError("rows must be a list of training rows that is not empty")

    def install(self, model: torch.nn.Module, optimizer: torch.optim.Optimizer | None, undo: ExitStack) -> None:
        pass

    def mixed(self, rows: Sequence[Any], *, seed: int) -> Sequence[Any]:
        """The rows, and the neutral ones behind them."""
        count = round(len(rows) * self.share / (1 - self.share))
        rng, known = np.random.default_rng([seed, 11]), len(self.rows)
        order = [n for _ in range(-(-count // known)) for n in rng.permutation(known)]
        return [*rows, *(self.rows[n] for n in order[:count])]
