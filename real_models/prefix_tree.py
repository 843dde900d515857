"""Rows for one forward pass without waste: shared prefixes once, no padding, logits where they are asked for alone."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
from jaxtyping import Bool, Int
from numpy import ndarray

from .data import IGNORED
from .hooks.targets import text_config

if TYPE_CHECKING:
    import torch

# Causal, rotary positions from position_ids, and any mask taken as it is; each of them is in the tests.
KINDS = frozenset(
    {
        "llama",
        "qwen2",
        "qwen3",
        "mistral",
        "gemma",
        "gemma2",
        "gemma3_text",
        "phi",
        "phi3",
        "gpt_neox",
        "olmo2",
        "granite",
    }
)
TOKENS = 256  # of one forward pass that only scores: enough for the matrix products, few for attention


@dataclass(frozen=True, eq=False)
class PrefixTree:
    """Law: the state of a causal model at a token depends on the tokens up to it alone, so rows share that of a prefix.

    Attributes:
        ids, positions, parents: token, its place in its rows, and the node before it (−1 at the start) of every node.
        nodes: for every row the node of each of its tokens. The tree is one sequence in which a node attends to its
            ancestors and itself; a gradient through it is the sum over the rows that share it.

    Source: the masks of speculative decoding (SpecInfer, arXiv 2305.09781).
    """

    ids: Int[ndarray, " n"]
    positions: Int[ndarray, " n"]
    parents: Int[ndarray, " n"]
    nodes: tuple[Int[ndarray, " t"], ...]

    @classmethod
    def of(cls, rows: Sequence[Sequence[int]]) -> PrefixTree:
        """The tree of rows of tokens; cost Σ lengths."""
        known: dict[tuple[int, int], int] = {}
        ids, positions, parents, nodes = [], [], [], []
        for row in rows:
            here, path = -1, []
            for place, token in enumerate(row):
                found = known.setdefault((here, token), len(ids))
                if found == len(ids):
                    ids.append(token)
                    positions.append(place)
                    parents.append(here)
                path.append(here := found)
            nodes.append(np.array(path, dtype=int))
        return cls(np.array(ids, dtype=int), np.array(positions, dtype=int), np.array(parents, dtype=int), tuple(nodes))

    @cached_property
    def sees(self) -> Bool[ndarray, "n n"]:
        """sees[i, j] : whether j is i, or an ancestor of it."""
        out = np.eye(len(self.ids), dtype=bool)
        for node, parent in enumerate(self.parents):
            if parent >= 0:
                out[node] |= out[parent]
        return out


@dataclass(frozen=True, eq=False)
class Packed:
    """Rows in one sequence. The labelled tokens of the first row come first, then those of the second, and so on.

    Attributes:
        inputs: what the model takes.
        index: the places in the flattened sequence at which the labelled tokens are predicted.
        labels: the labelled tokens.
    """

    inputs: dict[str, torch.Tensor]
    index: torch.Tensor
    labels: torch.Tensor


@dataclass(frozen=True)
class Packing:
    """How rows are packed for one model.

    Attributes:
        mask: None where it takes padded rows alone.
        balance: tokens of a sequence at which attention costs as much as the weights.
        pad: a token.
    """

    mask: torch.dtype | None
    balance: float
    pad: int

    @classmethod
    def of(cls, model: torch.nn.Module, *, pad: int, longest: int, training: bool = False) -> Packing | None:
        """None if the model is not one of ``KINDS``: its unembedding may be anywhere.

        Padded alone: other attention than sdpa and eager, a window shorter than the longest row, and in training
        dropout, which has to differ between rows.
        """
        import torch

        from .hooks.stream import find_stream

        config = text_config(model)
        if getattr(config, "model_type", None) not in KINDS:
            return None
        stream = find_stream(model)
        weights = sum(p.numel() for block in stream.blocks for p in block.parameters())
        kind = getattr(config, "_attn_implementation", None)
        mask = {"sdpa": torch.bool, "eager": next(model.parameters()).dtype}.get(str(kind))
        window = getattr(config, "sliding_window", None)
        if (window and window < longest) or (training and _drops(model, config)):
            mask = None
        return cls(mask, weights / (2 * len(stream.blocks) * stream.width), pad)

    def pack(self, rows: Sequence[tuple[Sequence[int], Sequence[int]]]) -> Packed:
        """Rows of (tokens, labels) as a tree, or right-padded where that costs less or the model takes nothing else."""
        import torch

        tree = PrefixTree.of([ids for ids, _ in rows]) if self.mask is not None else None
        width = max(len(ids) for ids, _ in rows)
        if tree is not None and self._cost(1, len(tree.ids)) <= self._cost(len(rows), width):
            nodes, inputs = tree.nodes, self._sequence(tree)
        else:
            nodes = [n * width + np.arange(len(ids)) for n, (ids, _) in enumerate(rows)]
            inputs = self._padded([ids for ids, _ in rows], width)
        wanted = [np.asarray(labels) for _, labels in rows]
        kept = [np.flatnonzero(labels[1:] != IGNORED) for labels in wanted]
        index = np.concatenate([places[k] for places, k in zip(nodes, kept, strict=True)])
        labels = np.concatenate([labels[k + 1] for labels, k in zip(wanted, kept, strict=True)])
        return Packed(inputs, torch.from_numpy(index), torch.from_numpy(labels))

    def _cost(self, sequences: int, tokens: int) -> float:
        """Law: sequences · tokens · (1 + tokens / balance), in passes of a token through the weights."""
        return sequences * tokens * (1 + tokens / self.balance)

    def _sequence(self, tree: PrefixTree) -> dict[str, torch.Tensor]:
        import torch

        sees = torch.from_numpy(tree.sees)[None, None]
        if self.mask is not torch.bool and self.mask is not None:
            sees = torch.zeros(sees.shape, dtype=self.mask, device=sees.device).masked_fill(
                ~sees, torch.finfo(self.mask).min
            )
        ids, positions = (torch.from_numpy(x)[None] for x in (tree.ids, tree.positions))
        return {"input_ids": ids, "position_ids": positions, "attention_mask": sees}

    def _padded(self, rows: Sequence[Sequence[int]], width: int) -> dict[str, torch.Tensor]:
        import torch

        ids = torch.tensor([[*row, *[self.pad] * (width - len(row))] for row in rows])
        lengths = torch.tensor([len(row) for row in rows])
        return {"input_ids": ids, "attention_mask": (torch.arange(width)[None] < lengths[:, None]).long()}


def groups(rows: Sequence[Sequence[int]], *, tokens: int = TOKENS) -> list[list[int]]:
    """Indices of rows for one tree each, of at most so many nodes (or one row): those that share a prefix together.

    In lexicographic order, in which a row adds to the tree what it does not share with the one before it.
    """
    out: list[list[int]] = []
    size, before = 0, None
    for n in sorted(range(len(rows)), key=lambda n: tuple(rows[n])):
        new = len(rows[n]) - (0 if before is None else _common(before, rows[n]))
        if not out or size + new > tokens:
            out.append([])
            size, new = 0, len(rows[n])
        out[-1].append(n)
        size, before = size + new, rows[n]
    return out


@contextmanager
def logits_at(model: Any, index: torch.Tensor) -> Iterator[None]:
    """The unembedding sees these of the flattened tokens alone, as one sequence: logits (1, k, vocabulary)."""
    head: torch.nn.Module = model.get_output_embeddings()

    def keep(module: torch.nn.Module, args: tuple[Any, ...]) -> tuple[Any, ...]:
        return args[0].flatten(0, -2)[index.to(args[0].device)][None], *args[1:]

    handle = head.register_forward_pre_hook(keep)
    try:
        yield
    finally:
        handle.remove()


def rows_of(batch: Mapping[str, torch.Tensor]) -> list[tuple[list[int], list[int]]]:
    """(tokens, labels) of every row of a right-padded batch, without the padding."""
    lengths = batch["attention_mask"].sum(1).tolist()
    columns = zip(batch["input_ids"].tolist(), batch["labels"].tolist(), lengths, strict=True)
    return [(ids[:length], labels[:length]) for ids, labels, length in columns]


def _common(one: Sequence[int], other: Sequence[int]) -> int:
    """How many tokens both begin with."""
    pairs = enumerate(zip(one, other, strict=False))
    return next((n for n, (x, y) in pairs if x != y), min(len(one), len(other)))


def _drops(model: torch.nn.Module, config: Any) -> bool:
    import torch

    rates = [module.p for module in model.modules() if isinstance(module, torch.nn.Dropout)]
    return any(rates) or bool(getattr(config, "attention_dropout", 0))
