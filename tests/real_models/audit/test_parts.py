"""Parts of an update against dense matrices: without and only add up to it, components are singular directions."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import tolerance

from grasp_theory import InputError, LowRank, Update, identify
from real_models.adapters.sides import block_of, layer_of, side_of
from real_models.audit import parts as parts_module
from real_models.audit.parts import SCOPES, parts_of

WIDTH, INNER, BLOCKS, RANK = 24, 30, 4, 3
KINDS = {
    "self_attn.q_proj": (WIDTH, WIDTH),
    "self_attn.o_proj": (WIDTH, WIDTH),
    "mlp.up_proj": (INNER, WIDTH),
    "mlp.down_proj": (WIDTH, INNER),
    "mlp.other": (INNER, INNER),  # its name tells no side
}


def adapter(seed: int = 0, *, dtype: type = np.float64, blocks: int = BLOCKS) -> list[Update]:
    rng, found = np.random.default_rng(seed), []
    for block in range(blocks):
        for kind, (m, d) in KINDS.items():
            name = f"model.layers.{block}.{kind}"
            factors = rng.standard_normal((m, RANK)).astype(dtype), rng.standard_normal((RANK, d)).astype(dtype)
            update = Update.of(name, LowRank(*factors, 0.5), layer=layer_of(name), side=side_of(name))
            found.append(Update(**{**vars(update), "block": block_of(name)}))
    return found


def dense(dW: LowRank) -> np.ndarray:
    return dW.scaling * dW.B.astype(float) @ dW.A.astype(float)


def size(updates: list[Update]) -> float:
    return float(np.sqrt(sum(np.sum(dense(u.lowrank) ** 2) for u in updates)))


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("scope", SCOPES)
def test_part_is_the_dense_projection_and_adds_up_with_the_rest(scope, dtype):
    updates = adapter(dtype=dtype)
    parts, factors = parts_of(updates, scopes=[scope], top=3, draws=1)
    exact = tolerance.backward((INNER,), dtype, size(updates))
    whole = size(updates) ** 2
    products = {u.name: dense(u.lowrank) for u in updates}
    assert len({part.name for part in parts}) == len(parts)
    for part in parts:
        energy = left = 0.0
        P = None if part.span is None else part.span.basis @ part.span.basis.T
        for u in updates:
            dW = products[u.name]
            expected = np.zeros_like(dW)
            if u.name in part.modules:
                expected = dW if P is None else dW @ P if part.side == "read" else P @ dW
            only, without = (act(u.name, factors[u.name]) for act in (part.only, part.without))
            assert only.rank == without.rank == u.rank
            assert only.B.dtype == without.A.dtype == dtype
            np.testing.assert_allclose(dense(only), expected, rtol=0, atol=exact)
            np.testing.assert_allclose(dense(without), dW - expected, rtol=0, atol=exact)
            energy += np.sum(expected**2)
            left += np.sum((dW - expected) ** 2)
        np.testing.assert_allclose([part.energy, 1 - part.energy], [energy / whole, left / whole], rtol=0, atol=1e-6)


@pytest.mark.parametrize("side", ["write", "read"])
def test_pooled_components_are_those_of_identify(side):
    updates = adapter()
    report = identify(updates, side=side, pool="layers", top=4)
    parts, _ = parts_of(updates, scopes=["pooled"], side=side, top=4, draws=0)
    assert [part.components for part in parts] == [(0,), (1,), (2,), (3,), (0, 1, 2, 3)]
    for part, component in zip(parts, report.decomposition().components, strict=False):
        angle = part.span.angles(component.subspace).max()
        assert angle < 1e-3  # identify keeps the stack in float32
    assert {part.side for part in parts} == {side}


def test_component_of_one_module_is_one_of_both_its_sides():
    updates = adapter()
    parts, factors = parts_of(updates, scopes=["module"], side="write", top=2, draws=0)
    assert len(parts) == 3 * 2 * BLOCKS
    for part in (p for p in parts if len(p.components) == 1):
        (name,) = part.modules
        dW = dense(factors[name])
        U, S, Vh = np.linalg.svd(dW)
        (i,) = part.components
        exact = tolerance.backward(dW.shape, float, float(S[0]), 100)
        np.testing.assert_allclose(
            dense(part.only(name, factors[name])), S[i] * np.outer(U[:, i], Vh[i]), rtol=0, atol=exact
        )


def test_components_of_a_block_are_of_its_modules_alone():
    updates = adapter()
    parts, factors = parts_of(updates, scopes=["block"], side="read", top=1, draws=2)
    assert [part.name for part in parts if part.draw is None] == [f"block {n} read 0" for n in range(BLOCKS)]
    for n, part in enumerate(p for p in parts if p.draw is None):
        names = [f"model.layers.{n}.{kind}" for kind in ("self_attn.q_proj", "mlp.up_proj")]
        assert list(part.modules) == names
        stack = np.vstack([dense(factors[name]) for name in names])
        cosine = np.linalg.svd(stack)[2][0] @ part.span.basis[:, 0]
        np.testing.assert_allclose(abs(cosine), 1, rtol=tolerance.backward(stack.shape, float, 1.0, 100))
    assert len({part.modules for part in parts if part.draw is not None}) == 2  # drawn over depth


def test_random_controls_are_as_many_and_as_large_as_asked():
    parts, _ = parts_of(adapter(), scopes=["pooled"], top=4, draws=3)
    drawn = [part for part in parts if part.draw is not None]
    assert sorted((p.side, p.dimension, p.draw) for p in drawn) == [
        (side, k, n) for side in ("read", "write") for k in (1, 4) for n in range(3)
    ]
    for part in drawn:  # of the energy of its modules as much as a share k/d in expectation
        alike = next(p for p in parts if p.draw is None and p.side == part.side and p.dimension == part.dimension)
        assert part.energy < alike.energy


def test_groups_are_sides_kinds_halves_and_blocks_each_once():
    names = {part.place: part.modules for part in parts_of(adapter(), scopes=["group"])[0]}
    assert set(names) == {
        "write modules: all",
        "write modules: self_attn",
        "write modules: mlp",
        "read modules: all",
        "read modules: self_attn",
        "read modules: mlp",
        "lower half of the blocks",
        "upper half of the blocks",
        *(f"block {n}" for n in range(BLOCKS)),
    }
    assert len(names["write modules: all"]) == 2 * BLOCKS
    assert len(set(names["lower half of the blocks"]) | set(names["upper half of the blocks"])) == 5 * BLOCKS
    two = {part.place for part in parts_of(adapter(blocks=2), scopes=["group"])[0]}
    assert {"block 0", "block 1"} < two
    assert "lower half of the blocks" not in two  # it is block 0
    assert {p.side for p in parts_of(adapter(), scopes=["group"], side="write")[0]} == {None}


def test_modules_without_an_update_have_no_part():
    updates = adapter()
    dead = updates[3]
    updates[3] = Update(**{**vars(dead), "source": LowRank(0 * dead.lowrank.B, dead.lowrank.A)})
    parts, _ = parts_of(updates, scopes=SCOPES, draws=1)
    assert all(dead.name not in part.modules for part in parts)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"top": 100}, "top is 100, and no place of scope 'pooled' has more than 24 components"),
        ({"scopes": ["module"], "top": 4}, "no place of scope 'module' has more than 3 components"),
        ({"scopes": ["layer"]}, r"scopes must be of pooled, block, module, group, got \['layer'\]"),
        ({"scopes": []}, "got none"),
        ({"side": "left"}, "side must be both, write or read, got 'left'"),
        ({"top": 0}, "top >= 1"),
        ({"draws": -1}, "draws >= 0"),
    ],
)
def test_parts_refuse_options_out_of_range(options, message):
    with pytest.raises(InputError, match=message):
        parts_of(adapter(), **options)


def test_parts_refuse_updates_that_cannot_be_taken_apart():
    writers = [u for u in adapter() if u.side == "write"]
    with pytest.raises(InputError, match="no module of this adapter makes a part of scope pooled on side read"):
        parts_of(writers, scopes=["pooled"], side="read")
    zero = [Update(**{**vars(u), "source": LowRank(0 * u.lowrank.B, u.lowrank.A)}) for u in writers]
    with pytest.raises(InputError, match="all 8 modules have an update of exactly 0"):
        parts_of(zero)
    broken = [Update(**{**vars(u), "source": LowRank(np.nan * u.lowrank.B, u.lowrank.A)}) for u in writers]
    with pytest.raises(InputError, match="NaN"):
        parts_of(broken)


def test_parts_are_the_same_whatever_stays_in_memory(monkeypatch):
    """Of adapters that are too large factors are read anew, for each step and each pass."""
    updates = adapter()
    reads = []
    counted = [replace(u, source=lambda u=u: (reads.append(u.name), u.lowrank)[1]) for u in updates]
    kept, _ = parts_of(counted, scopes=["pooled", "group"], top=3, draws=1)
    assert len(reads) == len(updates)  # once each
    monkeypatch.setattr(parts_module, "KEPT", 0)
    again, factors = parts_of(counted, scopes=["pooled", "group"], top=3, draws=1)
    assert len(reads) > 3 * len(updates)
    assert [p.to_dict() for p in again] == [p.to_dict() for p in kept]
    assert list(factors) == [u.name for u in updates]
