"""Edits: the formula on dense dW, of the modules that are meant alone."""

from __future__ import annotations

import numpy as np
import pytest
import strategies
import tolerance
from expected_adapters import dense, expected_edit
from hypothesis import given
from hypothesis import strategies as st

from grasp_theory import InputError, LowRank, Subspace, Update
from real_models.methods.edit import edit


@pytest.mark.slow
@given(
    sizes=st.tuples(st.integers(4, 30), st.integers(1, 6), st.integers(4, 30)),
    seed=strategies.seeds,
    k=st.tuples(st.integers(0, 3), st.integers(0, 3)),
    delete=st.sets(st.integers(0, 3), max_size=2),
    keep=st.one_of(st.none(), st.integers(1, 5)),
    scale=st.sampled_from([1.0, 0.5, -2.0, 0.0]),
)
def test_edit_is_its_definition_on_dense_matrices(sizes, seed, k, delete, keep, scale):
    m, r, d = sizes
    rng = np.random.default_rng(seed)
    lowrank = LowRank(rng.standard_normal((m, r)), rng.standard_normal((r, d)), float(rng.uniform(0.2, 3)))
    update = Update.of("model.layers.0.mlp.down_proj", lowrank, side="write", layer=0)
    delete = {i for i in delete if i < min(m, r, d)}
    Q, V = (strategies.rotation(rng, n, one) if one else None for n, one in zip((m, d), k, strict=True))
    asked = {"delete": sorted(delete), "keep": keep, "scale": scale}
    if Q is None and V is None and not delete and keep is None and scale == 1:
        with pytest.raises(InputError, match="nothing to edit"):
            edit([update], **asked)
        return
    spans = {"write": Q, "read": V}
    found = edit([update], **{n: {update.name: Subspace.span(X)} for n, X in spans.items() if X is not None}, **asked)[
        0
    ]
    S = lowrank.singular_values()
    gap = min(S[:-1] - S[1:], default=1.0)  # components are told apart by it
    atol = tolerance.backward((m, d), np.float64, S[0]) * (1 + S[0] / gap) * 10
    np.testing.assert_allclose(dense(found), expected_edit(dense(update), Q, V, **asked), rtol=0, atol=atol)
    assert (found.shape, found.rank, found.lowrank.scaling) == (update.shape, r, lowrank.scaling)
    assert found.lowrank.B.shape == (m, r)


def updates(rng: np.random.Generator, kinds=("o_proj", "q_proj"), layers: int = 2, width: int = 20) -> list[Update]:
    out = []
    for layer in range(layers):
        for kind in kinds:
            factors = LowRank(rng.standard_normal((width, 3)), rng.standard_normal((3, width)), 0.5)
            out.append(strategies.update(factors, layer, "write" if kind == "o_proj" else "read"))
    return out


def test_edit_takes_write_directions_out_of_all_writers_and_nothing_else():
    rng = np.random.default_rng(0)
    given_updates, Q = updates(rng), strategies.rotation(rng, 20, 2)
    for old, new in zip(given_updates, edit(given_updates, write=Q), strict=True):
        if old.side == "read":
            assert new is old
        else:
            assert np.linalg.norm(Q.T @ dense(old)) > 0.05 * np.linalg.norm(dense(old))  # control: it was there
            assert np.linalg.norm(Q.T @ dense(new)) < 1e-14 * np.linalg.norm(dense(old))


@pytest.mark.parametrize(
    ("asked", "match"),
    [
        ({}, "nothing to edit"),
        ({"delete": [3]}, "components 0 … 2, there is none with index 3"),
        ({"delete": [-1]}, "delete >= 0"),
        ({"keep": 0}, "keep >= 1"),
        ({"scale": float("inf")}, "finite scale"),
        ({"write": np.ones(21)}, "another model"),
        ({"write": np.zeros(20)}, "another model"),
        ({"write": {"elsewhere": np.ones(20)}}, "does not adapt"),
        ({"read": {}}, "no module"),
    ],
)
def test_edit_refuses_what_fits_no_module(asked, match):
    with pytest.raises(InputError, match=match):
        edit(updates(np.random.default_rng(0)), **asked)


