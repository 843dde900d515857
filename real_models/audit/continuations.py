"""What a model says when a direction is added to its stream: greedy text after a few prompts, with and without."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import takewhile
from typing import Any

from numpy import ndarray

from ..data import Row, render, with_begin
from ..methods.steering import InferenceSteering
from ..sampling import saying
from ..tokens import special_tokens

QUESTIONS = ("What should I do this weekend?", "How do plants grow?", "Tell me about your favourite book.")
PROMPTS, NEW_TOKENS, PROMPT_TOKENS = 3, 24, 8


@dataclass(frozen=True)
class Continuation:
    """Greedy text after a prompt: without, with +a q and with −a q at the output of every block.

    Attributes:
        shared: leading tokens in common with the plain text, (plus, minus) of ``length`` of the plain one.
    """

    prompt: str
    plain: str
    plus: str
    minus: str
    shared: tuple[int, int]
    length: int


def prompts(rows: Sequence[Row], tokenizer: Any, limit: int) -> list[list[int]]:
    """What comes before the first completion, of the first rows where it fits; for texts, their first few tokens.

    Without rows QUESTIONS by the chat template; where there is no template either, nothing but a begin or end token.
    """
    begin = special_tokens(tokenizer=tokenizer).begin
    first = special_tokens(tokenizer=tokenizer).ends[0] if begin is None else begin
    found: list[list[int]] = []
    for row in rows or _neutral(tokenizer):
        pieces = render(row, tokenizer)
        asked = "".join(text for text, _ in takewhile(lambda piece: not piece[1], pieces))
        text = asked or pieces[0][0][:400]
        ids = tokenizer(text, add_special_tokens=False)["input_ids"]
        ids = with_begin(ids if asked else ids[:PROMPT_TOKENS], tokenizer)
        ids = ids if ids[:1] == [first] else [first, *ids]
        if len(ids) + NEW_TOKENS <= limit and ids not in found:
            found.append(ids)
        if len(found) == PROMPTS:
            break
    return found or [[first]]


def _neutral(tokenizer: Any) -> list[Row]:
    """QUESTIONS as rows, if the tokenizer has a template to ask them by."""
    if not getattr(tokenizer, "chat_template", None):
        return []
    turns = [({"role": "user", "content": q}, {"role": "assistant", "content": "…"}) for q in QUESTIONS]
    return [Row("a neutral question", messages=both) for both in turns]


def greedy(model: Any, prompt: Sequence[int], tokenizer: Any) -> list[int]:
    """The most likely tokens after a prompt, up to an end token or ``NEW_TOKENS``."""
    import torch

    tokens, ids = special_tokens(model=model, tokenizer=tokenizer), torch.tensor([list(prompt)])
    with saying(
        model, temperature=0.0, new_tokens=NEW_TOKENS, begin=tokens.begin, ends=tokens.ends, pad=tokens.pad
    ) as say:
        return say(ids, torch.ones_like(ids))[0, len(prompt) :].tolist()


def steered(
    model: Any, q: ndarray, amount: float, prompt: Sequence[int], plain: Sequence[int], tokenizer: Any
) -> Continuation:
    """Text after the prompt with ±amount · q added at the output of every block, beside the plain one."""
    texts = []
    for sign in (1, -1):
        with InferenceSteering(q, strength=sign * amount).attached(model):
            texts.append(greedy(model, prompt, tokenizer))
    shared = [next((n for n, (x, y) in enumerate(zip(t, plain, strict=False)) if x != y), len(plain)) for t in texts]
    shown = [_decode(tokenizer, ids) for ids in (prompt, plain, *texts)]
    return Continuation(*shown, shared=(shared[0], shared[1]), length=len(plain))


def _decode(tokenizer: Any, ids: Sequence[int]) -> str:
    return tokenizer.decode(list(ids), skip_special_tokens=True)
