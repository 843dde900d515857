"""Agreement between layers: level under the null, power, deflation, invariances, and what it cannot decide."""

from __future__ import annotations

import numpy as np
import pytest
from strategies import rotation
from tolerance import binomial

from grasp_theory.identification.agreement import Agreement, LeadingDirections, agreement


def modules(rng: np.random.Generator, d: int, L: int, k: int, *, layers=None, shared=(), strengths=None):
    """L modules with k orthonormal random directions each; ``shared`` = {component: direction} replaces some."""
    U = np.empty((d, L, k), np.float32)
    if not shared:
        Q, R = np.linalg.qr(rng.standard_normal((L, d, k)))
        U[:] = (Q * np.sign(np.diagonal(R, axis1=1, axis2=2))[:, None]).swapaxes(0, 1)
    for l in range(L if shared else 0):
        X = rng.standard_normal((d, k))
        for component, direction in dict(shared).items():
            X[:, component] = direction * rng.choice([-1, 1])
        # the shared ones first, so that orthogonalisation leaves them as they are
        order = sorted(range(k), key=lambda j: (j not in dict(shared), j))
        Q, R = np.linalg.qr(X[:, order])
        U[:, l, order] = Q * np.sign(np.diag(R))
    S = np.tile(np.geomspace(2, 1, k) if strengths is None else np.asarray(strengths, float), (L, 1))
    return LeadingDirections(U, S, np.arange(L) if layers is None else np.asarray(layers))


def nothing(d: int) -> np.ndarray:
    return np.zeros((d, 0))


def first(m: LeadingDirections, *, draws: int = 999, seed: int = 0) -> Agreement | None:
    return agreement(m, nothing(m.U.shape[0]), draws=draws, seed=seed)[0]


@pytest.mark.usefixtures("no_contracts")
@pytest.mark.slow
@pytest.mark.parametrize(
    ("d", "L", "k", "draws"), [(48, 6, 5, 300), (200, 16, 8, 300), (32, 2, 8, 300), (64, 32, 8, 500), (128, 4, 8, 500)]
)
def test_agreement_p_value_has_its_level_under_an_isotropic_null(d, L, k, draws):
    """Closed triangles of many layers included."""
    rng = np.random.default_rng(0)
    p = np.array([first(modules(rng, d, L, k), draws=199, seed=i).p_value for i in range(draws)])
    for level in (0.01, 0.05, 0.1, 0.5):
        np.testing.assert_array_less(np.mean(p <= level), level + binomial(level, draws))
    # and it is no constant: the upper half is reached about as often
    np.testing.assert_allclose(np.mean(p > 0.5), 0.5, rtol=0, atol=binomial(0.5, draws))


@pytest.mark.slow
def test_agreement_p_value_has_its_level_when_everything_is_shared_alike():
    """Anisotropy that all components share is in the null; against 1/d every draw would be far out."""
    rng = np.random.default_rng(1)
    d, L, k, alarms, above = 64, 8, 6, 0, 0
    scale = np.arange(1, d + 1) ** -1.0
    for i in range(150):
        Q = rotation(rng, d)
        U = np.stack(
            [np.linalg.qr(Q @ (scale[:, None] * rng.standard_normal((d, k))) @ rotation(rng, k))[0] for _ in range(L)],
            1,
        )
        # the same law for every column: random order within the span
        U = np.stack([U[:, l] @ rotation(rng, k) for l in range(L)], axis=1)
        found = first(
            LeadingDirections(U.astype(np.float32), np.tile(np.geomspace(1.2, 1, k), (L, 1)), np.arange(L)), seed=i
        )
        alarms += found.p_value < 0.01
        above += found.value > 3 * found.isotropic_mean
    np.testing.assert_array_less(alarms / 150, 0.01 + binomial(0.01, 150))
    np.testing.assert_array_less(0.8, above / 150)  # control: far above the isotropic mean, nearly always


