"""Text that a model says by itself: what it was trained on, as far as the model remembers, where no text is at hand."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from grasp_theory import InputError

if TYPE_CHECKING:
    import torch


def own_text(
    model: Any, *, documents: int = 256, length: int = 16, seed: int = 0, batch: int = 32, start: int | None = None
) -> list[dict[str, torch.Tensor]]:
    """Samples of the model from its begin token at temperature 1, as batches of input_ids and attention_mask.

    From its whole distribution: what its folder suggests for generation (penalties, cutoffs, beams) is not applied.

    documents : how many. length : new tokens of each, fewer where the model ends one. start : token to begin with,
    ``config.bos_token_id`` by default. Deterministic given the seed, the versions and the device; the global random
    state is left alone. Padding and what follows an end token have mask 0.

    Raises InputError if there is no token to begin with, or a number is not positive.
    """
    import torch

    from .hooks.targets import text_config
    from .sampling import saying

    if min(documents, length, batch) < 1:
        raise InputError(f"documents, length and batch must be positive, got {documents}, {length} and {batch}")
    config = text_config(model)
    begin = config.bos_token_id if start is None else start
    if begin is None:
        raise InputError("the model has no begin token to sample from; pass start=, or give text of your own")
    end = config.eos_token_id
    ends = [] if end is None else [end] if isinstance(end, int) else list(end)
    pad = config.pad_token_id if config.pad_token_id is not None else (ends or [begin])[0]
    out = []
    with saying(model, temperature=1.0, new_tokens=length, begin=begin, ends=ends, pad=pad) as say:
        torch.manual_seed(seed)
        for first in range(0, documents, batch):
            ids = torch.full((min(batch, documents - first), 1), begin)
            said = say(ids, torch.ones_like(ids))
            out.append({"input_ids": said, "attention_mask": _mask(said, ends)})
    return out


def _mask(ids: torch.Tensor, ends: list[int]) -> torch.Tensor:
    """1 up to the first end token after the begin, that one included."""
    import torch

    over = torch.isin(ids[:, 1:], torch.tensor(ends, device=ids.device)).long().cumsum(1)
    before = torch.cat([torch.zeros_like(ids[:, :2]), over[:, :-1]], dim=1)  # ends before this place
    return (before == 0).long()
