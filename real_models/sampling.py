"""Text from a model's own distribution: nothing that its folder suggests for generation is applied."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import torch

    Say = Callable[[torch.Tensor, torch.Tensor], torch.Tensor]  # ids and mask (n, t) -> ids (n, t and what follows)


@contextmanager
def saying(
    model: Any, *, temperature: float, new_tokens: int, begin: int | None, ends: Sequence[int], pad: int
) -> Iterator[Say]:
    """A function that continues rows of tokens: sampled from all tokens, or the most likely ones at temperature 0.

    Whatever a call of ``generate`` leaves unset, transformers fills from ``model.generation_config`` (penalties, beams,
    cutoffs), which is therefore replaced inside and is the same object again after. Evaluation mode, no gradient; the
    global random state is as before after. A peft model speaks with its adapters. InputError for offloaded models.
    """
    import torch
    from transformers import GenerationConfig

    from .hooks.gains import evaluating
    from .hooks.targets import refuse_offloaded

    refuse_offloaded(model)
    inner = model.get_base_model() if hasattr(model, "get_base_model") else model  # has the LoRA layers inside
    chosen = {"temperature": temperature, "top_k": 0, "top_p": 1.0} if temperature else {}
    settings = GenerationConfig(
        do_sample=temperature > 0,
        num_beams=1,
        max_new_tokens=new_tokens,
        bos_token_id=begin,
        eos_token_id=list(ends) or None,
        pad_token_id=pad,
        **chosen,
    )
    device = inner.get_input_embeddings().weight.device

    def say(ids: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        return inner.generate(ids.to(device), attention_mask=mask.to(device), generation_config=settings)

    before = inner.generation_config
    with torch.no_grad(), torch.random.fork_rng(), evaluating(inner):
        inner.generation_config = settings
        try:
            yield say
        finally:
            inner.generation_config = before