@pytest.mark.parametrize("noise", [0.0, 0.8])
def test_agreement_finds_a_planted_common_direction(noise):
    rng = np.random.default_rng(2)
    d, L = 64, 8
    u = rotation(rng, d, 1)[:, 0]
    for i in range(10):
        m = modules(rng, d, L, 5, shared={0: u})
        if noise:
            X = m.U.astype(float)
            X[:, :, 0] += noise * rng.standard_normal((d, L)) / np.sqrt(d)
            m = LeadingDirections(
                np.stack([np.linalg.qr(X[:, l])[0] for l in range(L)], 1).astype(np.float32), m.S, m.layers
            )
        found = first(m, seed=i)
        np.testing.assert_array_less(found.p_value, 0.01)
        np.testing.assert_array_less(0.3, found.value)
        np.testing.assert_array_less(found.null_mean, 0.08)  # the leading pair is one of the 25
    np.testing.assert_allclose(first(modules(rng, d, L, 5, shared={0: u})).value, 1, atol=1e-5)
    # control: planted as the second component, the first has nothing to show
    np.testing.assert_array_less(0.01, first(modules(rng, d, L, 5, shared={1: u})).p_value)


def test_agreement_value_is_the_mean_cos2_over_pairs_of_layers():
    rng = np.random.default_rng(3)
    layers = np.array([0, 0, 1, 2, 2])
    m = modules(rng, 20, 5, 3, layers=layers)
    found = first(m)
    lead = m.U[:, :, 0].astype(float)
    pairs = [(a, b) for a in range(5) for b in range(a) if layers[a] != layers[b]]
    np.testing.assert_allclose(found.value, np.mean([(lead[:, a] @ lead[:, b]) ** 2 for a, b in pairs]), rtol=1e-5)
    assert (found.pairs, found.isotropic_mean) == (len(pairs), 1 / 20)
    # E of the null: any component against any
    any_two = [np.mean((m.U[:, a].T @ m.U[:, b]) ** 2) for a, b in pairs]
    np.testing.assert_allclose(found.null_mean, np.mean(any_two), rtol=0.1)


def test_agreement_of_one_layer_or_one_component_is_none():
    rng = np.random.default_rng(4)
    assert first(modules(rng, 20, 1, 4)) is None
    assert first(modules(rng, 20, 3, 4, layers=[7, 7, 7])) is None
    assert first(modules(rng, 20, 4, 1)) is None
    padded = modules(rng, 20, 4, 3, strengths=[1.0, 0.0, 0.0])
    assert first(padded) is None
    assert first(modules(rng, 20, 2, 3, layers=[0, 1])) is not None


@pytest.mark.parametrize(("L", "k"), [(2, 3), (2, 2), (2, 8), (3, 2), (3, 3)])
def test_agreement_p_value_stays_above_what_the_pairings_allow(L, k):
    """Two modules of three components can be paired in 9 ways, one of them the leading one: p is never below 1/9."""
    rng = np.random.default_rng(5)
    u = rotation(rng, 64, 1)[:, 0]
    found = first(modules(rng, 64, L, k, shared={0: u}))
    least = float(k) ** -L
    np.testing.assert_allclose(found.value, 1, atol=1e-5)
    np.testing.assert_array_less(least * (1 - 1e-9), found.p_value)
    np.testing.assert_array_less(found.p_value, least + 0.001 + binomial(least, 999))


def test_agreement_finds_the_second_direction_once_the_first_is_removed():
    rng = np.random.default_rng(6)
    d, L = 64, 8
    plane = rotation(rng, d, 2)
    m = modules(rng, d, L, 6, shared={0: plane[:, 0], 1: plane[:, 1]}, strengths=[5, 3, 1, 0.9, 0.8, 0.7])
    one, two, three = agreement(m, plane)
    for found in (one, two):
        np.testing.assert_allclose(found.value, 1, atol=1e-4)
        np.testing.assert_array_less(found.p_value, 0.01)
    np.testing.assert_array_less(0.01, three.p_value)
    # the first one alone: with u₂ planted in no module, nothing is left
    _, rest = agreement(modules(rng, d, L, 6, shared={0: plane[:, 0]}), plane[:, :1])
    np.testing.assert_array_less(0.01, rest.p_value)


