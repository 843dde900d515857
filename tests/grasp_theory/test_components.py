"""identify: against dense matrices; which side, which pool; one pass, and the same every time."""

from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from planted import F32, dense, drawn, random_update, sine
from strategies import seeds, update
from tolerance import backward, subspace

import grasp_theory.identification.measure
from grasp_theory import LowRank, Update, identify

# --- against dense ---------------------------------------------------------------------------------------------

sizes = st.sampled_from([1, 2, 3, 7, 12, 20])


@pytest.mark.slow
@given(shapes=st.lists(st.tuples(sizes, sizes), min_size=1, max_size=4), m=sizes, seed=seeds, k=st.integers(1, 9))
def test_identify_one_module_each_equals_dense(shapes, m, seed, k):
    rng = np.random.default_rng(seed)
    updates = [random_update(rng, m, r, d, layer) for layer, (r, d) in enumerate(shapes)]
    report = identify(updates, pool="none", top=k)
    assert [d.name for d in report.decompositions] == [u.name for u in updates]
    for u, found, module in zip(updates, report.decompositions, report.modules, strict=True):
        U, S, _ = np.linalg.svd(dense(u), full_matrices=False)
        q = min(*u.shape, u.rank)
        atol = 1e-7 * S[0] + backward(u.shape, float, S[0])
        np.testing.assert_allclose(module.singular_values, S[:q], rtol=0, atol=atol)
        np.testing.assert_allclose([found.norm, module.norm], np.linalg.norm(S), rtol=1e-6)
        assert len(found.components) == min(k, q)
        for c in found.components:
            i = c.index
            np.testing.assert_allclose(c.singular_value, S[i], rtol=0, atol=atol)
            np.testing.assert_allclose(c.energy, S[i] ** 2 / np.sum(S**2), rtol=0, atol=1e-6)
            gap = np.abs(np.delete(S, i) - S[i]).min(initial=S[i])
            np.testing.assert_array_less(sine(c, U[:, i]), subspace(F32 * S[0], gap))
            following = S[i + 1] if i + 1 < q else 0.0
            np.testing.assert_allclose(c.certificate.smallest_tau, following, rtol=0, atol=atol)
            if i + 1 < q:
                np.testing.assert_allclose(c.ratio, S[i] / following, rtol=1e-5)
            else:
                assert c.ratio is None  # nothing follows: the gap is the rank's doing


@pytest.mark.parametrize("side", ["write", "read"])
@pytest.mark.parametrize("normalize", [False, True])
def test_identify_pooled_equals_dense_stack(side, normalize):
    rng = np.random.default_rng(0)
    shapes = [(3, 20), (5, 11), (2, 33)]
    updates = [
        random_update(rng, *((30, r, d) if side == "write" else (d, r, 30)), layer, side)
        for layer, (r, d) in enumerate(shapes)
    ]
    (found,) = identify(updates, pool="layers", normalize=normalize, top=5).decompositions
    matrices = [dense(u) if side == "write" else dense(u).T for u in updates]
    norms = [np.linalg.norm(M) for M in matrices]
    if normalize:
        matrices = [M / n for M, n in zip(matrices, norms, strict=True)]
    U, S, _ = np.linalg.svd(np.hstack(matrices), full_matrices=False)
    np.testing.assert_allclose([c.singular_value for c in found.components], S[:5], rtol=1e-5)
    for c in found.components:
        np.testing.assert_array_less(
            sine(c, U[:, c.index]), subspace(F32 * S[0], np.abs(np.delete(S, c.index) - S[c.index]).min())
        )
    np.testing.assert_allclose(found.norm, np.linalg.norm(S), rtol=1e-6)
    np.testing.assert_array_less(
        np.abs(np.array([c.singular_value for c in found.components]) - S[:5]).max(), found.error
    )
    shares = np.array([np.linalg.norm(M) ** 2 for M in matrices]) / np.linalg.norm(S) ** 2
    np.testing.assert_allclose(found.largest_share, shares.max(), rtol=1e-6)
    if not normalize:  # with it, all shares are equal
        assert found.largest_module == updates[int(shares.argmax())].name
    assert (found.pooled, found.side, found.width, found.modules) == (True, side, 30, tuple(u.name for u in updates))
    assert ("norm" in found.what) == normalize


def test_identify_normalize_forgets_the_scale_of_a_module():
    updates, _ = drawn(0, strength=1.0)
    scaled = [update(u.lowrank * 10.0**u.layer, u.layer) for u in updates]
    reports = [identify(x, normalize=True) for x in (updates, scaled)]
    values = [[c.singular_value for c in report.decompositions[0].components] for report in reports]
    np.testing.assert_allclose(values[0], values[1], rtol=1e-4)
    # control: without it the largest module is all there is
    np.testing.assert_array_less(0.9, identify(scaled).decompositions[0].largest_share)


def test_identify_is_gauge_invariant_in_all_but_the_floor():
    rng = np.random.default_rng(0)
    u = random_update(rng, 30, 16, 20)
    G = rng.standard_normal((16, 16))
    moved = update(LowRank(u.lowrank.B @ G, np.linalg.solve(G, u.lowrank.A), u.lowrank.scaling))
    a, b = (identify([x], pool="none").decompositions[0] for x in (u, moved))
    np.testing.assert_allclose(
        [c.singular_value for c in a.components], [c.singular_value for c in b.components], rtol=1e-6
    )
    for c, e in zip(a.components, b.components, strict=True):
        np.testing.assert_allclose(c.subspace.basis, e.subspace.basis, atol=1e-4)


