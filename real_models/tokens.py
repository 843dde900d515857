"""Begin, end and padding tokens of a model and its tokenizer: the one place where their ids are read."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Tokens:
    """The special tokens that generation and batches need.

    Attributes:
        begin: the begin token; None where there is none.
        ends: the end tokens in order; there may be none.
        pad: the token that fills up shorter rows; what it fills is masked.
    """

    begin: int | None
    ends: tuple[int, ...]
    pad: int


def special_tokens(*, model: Any = None, tokenizer: Any = None) -> Tokens:
    """What a model, its tokenizer or both say, the tokenizer first; ends are those of both, and of generation.

    Configurations say "there is none" by None, by -1, by leaving it out, or by an id that the model has no embedding
    for (a padding token added to the tokenizer alone); none of these is a token. Without a padding token, or with one
    of these, an end token pads, else the begin token, else token 0.
    """
    from .hooks.targets import text_config

    configs = [] if model is None else [text_config(model), getattr(model, "generation_config", None)]
    sources = [source for source in (tokenizer, *configs) if source is not None]
    size = None if model is None else model.get_input_embeddings().weight.shape[0]

    def said(name: str) -> list[int]:
        return [i for source in sources for i in _listed(getattr(source, name, None)) if size is None or i < size]

    begin, ends, pads = (said(name) for name in ("bos_token_id", "eos_token_id", "pad_token_id"))
    first = begin[0] if begin else None
    return Tokens(first, tuple(sorted(set(ends))), [*pads, *ends, *begin, 0][0])


def _listed(value: Any) -> Iterable[int]:
    found = value if isinstance(value, (list, tuple)) else [value]
    return (i for i in found if isinstance(i, int) and not isinstance(i, bool) and i >= 0)
