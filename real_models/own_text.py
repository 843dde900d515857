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

    They are drawn from its whole distribution: what its folder suggests for generation (penalties, cutoffs, beams) is
    not applied. Deterministic given the seed, the versions and the device; the global random state is left alone.
    Padding and what follows an end token have mask 0.

    Args:
        documents: how many to draw.
        length: new tokens of each, fewer where the model ends one.
        seed: of the sampling.
        batch: how many are drawn at a time.
        start: the token to begin with, ``config.bos_token_id`` by default.

    Raises InputError if there is no token to begin with, or a number is not positive.
    """
    import torch

    from .sampling import saying
    from .tokens import special_tokens

    if min(documents, length, batch) < 1:
        raise InputError(f"documents, length and batch must be positive, got {documents}, {length} and {batch}")
    tokens = special_tokens(model=model)
    begin = tokens.begin if start is None else start
    if begin is None:
        raise InputError("the model has no begin token to sample from; pass start=, or give text of your own")
    if not 0 <= begin < (known := model.get_input_embeddings().weight.shape[0]):
        raise InputError(f"start must be a token of the model, 0 … {known - 1}, got {begin}")
    out = []
    with saying(model, temperature=1.0, new_tokens=length, begin=begin, ends=tokens.ends, pad=tokens.pad) as say:
        torch.manual_seed(seed)
        for first in range(0, documents, batch):
            ids = torch.full((min(batch, documents - first), 1), begin)
            said = say(ids, torch.ones_like(ids))
            out.append({"input_ids": said, "attention_mask": _mask(said, tokens.ends)})
    return out


def _mask(ids: torch.Tensor, ends: tuple[int, ...]) -> torch.Tensor:
    """1 up to the first end token after the begin, that one included."""
    import torch

    over = torch.isin(ids[:, 1:], torch.tensor(ends, dtype=ids.dtype, device=ids.device)).long().cumsum(1)
    before = torch.cat([torch.zeros_like(ids[:, :2]), over[:, :-1]], dim=1)  # ends before this place
    return (before == 0).long()