# --- sides, pools, options -------------------------------------------------------------------------------------


def mixed() -> list[Update]:
    rng = np.random.default_rng(0)
    return [
        *[random_update(rng, 30, 4, 20, l, "write") for l in range(2)],
        *[random_update(rng, 50, 4, 30, l, "read") for l in range(3)],
        Update.of("classifier", random_update(rng, 3, 2, 30).lowrank),
    ]


@pytest.mark.parametrize(
    ("options", "side", "pool", "count"),
    [
        ({}, "write", "layers", 1),
        ({"pool": "none"}, "write", "none", 2),
        ({"side": "read"}, "read", "none", 3),
        ({"side": "read", "pool": "layers"}, "read", "layers", 1),
        ({"side": "write"}, "write", "layers", 1),
    ],
)
def test_identify_chooses_side_and_pool(options, side, pool, count):
    report = identify(mixed(), **options)
    assert (report.side, report.pool, len(report.decompositions)) == (side, pool, count)
    left_out = len(mixed()) - (2 if side == "write" else 3)
    assert any(f"not on the {side} side: {left_out} of {len(mixed())} modules" in n for n in report.notes)
    assert len(report.modules) == len(mixed())  # sizes are listed whatever the side
    for u, m in zip(mixed(), report.modules, strict=True):
        np.testing.assert_allclose(m.norm, np.linalg.norm(dense(u)), rtol=1e-6)


def test_identify_auto_takes_read_if_nothing_writes_and_both_if_unknown():
    assert identify([u for u in mixed() if u.side != "write"]).side == "read"
    unknown = [Update.of(f"m{i}", u.lowrank) for i, u in enumerate(mixed())]
    report = identify(unknown)
    assert (report.side, report.pool, len(report.decompositions)) == ("write", "none", 6)
    assert any("tell neither the write nor the read side: left directions" in n for n in report.notes)
    assert any("right directions" in n for n in identify(unknown, side="read").notes)
    assert identify(unknown, pool="layers").pool == "layers"


def test_identify_pools_each_width_apart():
    rng = np.random.default_rng(0)
    updates = [random_update(rng, m, 4, 20, l) for m in (30, 50) for l in range(2)]
    updates = [Update(f"{u.name}.{i}", u.layer, u.side, u.shape, u.rank, u.lowrank) for i, u in enumerate(updates)]
    report = identify(updates)
    assert [d.width for d in report.decompositions] == [50, 30]
    assert [a.cos2.shape for a in report.alignments] == [(2, 2), (2, 2)]


def test_identify_alignment_is_the_cos2_of_leading_directions():
    updates = mixed()[:2]
    (found,) = identify(updates).alignments
    a, b = (np.linalg.svd(dense(u))[0][:, 0] for u in updates)
    np.testing.assert_allclose(found.cos2, [[1, (a @ b) ** 2], [(a @ b) ** 2, 1]], atol=1e-5)


# --- one pass, and the same every time -------------------------------------------------------------------------


def same(a, b) -> None:
    assert json.dumps(a.to_dict(vectors=True)) == json.dumps(b.to_dict(vectors=True))


def test_identify_is_deterministic_and_takes_a_generator():
    updates, _ = drawn(0, strength=1.0)
    report = identify(updates)
    same(report, identify(updates))
    same(report, identify(u for u in updates))
    different = identify(updates, seed=1).component(0).agreement
    assert different.null_mean != report.component(0).agreement.null_mean
    np.testing.assert_allclose(different.value, report.component(0).agreement.value)


@pytest.mark.parametrize("pool", ["layers", "none"])
def test_identify_loads_every_module_once(pool):
    updates, _ = drawn(0)
    loads: list[str] = []

    def lazy(u: Update) -> Update:
        def load() -> LowRank:
            loads.append(u.name)
            return u.lowrank

        return Update(u.name, u.layer, u.side, u.shape, u.rank, load)

    others = [random_update(np.random.default_rng(1), 20, 4, 96, 99, "read")]
    same(identify([lazy(u) for u in [*updates, *others]], pool=pool), identify([*updates, *others], pool=pool))
    assert sorted(loads) == sorted(u.name for u in [*updates, *others])


def test_identify_of_a_stack_too_large_to_keep_is_the_same(monkeypatch):
    updates, _ = drawn(0, strength=1.0)
    for normalize in (False, True):
        kept = identify(updates, normalize=normalize).decompositions[0]
        with monkeypatch.context() as patch:
            patch.setattr(grasp_theory.identification.measure, "CACHED_BYTES", 0)
            streamed = identify(updates, normalize=normalize).decompositions[0]
        for a, b in zip(kept.components, streamed.components, strict=True):
            np.testing.assert_allclose(a.singular_value, b.singular_value, rtol=1e-5)
            np.testing.assert_allclose(a.subspace.basis, b.subspace.basis, atol=1e-3)
        assert kept.verdict == streamed.verdict