def test_edit_refuses_directions_of_a_side_that_no_module_is_on():
    with pytest.raises(InputError, match="only q_proj"):
        edit(updates(np.random.default_rng(0), ("q_proj",)), write=np.ones(20))


@pytest.mark.parametrize("strength", [None, 0.8, 1.3])
def test_edit_shrinks_component_0_alone_by_the_minimax_amount(strength):
    rng = np.random.default_rng(0)
    left, right = strategies.rotation(rng, 20, 3), strategies.rotation(rng, 24, 3)
    update = Update.of("model.layers.0.mlp.down_proj", LowRank(left * [5.0, 2.0, 1.0], right.T, 0.5), side="write")
    rho, amount = 0.45, None if strength is None else (1 - 0.45**2) / (2 - strength)
    if amount is None:  # the largest cost over all strengths is least
        n, beta = np.linspace(0.5, 1.2, 1401)[:, None], np.linspace(1 - rho, 1 + rho, 2001)
        amount = float(n[np.argmin(np.max(n * n + beta**2 - 2 * n * (1 - rho**2) / (2 - beta), axis=1)), 0])
    (new,) = edit([update], shrink=rho, strength=strength)
    expected = left * [2.5 * (1 - amount), 1.0, 0.5] @ right.T
    np.testing.assert_allclose(dense(new), expected, rtol=0, atol=3e-3 if strength is None else 1e-12)
    (deleted,) = edit([update], delete=[0])  # control: nearly that if the strength is unknown, else another update
    assert (np.linalg.norm(dense(new) - dense(deleted)) < 0.1) == (strength is None)


def test_edit_that_shrinks_errs_less_than_deletion_in_the_worst_case():
    """The worst task of ‖T‖ = 0.4 at strength 0.8 s: the whole point of shrinking."""
    s, beta, tau = 1.0, 0.8, 0.4
    kappa = (s**2 - tau**2) / (beta * (2 * s - beta))
    p, r = np.sqrt(kappa), np.sqrt(1 - kappa)
    M = np.diag([s, s - beta])
    T = M - beta * np.outer([p, r], [p, -r])
    np.testing.assert_allclose(np.linalg.svd(T, compute_uv=False), tau, rtol=1e-12)
    update = Update.of("model.layers.0.mlp.down_proj", LowRank(M, np.eye(2)), side="write")
    shrunk, deleted = (dense(edit([update], **o)[0]) for o in ({"shrink": tau, "strength": beta}, {"delete": [0]}))
    np.testing.assert_allclose(np.sum((shrunk - T) ** 2), beta**2 * (1 - kappa**2), rtol=1e-12)
    gain = np.sum((deleted - T) ** 2) - np.sum((shrunk - T) ** 2)
    np.testing.assert_allclose(gain, (s - beta * kappa) ** 2, rtol=1e-9)
    assert gain > 0.08 * s**2


@pytest.mark.parametrize(
    ("asked", "match"),
    [
        ({"shrink": 0.3}, "below the next singular value, 0.4 of the first: by Weyl"),
        ({"shrink": 1.0}, "0 <= shrink < 1"),
        ({"shrink": float("nan")}, "0 <= shrink < 1"),
        ({"shrink": 0.5, "strength": 1.6}, r"lies in \[0.5, 1.5\]"),
        ({"strength": 1.0}, "give shrink"),
        ({"shrink": 0.5, "delete": [0]}, "choose one"),
    ],
)
def test_edit_refuses_a_shrinkage_that_nothing_supports(asked, match):
    rng = np.random.default_rng(0)
    factors = LowRank(strategies.rotation(rng, 20, 2) * [5.0, 2.0], strategies.rotation(rng, 24, 2).T)
    with pytest.raises(InputError, match=match):
        edit([Update.of("model.layers.0.mlp.down_proj", factors, side="write")], **asked)