def test_agreement_removes_a_direction_that_is_spread_over_the_components():
    """Deflation is of the modules' matrices, not of their lists of vectors: û lies between components 0 and 1."""
    rng = np.random.default_rng(7)
    d, L = 64, 8
    u, w = rotation(rng, d, 2).T
    U, S = np.empty((d, L, 4), np.float32), np.empty((L, 4))
    for l in range(L):
        M = np.outer(u, rng.standard_normal(9)) * 2 + np.outer(w, rng.standard_normal(9)) * 1.9
        M += 0.1 * rng.standard_normal((d, 9))
        X, s, _ = np.linalg.svd(M, full_matrices=False)
        U[:, l], S[l] = X[:, :4], s[:4]
    found = agreement(LeadingDirections(U, S, np.arange(L)), u[:, None])[1]
    np.testing.assert_array_less(0.9, found.value)


@pytest.mark.parametrize("L", [4, 8, 16])
def test_agreement_p_value_has_its_level_after_removing_what_the_modules_do_not_share(L):
    """Every module has a strong direction of its own. The stack's first component mixes them, and taking a mixture out
    of all modules leaves remainders that lean on each other: no sign of a shared direction."""
    d, k, draws, p = 64, 6, 60, []
    for seed in range(draws):
        rng = np.random.default_rng(seed)
        m = modules(rng, d, L, k, strengths=[10.0, 1.0, 0.9, 0.8, 0.7, 0.6])
        stack = (m.U * m.S).reshape(d, L * k)
        removed = np.linalg.svd(stack, full_matrices=False)[0][:, :2]
        p.append([1.0 if x is None else x.p_value for x in agreement(m, removed, draws=199, seed=seed)])
    for component, values in enumerate(np.transpose(p)):
        alarms = np.mean(values <= 0.01)
        np.testing.assert_array_less(alarms, 0.01 + binomial(0.01, draws), err_msg=f"component {component}")


def test_agreement_stops_at_the_first_component_that_does_not_agree():
    rng = np.random.default_rng(21)
    plane = rotation(rng, 40, 2)
    shared = modules(rng, 40, 6, 4, shared={0: plane[:, 0]})
    apart = modules(rng, 40, 6, 4)
    assert [x is None for x in agreement(apart, plane)] == [False, True, True]
    assert agreement(shared, plane)[1] is not None  # control: the first agrees, so the second is tested


@pytest.mark.parametrize("what", ["signs", "rotation", "order", "scale"])
def test_agreement_is_invariant(what):
    rng = np.random.default_rng(8)
    d, L, k = 40, 6, 4
    plane = rotation(rng, d, 2)
    m = modules(rng, d, L, k, shared={0: plane[:, 0] + 0.3 * rng.standard_normal(d) / np.sqrt(d)})
    removed, U, S, layers = plane, m.U.astype(float), m.S, m.layers
    if what == "signs":
        U = U * rng.choice([-1.0, 1.0], (1, L, k))
    elif what == "rotation":
        Q = rotation(rng, d)
        U, removed = np.einsum("ij,jlk->ilk", Q, U), Q @ removed
    elif what == "order":
        order = rng.permutation(L)
        U, S, layers = U[:, order], S[order], layers[order]
    else:
        S = S * rng.uniform(0.1, 10, (L, 1))
    before, after = agreement(m, plane), agreement(LeadingDirections(U.astype(np.float32), S, layers), removed)
    assert [a is None for a in before] == [b is None for b in after]
    assert before[0] is not None
    for a, b in zip(before, after, strict=True):
        if a is None or b is None:
            continue
        np.testing.assert_allclose(b.value, a.value, rtol=1e-4, atol=1e-6)
        # the draws of a permuted order are other draws; otherwise the same up to ties
        np.testing.assert_allclose(b.p_value, a.p_value, rtol=0, atol=0.06 if what == "order" else 0.003)


def test_agreement_is_deterministic_in_its_seed():
    rng = np.random.default_rng(9)
    m = modules(rng, 30, 5, 4)
    assert agreement(m, nothing(30), seed=3) == agreement(m, nothing(30), seed=3)
    assert agreement(m, nothing(30), seed=3)[0].null_mean != agreement(m, nothing(30), seed=4)[0].null_mean


def test_agreement_of_many_modules_draws_in_batches():
    """More pairs than fit a batch: the number of draws, hence the smallest p-value, stays what was asked for."""
    rng = np.random.default_rng(10)
    u = rotation(rng, 24, 1)[:, 0]
    found = first(modules(rng, 24, 40, 3, shared={0: u}), draws=999)
    np.testing.assert_allclose(found.p_value, 1 / 1000)
    assert found.pairs == 40 * 39 // 2
