"""Packed rows: a tree of prefixes gives every row what it gets alone, in scores, losses and gradients."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import tiny_models
import torch
from numpy.testing import assert_array_equal
from torch.testing import assert_close

from real_models.data import IGNORED, Example
from real_models.evaluation.scoring import token_log_probs
from real_models.prefix_tree import KINDS, Packing, PrefixTree, groups, logits_at

CLOSE = {"rtol": 1e-4, "atol": 1e-5}  # of logits and log-probabilities of order 1 in float32


def rows(seed: int = 0, *, count: int = 9) -> list[Example]:
    """Rows that share all, part or nothing of a prefix; answers of one token or many, at the end or in the middle."""
    rng = np.random.default_rng(seed)
    prefix = rng.integers(1, tiny_models.VOCABULARY, 6).tolist()
    found = []
    for n in range(count):
        shared = prefix[: (6, 6, 3, 0)[n % 4]]
        ids = shared + rng.integers(1, tiny_models.VOCABULARY, 2 + 2 * (n % 5)).tolist()
        labels = list(ids)
        labels[: len(ids) - 1 - n % 3] = [IGNORED] * (len(ids) - 1 - n % 3)
        found.append(Example(ids, labels, f"row {n}"))
    middle = Example([*prefix, 5, 6, 7], [IGNORED] * 3 + prefix[3:5] + [IGNORED] * 3 + [7], "in two places")
    every = Example([*prefix, 9], [*prefix, 9], "every token")
    return [*found, middle, every, found[0], Example(prefix[:3], [IGNORED, *prefix[1:3]], "a prefix of others")]


def alone(model: Any, example: Example) -> np.ndarray:
    """ln p of the labelled tokens of one row, by its definition: all logits of the row by itself."""
    with torch.no_grad():
        logits = model(input_ids=torch.tensor([example.input_ids])).logits[0].float()
    after = [(n, label) for n, label in enumerate(example.labels) if n and label != IGNORED]
    return np.array([float(logits[n - 1].log_softmax(-1)[label]) for n, label in after])


def packed_log_probs(model: Any, packed: Any, inputs: dict[str, torch.Tensor]) -> np.ndarray:
    with torch.no_grad(), logits_at(model, packed.index):
        logits = model(**inputs).logits
    assert logits.shape == (1, len(packed.labels), tiny_models.VOCABULARY)
    return logits[0].log_softmax(-1).gather(-1, packed.labels[:, None])[:, 0].double().numpy()


def test_tree_nodes_are_the_distinct_prefixes() -> None:
    given = [row.input_ids for row in rows()]
    tree = PrefixTree.of(given)
    prefixes = {tuple(row[: n + 1]) for row in given for n in range(len(row))}
    assert len(tree.ids) == len(prefixes) < sum(map(len, given))
    for row, nodes in zip(given, tree.nodes, strict=True):
        assert_array_equal(tree.ids[nodes], row)
        assert_array_equal(tree.positions[nodes], np.arange(len(row)))
        for n, node in enumerate(nodes):  # it sees its own prefix, and nothing else
            assert_array_equal(np.flatnonzero(tree.sees[node]), np.sort(nodes[: n + 1]))


def test_groups_hold_every_row_once_within_their_tokens() -> None:
    given = [row.input_ids for row in rows(count=30)]
    found = groups(given, tokens=24)
    assert sorted(n for part in found for n in part) == list(range(len(given)))
    sizes = [len(PrefixTree.of([given[n] for n in part]).ids) for part in found]
    assert max(sizes) <= 24
    assert len(found) > 1
    longest = groups(given, tokens=1)  # of which not even one row fits
    assert [len({tuple(given[n]) for n in part}) for part in longest] == [1] * len(longest)


@pytest.mark.parametrize("attention", [None, "eager"], ids=["default", "eager"])
@pytest.mark.parametrize("kind", sorted(set(tiny_models.KINDS) - {"t5", "bert"}))
def test_scores_are_those_of_each_row_alone(kind: str, attention: str | None) -> None:
    model = tiny_models.tiny(kind, attn_implementation=attention).eval()
    given = rows()
    known = Packing.of(model, pad=0, longest=12)
    assert (known is not None) == (model.config.model_type in KINDS)
    for example, found in zip(given, token_log_probs(model, given, pad=0, batch_size=4), strict=True):
        assert_close(found, alone(model, example), **CLOSE)


def test_every_known_kind_is_tested() -> None:
    built = {tiny_models.tiny(kind).config.model_type for kind in tiny_models.KINDS}
    assert built >= KINDS


@pytest.mark.parametrize("share", [True, False], ids=["tree", "padded"])
def test_packed_logits_are_at_labelled_tokens_alone(share: bool) -> None:
    model, given = tiny_models.tiny().eval(), rows()
    packing = Packing.of(model, pad=0, longest=12)
    assert packing is not None
    packing = replace(packing, balance=1e9 if share else 1e-9)
    packed = packing.pack([(row.input_ids, row.labels) for row in given])
    assert (packed.inputs["input_ids"].shape[0] == 1) == share
    found = packed_log_probs(model, packed, packed.inputs)
    assert_close(found, np.concatenate([alone(model, row) for row in given]), **CLOSE)
    assert tiny_models.hooks(model) == 0


def test_rows_see_only_their_own_prefix() -> None:
    """The control: with the mask of one causal text the rows of a tree would see each other."""
    model, given = tiny_models.tiny().eval(), rows()
    packing = Packing.of(model, pad=0, longest=12)
    assert packing is not None
    packed = replace(packing, balance=1e9).pack([(row.input_ids, row.labels) for row in given])
    inputs = {name: x for name, x in packed.inputs.items() if name != "attention_mask"}
    found = packed_log_probs(model, packed, inputs)
    assert np.abs(found - np.concatenate([alone(model, row) for row in given])).max() > 0.1


@pytest.mark.parametrize(
    ("kind", "config", "training", "why"),
    [
        ("mistral", {"sliding_window": 8}, False, "a window shorter than the longest row"),
        ("llama", {"attention_dropout": 0.1}, True, "dropout differs between rows"),
    ],
)
def test_padded_where_a_tree_would_be_wrong(kind: str, config: dict[str, Any], training: bool, why: str) -> None:
    model, given = tiny_models.tiny(kind, **config).eval(), rows()
    packing = Packing.of(model, pad=0, longest=14, training=training)
    assert packing is not None
    assert packing.mask is None, why
    for example, found in zip(given, token_log_probs(model, given, pad=0, batch_size=4), strict=True):
        assert_close(found, alone(model, example), **CLOSE)


def test_window_longer_than_the_rows_takes_a_tree() -> None:
    packing = Packing.of(tiny_models.tiny("mistral", sliding_window=14), pad=0, longest=14)
    assert packing is not None
    assert packing.mask is torch.bool
