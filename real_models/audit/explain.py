"""What goes along with a direction: tokens it raises, rows it is strong on, what adding it does to greedy text."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from grasp_theory import InputError, Subspace
from grasp_theory.moved import renamed

from ..data import Example
from ..directions import Directions
from ..tokens import special_tokens
from .continuations import Continuation, greedy, prompts, steered

if TYPE_CHECKING:
    import torch

    from ..hooks.stream import Stream

CAVEAT = (
    "tokens, rows and text that go along with a direction are correlations, not its meaning: a random direction has "
    "a list too (last entry), and a name for it is a hypothesis to test, by training without it and evaluating"
)
TOTAL = 0.4  # of ‖h‖ added over all blocks by default; at 1 a random direction, too, breaks the text of a small model


@dataclass(frozen=True)
class Token:
    """A token of the vocabulary, and what a stream along the direction adds to its logit, over the mean token."""

    text: str
    id: int
    logit: float


@dataclass(frozen=True)
class Excitation:
    """h·q over the tokens of one row (its begin token left out).

    Attributes:
        mean, largest, smallest: over its tokens.
        peak: the token at which h·q is largest in modulus.
    """

    source: str
    mean: float
    largest: float
    smallest: float
    peak: str


@dataclass(frozen=True)
class Explained:
    """One direction.

    Attributes:
        index: its column of Q, None for the random one that all is compared with.
        raised, lowered: tokens by the logit lens.
        highest, lowest: rows by the mean of h·q.
        mean, std: of h·q over all tokens of the data; None without data.
        texts: steered generations.
    """

    index: int | None
    raised: tuple[Token, ...]
    lowered: tuple[Token, ...]
    highest: tuple[Excitation, ...]
    lowest: tuple[Excitation, ...]
    mean: float | None
    std: float | None
    texts: tuple[Continuation, ...]


@dataclass(frozen=True)
class Explanation:
    """What is said of every direction of a file, and of a random one.

    Attributes:
        block, blocks: the index of the block where h is read, and how many there are.
        amount: a, the length of what is added at every block.
        norm: the typical ‖h‖ at that block.
    """

    block: int
    blocks: int
    amount: float
    norm: float
    rows: int
    tokens: int
    directions: tuple[Explained, ...]

    def to_dict(self) -> dict[str, Any]:
        """The fields as JSON values, with the caveat."""
        return {"schema_version": 1, **asdict(self), "caveat": CAVEAT}


def lens(model: torch.nn.Module, stream: Stream, Q: Float[ndarray, "d k"]) -> Float[ndarray, "k v"]:
    """Law: ½(f(√d q) − f(−√d q)), f from the last block's output to the logits, their mean taken away.

    The model's own final norm, its gains and the unembedding, whatever they are: for an RMS norm of gain g this is
    W_U (g ∘ q) √d, the logits of a stream that has only q in it. Biases cancel.
    """
    import torch

    from ..hooks.gains import evaluating
    from ..hooks.stream import hook_blocks

    q = torch.from_numpy(np.asarray(Q, dtype=np.float32).T.copy()) * stream.width**0.5
    both = torch.cat([q, -q])
    ids = torch.zeros(len(both), 1, dtype=torch.long, device=next(model.parameters()).device)
    with ExitStack() as undo, torch.no_grad():
        undo.enter_context(evaluating(model))
        hook_blocks(stream, lambda _, h: both[:, None, :].to(h).expand_as(h), undo, at=[len(stream.blocks) - 1])
        logits = model(input_ids=ids, attention_mask=torch.ones_like(ids)).logits[:, -1].double().cpu().numpy()
    odd = (logits[: len(q)] - logits[len(q) :]) / 2
    return odd - odd.mean(axis=1, keepdims=True)


def project(
    model: torch.nn.Module, stream: Stream, Q: Float[ndarray, "d k"], *, block: int, ids: Sequence[int], skip: int = 0
) -> tuple[Float[ndarray, "n k"], Float[ndarray, " n"]]:
    """(h·q, ‖h‖) of every token of one text at the output of a block, the first ``skip`` left out."""
    import torch

    from ..hooks.gains import evaluating
    from ..hooks.stream import hook_blocks

    seen: list[torch.Tensor] = []

    def look(_: int, h: torch.Tensor) -> torch.Tensor:
        seen.append(h.detach()[0, skip:].float().cpu())
        return h

    with ExitStack() as undo, torch.no_grad():
        undo.enter_context(evaluating(model))
        hook_blocks(stream, look, undo, at=[block])
        tokens = torch.tensor([list(ids)], device=next(model.parameters()).device)
        model(input_ids=tokens, attention_mask=torch.ones_like(tokens))
    h = seen[0].double().numpy()
    return h @ np.asarray(Q, dtype=float), np.linalg.norm(h, axis=1)


@renamed(block="layer")
def explain(
    directions: Directions,
    *,
    base: str | Path,
    data: str | Path | None = None,
    amount: float | None = None,
    top: int = 5,
    layer: int | None = None,
    seed: int = 0,
    watch: Callable[[Iterable[Any], int], Iterable[Any]] | None = None,
) -> Explanation:
    """Tokens, rows and generations that go along with each column of Q, and with a random direction beside them.

    Args:
        base: folder of the base model.
        data: rows to project (:func:`~real_models.data.read_rows`), and whose prompts are asked; without them a few
            neutral questions by the chat template, if there is one.
        amount: a of ±a q at every block; by default TOTAL times the typical ‖h‖ over the number of blocks.
        top: tokens and rows on each side.
        seed: of the random direction.
        watch: (stream, total) -> stream, told of every row, then of every direction.
        layer: of the block whose output h is read at; by default the middle one of those the directions were made of.

    Raises InputError for directions of the read side, of another model, and for a block that there is not.
    Cost: a forward pass over the data (one row at a time), and 2k + 3 generations for each of three prompts.
    """
    from ..base import load_base, load_tokenizer, token_limit
    from ..data import encode, read_rows
    from ..hooks.bases import basis
    from ..hooks.stream import find_stream

    _check(directions, amount, top)
    tokenizer, model = load_tokenizer(base), load_base(base)
    stream = find_stream(model)
    basis(directions, stream.width, model, side="write")
    place = _place(directions, len(stream.blocks), layer)
    limit = token_limit(model, tokenizer)
    rows = read_rows(data) if data is not None else []
    Q = np.column_stack([directions.Q.astype(float), random_direction(directions.Q, seed)])
    scores = lens(model, stream, Q)
    examples = [encode(row, tokenizer, max_length=limit, labels="all") for row in rows]
    follow = watch or (lambda items, total: items)
    seen = [
        project(model, stream, Q, block=place, ids=e.input_ids, skip=_skip(e, tokenizer))[0]
        for e in follow(examples, len(examples))
    ]
    asked = prompts(rows, tokenizer, limit)
    plain = [greedy(model, prompt, tokenizer) for prompt in asked]
    norms = [_norms(model, stream, place, [*p, *text]) for p, text in zip(asked, plain, strict=True)]
    norm = float(np.median(np.concatenate(norms)))
    a = TOTAL * norm / len(stream.blocks) if amount is None else float(amount)
    found = []
    for i in follow(range(Q.shape[1]), Q.shape[1]):
        raised, lowered = (_tokens(scores[i], order, tokenizer) for order in _ends(scores[i], top))
        highest, lowest, mean, std = _rows(examples, [s[:, i] for s in seen], top, tokenizer)
        texts = tuple(steered(model, Q[:, i], a, p, t, tokenizer) for p, t in zip(asked, plain, strict=True))
        index = i if i < directions.Q.shape[1] else None
        found.append(Explained(index, raised, lowered, highest, lowest, mean, std, texts))
    tokens = sum(len(s) for s in seen)
    return Explanation(place, len(stream.blocks), a, norm, len(rows), tokens, tuple(found))


def _check(directions: Directions, amount: float | None, top: int) -> None:
    if directions.side != "write":
        raise InputError(
            f"the directions are of the {directions.side} side ({directions.hook_point}): behind a norm, before the "
            "module, so the unembedding does not read them and they cannot be added to the stream; explain directions "
            "of `grasp identify --side write`"
        )
    if amount is not None and not (np.isfinite(amount) and amount > 0):
        raise InputError(f"amount must be positive (both signs are shown), got {amount}")
    if top < 1:
        raise InputError(f"top must be at least 1, got {top}")


def _place(directions: Directions, blocks: int, layer: int | None) -> int:
    layers = sorted({layer for layer in directions.layers if layer is not None}) or list(range(blocks))
    chosen = layers[len(layers) // 2] if layer is None else layer
    if not 0 <= chosen < blocks:
        raise InputError(f"no block {chosen}: the model has blocks 0 … {blocks - 1}")
    return chosen


def random_direction(Q: Float[ndarray, "d k"], seed: int) -> Float[ndarray, " d"]:
    """A unit vector orthogonal to Q: the control. Raises InputError where Q spans the whole stream."""
    if Q.shape[1] == Q.shape[0]:
        raise InputError(f"the directions span all {Q.shape[0]} dimensions of the stream; explain a few of them")
    basis = Subspace.span(Q).basis
    v = np.random.default_rng(seed).standard_normal(len(Q))
    v -= basis @ (basis.T @ v)
    return v / np.linalg.norm(v)


def _ends(scores: Float[ndarray, " n"], top: int) -> tuple[list[int], list[int]]:
    """Indices of the largest scores, and of the smallest, each from the outside in."""
    order = np.argsort(-scores, kind="stable").tolist()
    return order[:top], order[::-1][:top]


def _tokens(scores: Float[ndarray, " v"], chosen: Sequence[int], tokenizer: Any) -> tuple[Token, ...]:
    return tuple(Token(_text(tokenizer, [i]), i, float(scores[i])) for i in chosen)


def _text(tokenizer: Any, ids: Sequence[int]) -> str:
    return tokenizer.decode(list(ids)) if len(ids) != 1 else str(tokenizer.convert_ids_to_tokens(ids[0]))


def _skip(example: Example, tokenizer: Any) -> int:
    """The begin token's stream is a sink, of a norm all its own."""
    return int(len(example.input_ids) > 1 and example.input_ids[0] == special_tokens(tokenizer=tokenizer).begin)


def _rows(
    examples: Sequence[Example], along: Sequence[ndarray], top: int, tokenizer: Any
) -> tuple[tuple[Excitation, ...], tuple[Excitation, ...], float | None, float | None]:
    if not examples:
        return (), (), None, None
    table = []
    for example, x in zip(examples, along, strict=True):
        peak = example.input_ids[int(np.abs(x).argmax()) + _skip(example, tokenizer)]
        values = (float(x.mean()), float(x.max()), float(x.min()))
        table.append(Excitation(example.source, *values, _text(tokenizer, [peak])))
    high, low = _ends(np.array([row.mean for row in table]), min(top, len(table)))
    every = np.concatenate(along)
    return tuple(table[i] for i in high), tuple(table[i] for i in low), float(every.mean()), float(every.std())


def _norms(model: Any, stream: Stream, block: int, ids: Sequence[int]) -> ndarray:
    """‖h‖ of the tokens after the first."""
    return project(model, stream, np.zeros((stream.width, 1)), block=block, ids=ids, skip=int(len(ids) > 1))[1]
