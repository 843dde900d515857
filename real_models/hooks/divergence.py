"""How a model stands to its base on a text: KL(base ‖ model), and what the text costs the model."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from .gains import evaluating
from .references import Batch, checked_batches, run_text, without_adapters

if TYPE_CHECKING:
    import torch


class Divergence:
    """Law: mean over the tokens of batch ``index`` of KL(base ‖ model), nats a token, differentiable in the model.

    The base is the same model with its adapters off. Both run in evaluation mode (no dropout, no method that acts in
    training only). Its gradient is 0 where the model is its base.

    Attributes:
        batches: dicts with input_ids (n, t) and attention_mask (n, t); positions with mask 0 do not count.
        cache: keep the base's log-probabilities, (tokens, vocabulary) float32 a batch, instead of computing them again.

    Cost: two forward passes, one where the base is kept.
    """

    def __init__(self, batches: Iterable[Batch], *, cache: bool) -> None:
        self.batches, self.cache = checked_batches(batches), cache
        self._base: dict[int, torch.Tensor] = {}

    def __call__(self, model: torch.nn.Module, index: int) -> torch.Tensor:
        import torch

        index %= len(self.batches)
        with evaluating(model):
            base = self._base.get(index)
            base = self._based(model, index) if base is None else base
            here = _log_probabilities(model, self.batches[index])
            if base.shape != here.shape:  # the vocabulary was resized since the base was kept
                base = self._based(model, index)
        terms = torch.nn.functional.kl_div(here, base, log_target=True, reduction="none")
        # a token that the model never says (its logit is -inf) has no part: 0 log 0 = 0
        return terms.masked_fill_(base == -torch.inf, 0.0).sum(-1).mean()

    def _based(self, model: torch.nn.Module, index: int) -> torch.Tensor:
        """The base's log-probabilities, kept where they are to be."""
        import torch

        with torch.no_grad(), without_adapters(model):
            base = _log_probabilities(model, self.batches[index])
        if self.cache:
            self._base[index] = base
        return base

    def clear(self) -> None:
        """Forget the base, which may be another one next time."""
        self._base.clear()


def negative_log_likelihood(model: torch.nn.Module, batch: Batch) -> torch.Tensor:
    """Mean of −log p(token | those before it) over the tokens of a batch, in evaluation mode, nats a token.

    The first token of a row has none before it and does not count; a batch of such tokens alone gives 0.
    """
    with evaluating(model):
        logits = run_text(model, batch)
    ids, mask = (batch[name].to(logits.device) for name in ("input_ids", "attention_mask"))
    kept = mask[:, 1:].bool() & mask[:, :-1].bool()  # rows may be padded on the left
    chosen = logits[:, :-1][kept].float().log_softmax(-1)
    return -chosen.gather(-1, ids[:, 1:][kept].unsqueeze(-1)).sum() / max(len(chosen), 1)


def _log_probabilities(model: torch.nn.Module, batch: Batch) -> torch.Tensor:
    """(tokens, vocabulary) in float32, at the positions that are no padding."""
    logits = run_text(model, batch)
    return logits[batch["attention_mask"].to(logits.device).bool()].float().log_softmax(-1)
