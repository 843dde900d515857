"""identify: against dense matrices, its certificate on planted and extremal instances, its verdict and refusals."""

from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from strategies import extremal, full_rank, planted, rotation, seeds, update, with_singular_values
from tolerance import backward, binomial, subspace

import grasp_theory.measure
from grasp_theory import (
    Agreement,
    AssumptionError,
    Floor,
    InputError,
    LowRank,
    Subspace,
    Update,
    factored_edge,
    identify,
    noise_scale,
)
from grasp_theory.verdict import judge
from synthetic.low_rank import AdapterSpec, draw_adapter

SPEC = AdapterSpec(layers=8, width=96, inputs=64, rank=16)


def drawn(seed: int = 0, **changes) -> tuple[list[Update], np.ndarray]:
    spec = AdapterSpec(**{**vars(SPEC), **changes})
    return draw_adapter(spec, rng=np.random.default_rng(seed))


def dense(u: Update) -> np.ndarray:
    p = u.lowrank
    return p.scaling * p.B.astype(float) @ p.A.astype(float)


def random_update(
    rng: np.random.Generator, m: int, r: int, d: int, layer: int | None = 0, side="write", **fields
) -> Update:
    return update(LowRank(rng.standard_normal((m, r)), rng.standard_normal((r, d)), 0.5), layer, side, **fields)


def sine(component, direction: np.ndarray) -> float:
    return float(np.sin(component.subspace.angles(Subspace.span(direction)).max()))


F32 = backward((64,), np.float32, 1.0)  # directions are kept in float32

# --- against dense ---------------------------------------------------------------------------------------------

sizes = st.sampled_from([1, 2, 3, 7, 12, 20])


@given(shapes=st.lists(st.tuples(sizes, sizes), min_size=1, max_size=4), m=sizes, seed=seeds, k=st.integers(1, 9))
def test_identify_one_module_each_equals_dense(shapes, m, seed, k):
    rng = np.random.default_rng(seed)
    updates = [random_update(rng, m, r, d, layer) for layer, (r, d) in enumerate(shapes)]
    report = identify(updates, pool="none", k=k)
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
    (found,) = identify(updates, pool="layers", normalize=normalize, k=5).decompositions
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


# --- certificate -----------------------------------------------------------------------------------------------


def certificates(M: np.ndarray, side: str, k: int = 3):
    layer = update(full_rank(M), 0, side)
    return identify([layer], side=side, pool="none", k=k).decompositions[0].components


@given(
    shape=st.sampled_from([(12, 9), (9, 14), (10, 10), (6, 25)]),
    rho=st.floats(0.01, 0.99),
    complexity=st.sampled_from(["full", "one", "two", "decaying"]),
    seed=seeds,
    scale=st.sampled_from([1e-3, 1.0, 1e3]),
)
def test_certificate_holds_on_planted_instances(shape, rho, complexity, seed, scale):
    """sin θ(û,u) <= tau/ŝ₁ for every asserted tau >= ‖T‖, and smallest_tau <= ‖T‖ always (Weyl)."""
    rng = np.random.default_rng(seed)
    q = min(shape)
    values = {"full": np.ones(q), "one": np.ones(1), "two": np.ones(2), "decaying": 0.6 ** np.arange(q)}[complexity]
    tau = rho * scale
    M, T, u, v = planted(rng, *shape, scale, tau, values)
    np.testing.assert_allclose(np.linalg.norm(T, 2), tau, rtol=1e-10)
    for side, direction in (("write", u), ("read", v)):
        top = certificates(M, side)[0]
        np.testing.assert_array_less(top.certificate.smallest_tau, tau * (1 + 1e-6))
        for asserted in tau * np.array([1.0, 1.3, 4.0]) * (1 + 1e-6):
            bound = np.sin(top.certificate.angle(float(asserted)))
            np.testing.assert_array_less(sine(top, direction), bound + subspace(F32, 1.0))
        curve = top.certificate.curve()
        np.testing.assert_allclose(curve[0][0], top.certificate.smallest_tau)
        np.testing.assert_allclose(curve[-1], (top.certificate.strength, np.pi / 2))


@pytest.mark.parametrize("rho", [0.05, 0.3, 0.49, 0.7])
@pytest.mark.parametrize("shape", [(2, 2), (30, 20), (8, 40)])
def test_certificate_is_attained_on_the_extremal_instance(shape, rho):
    beta = 2.0
    M, T, u, v = extremal(np.random.default_rng(0), *shape, beta, rho * beta)
    np.testing.assert_allclose(np.linalg.norm(T, 2), rho * beta, rtol=1e-12)
    for side, direction in (("write", u), ("read", v)):
        top = certificates(M, side)[0]
        np.testing.assert_allclose(top.singular_value, beta, rtol=1e-7)
        np.testing.assert_allclose(sine(top, direction), rho, rtol=1e-5)
        np.testing.assert_allclose(np.sin(top.certificate.angle(rho * beta)), rho, rtol=1e-6)


@given(seed=seeds, rho=st.floats(0.05, 0.95), equal=st.booleans())
def test_certificate_of_several_components_holds_for_their_span(seed, rho, equal):
    """T + two orthonormal factors: components 0 and 1 together, whether or not the strengths are equal."""
    rng = np.random.default_rng(seed)
    m, d = 14, 11
    U, V = rotation(rng, m, 2), rotation(rng, d, 2)
    T = with_singular_values(rng, m, d, rho * np.ones(d))
    M = T + U * ([1.0, 1.0] if equal else [1.5, 1.0]) @ V.T
    for side, truth in (("write", U), ("read", V)):
        found = certificates(M, side)
        span = found[0].subspace.union(found[1].subspace)
        worst = np.sin(span.angles(Subspace(truth)).max())
        np.testing.assert_array_less(worst, np.sin(found[1].certificate.angle(rho * (1 + 1e-6))) + subspace(F32, 1.0))
        np.testing.assert_array_less(found[1].certificate.smallest_tau, rho * (1 + 1e-6))


def test_certificate_refuses_a_tau_that_the_spectrum_contradicts():
    rng = np.random.default_rng(0)
    M, _, _, _ = planted(rng, 12, 9, 3.0, 1.0, np.ones(9))
    certificate = certificates(M, "write")[0].certificate
    with pytest.raises(AssumptionError, match=r"below the next singular value .* by Weyl's inequality"):
        certificate.angle(0.99 * certificate.smallest_tau)
    for bad in (np.nan, np.inf, -1.0):
        with pytest.raises(AssumptionError):
            certificate.angle(bad)


# --- verdict ---------------------------------------------------------------------------------------------------


def mean_scale(spec: AdapterSpec) -> float:
    """The unit of AdapterSpec.strength: √width √(mean eigenvalue of AAᵀ) = √(width/3) for peft's uniform A."""
    return float(np.sqrt(spec.width / 3))


def test_verdict_on_benign_adapters_is_none():
    verdicts = [identify(drawn(seed)[0]).verdict for seed in range(60)]
    np.testing.assert_array_less(np.mean([v != "none can be told" for v in verdicts]), 0.01 + binomial(0.01, 60))


@pytest.mark.slow
@pytest.mark.parametrize("pool", ["layers", "none"])
def test_verdict_on_benign_adapters_is_none_in_many_draws(pool):
    draws = 300 if pool == "layers" else 60
    fired = np.mean([identify(drawn(1000 + seed)[0], pool=pool).verdict != "none can be told" for seed in range(draws)])
    np.testing.assert_array_less(fired, 0.01 + binomial(0.01, draws))


def test_verdict_fires_at_twice_the_stated_power_and_not_at_half():
    for seed in range(12):
        power = identify(drawn(seed)[0]).decompositions[0].power
        np.testing.assert_allclose(power.per_module, power.strength / np.sqrt(SPEC.layers))
        updates, u = drawn(seed, strength=2 * power.per_module / mean_scale(SPEC))
        report = identify(updates)
        assert report.verdict == "one stands out"
        assert report.component(0).stands_out
        np.testing.assert_array_less(sine(report.component(0), u), 0.5)
        assert not any(c.stands_out for c in report.decomposition().components[1:])
        # control
        weak, _ = drawn(seed, strength=0.5 * power.per_module / mean_scale(SPEC))
        assert identify(weak).verdict == "none can be told"


def test_verdict_on_two_planted_directions_is_several():
    rng = np.random.default_rng(0)
    plane = rotation(rng, SPEC.width, 2)
    updates, _ = drawn(0)
    power = identify(updates).decompositions[0].power.per_module
    changed = []
    for u in updates:
        p = u.lowrank
        # unit read directions v = Aᵀ w, near orthogonal, of strengths 3 and 2.5
        W = np.linalg.qr(rng.standard_normal((p.rank, 2)))[0]
        W = W / np.linalg.norm(W.T @ p.A, axis=1)
        changed.append(update(LowRank(p.B + power * plane * [3.0, 2.5] @ W.T, p.A), u.layer))
    report = identify(changed)
    assert report.verdict == "several stand out"
    assert [c.stands_out for c in report.decomposition().components][:3] == [True, True, False]
    found = report.component(0).subspace.union(report.component(1).subspace)
    np.testing.assert_array_less(np.sin(found.angles(Subspace(plane))), 0.5)


def with_own_directions(seed: int, layers: int, strength: float) -> list[Update]:
    """Control adapters: as strong as planted ones, but every layer has a direction of its own; nothing is shared."""
    rng = np.random.default_rng(seed)
    changed = []
    for u in drawn(seed, layers=layers)[0]:
        p, w = u.lowrank, rng.standard_normal(16)
        change = np.outer(rotation(rng, SPEC.width, 1), w / np.linalg.norm(w @ p.A))
        changed.append(update(LowRank(p.B + strength * change, p.A), u.layer))
    return changed


@pytest.mark.parametrize("layers", [4, 8, 16])
def test_verdict_needs_the_layers_to_agree(layers):
    """As many directions as layers: taking the first ones out of all modules must not make the others look shared."""
    draws = 10
    reports = [identify(with_own_directions(seed, layers, 40.0)) for seed in range(draws)]
    assert all(r.component(0).above_floor for r in reports)
    fired = [r.verdict != "none can be told" for r in reports]
    np.testing.assert_array_less(np.mean(fired), 0.01 + binomial(0.01, draws))


def rule(S, floor, p_values, ratio=1.5, level=0.01) -> list[bool]:
    """The printed rule: i counts if i … j pass floor and agreement, and j is separated, for some j >= i."""
    passes = [s > floor and p is not None and p < level for s, p in zip(S, p_values, strict=False)]
    separated = [i + 1 < len(S) and S[i] >= ratio * S[i + 1] for i in range(len(passes))]
    return [any(separated[j] and all(passes[i : j + 1]) for j in range(i, len(passes))) for i in range(len(passes))]


@given(
    steps=st.lists(st.sampled_from([1.0, 1.1, 1.49, 1.51, 3.0]), min_size=1, max_size=6),
    floor=st.sampled_from([0.0, 2.0, 5.0, 1e3]),
    p=st.lists(st.sampled_from([0.001, 0.009, 0.02, None]), min_size=7, max_size=7),
    more=st.booleans(),
)
def test_verdict_is_the_printed_rule(steps, floor, p, more):
    S = np.cumprod([1.0, *steps])[::-1].copy()
    k = len(S) - more
    agreements = [None if x is None else Agreement(0.5, 0.1, 0.01, x, 3) for x in p]
    U = rotation(np.random.default_rng(0), 10, max(k, 1))
    components, verdict = judge(S, U, float(np.sum(S**2)), 0.0, Floor(floor, 0.99, ""), agreements)
    expected = rule(S, floor, p[: max(k, 1)])
    assert [c.stands_out for c in components] == expected
    assert verdict == ["none can be told", "one stands out", "several stand out"][min(sum(expected), 2)]
    unknown, verdict = judge(S, U, float(np.sum(S**2)), 0.0, Floor(None, 0.99, "not estimated"), agreements)
    assert verdict == "none can be told"
    assert all(c.above_floor is None and not c.stands_out for c in unknown)


# --- what cannot be estimated ----------------------------------------------------------------------------------


def test_identify_below_rank_16_has_no_floor_and_no_verdict():
    updates, _ = drawn(0, rank=15, strength=20.0)
    report = identify(updates)
    floor, power = report.decompositions[0].floor, report.decompositions[0].power
    assert (floor.value, power.strength, power.per_module) == (None, None, None)
    assert "rank 15 < 16" in floor.reason
    assert f"in {SPEC.layers} of {SPEC.layers} modules" in floor.reason
    assert report.verdict == "none can be told"
    assert report.component(0).above_floor is None
    assert identify(drawn(0, rank=16, strength=20.0)[0]).verdict == "one stands out"  # control


def test_identify_floor_equals_the_edge_of_its_own_factors():
    rng = np.random.default_rng(0)
    u = random_update(rng, 60, 20, 40)
    p = u.lowrank
    s = 0.5 * noise_scale(np.linalg.svd(p.B, compute_uv=False), 60, 20)
    edge = factored_edge(60, np.linalg.eigvalsh(p.A @ p.A.T), s=s)
    for level in (0.5, 0.99):
        floor = identify([u], pool="none", level=level).decompositions[0].floor
        np.testing.assert_allclose([floor.value, floor.level], [edge.floor(level), level], rtol=1e-7)
    # started at A = 0: A is the noise, B is observed
    u = random_update(rng, 60, 20, 40, zero_start="A")
    p = u.lowrank
    s = 0.5 * noise_scale(np.linalg.svd(p.A, compute_uv=False), 40, 20)
    edge = factored_edge(40, np.linalg.eigvalsh(p.B.T @ p.B), s=s)
    np.testing.assert_allclose(identify([u], pool="none").decompositions[0].floor.value, edge.floor(0.99), rtol=1e-7)


def test_identify_pooled_floor_takes_every_module_with_its_own_noise():
    rng = np.random.default_rng(0)
    updates = [random_update(rng, 60, 20, 40 + 5 * l, l) for l in range(3)]
    updates = [update(u.lowrank * float(1 + u.layer), u.layer) for u in updates]
    eigenvalues = []
    for u in updates:
        p = u.lowrank
        s = p.scaling * noise_scale(np.linalg.svd(p.B, compute_uv=False), 60, 20)
        eigenvalues.append(s * s * np.linalg.eigvalsh(p.A @ p.A.T))
    expected = factored_edge(60, np.concatenate(eigenvalues)).floor(0.99)
    np.testing.assert_allclose(identify(updates).decompositions[0].floor.value, expected, rtol=1e-7)


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (
            lambda rng: [random_update(rng, 30, 16, 40, l, "read") for l in range(3)],
            "random start is part of the spectrum",
        ),
        (
            lambda rng: [random_update(rng, 30, 16, 40, l, "write", zero_start="A") for l in range(3)],
            "trained from A = 0",
        ),
        (lambda rng: [random_update(rng, 30, 40, 35)], "rank 40 exceeds the sizes (30, 35)"),
        (
            lambda rng: [update(LowRank(np.eye(40, 20) * (np.arange(20) < 5), rng.standard_normal((20, 30))))],
            "exactly zero",
        ),
    ],
)
def test_identify_says_why_a_pooled_floor_is_missing(make, words):
    report = identify(make(np.random.default_rng(0)), pool="layers")
    (found,) = report.decompositions
    assert found.floor.value is None
    assert words in found.floor.reason
    assert report.verdict == "none can be told"


def test_identify_of_zero_updates_has_nothing_to_decompose():
    rng = np.random.default_rng(0)
    zero = [update(LowRank(np.zeros((30, 8)), rng.standard_normal((8, 20))), l) for l in range(3)]
    for pool in ("auto", "layers", "none"):
        report = identify(zero, pool=pool)
        assert (report.verdict, report.decompositions) == ("nothing to decompose", ())
        np.testing.assert_array_equal([m.norm for m in report.modules], 0)
    json.dumps(report.to_dict(), allow_nan=False)
    # one module that was trained is decomposed, the others are left out of the stack but listed
    report = identify([*zero[1:], random_update(rng, 30, 8, 20, 9)])
    assert report.decompositions[0].layers == (9,)
    assert len(report.modules) == 3
    empty = identify([update(LowRank(np.zeros((5, 0)), np.zeros((0, 4))))])
    assert empty.verdict == "nothing to decompose"


@pytest.mark.parametrize("pool", ["layers", "none"])
@pytest.mark.parametrize("r", [1, 4, 8])
def test_identify_of_a_rank_one_update_reports_one_component(r, pool):
    """B of rank one through r columns, as after steps on one direction: one component, and nothing of rounding."""
    for seed in range(10):
        rng = np.random.default_rng(seed)
        u = rotation(rng, 64, 1)[:, 0]
        p = LowRank(np.outer(u, rng.standard_normal(r)), rng.standard_normal((r, 48)))
        (found,) = identify([update(p)], pool=pool).decompositions
        np.testing.assert_allclose(found.components[0].singular_value, p.norm(), rtol=1e-6)
        np.testing.assert_array_less(sine(found.components[0], u), F32)
        assert len(found.components) == 1


@pytest.mark.parametrize("rank", [1, 2, 5])
def test_identify_reports_no_component_below_its_error(rank):
    rng = np.random.default_rng(rank)
    updates = [
        update(
            LowRank(rng.standard_normal((64, rank)) @ rng.standard_normal((rank, 16)), rng.standard_normal((16, 48))), l
        )
        for l in range(2)
    ]
    (found,) = identify(updates, pool="layers", k=12).decompositions
    np.testing.assert_array_less(found.error, [c.singular_value for c in found.components])
    assert len(found.components) == 2 * rank


def test_identify_with_more_columns_than_either_size_equals_dense():
    u = random_update(np.random.default_rng(0), 6, 20, 5)
    found = identify([u], pool="none").decompositions[0]
    np.testing.assert_allclose([c.singular_value for c in found.components], np.linalg.svd(dense(u))[1], rtol=1e-6)
    assert "rank 20 exceeds" in found.floor.reason


def test_identify_with_a_fixed_side_is_uninformative():
    updates, _ = drawn(0, strength=20.0)
    fixed = [update(u.lowrank, u.layer, fixed="write") for u in updates]
    report = identify(fixed)
    assert report.verdict == "none can be told"
    assert any("write side of 8 modules was fixed by construction" in n for n in report.notes)
    free = [update(u.lowrank, u.layer, fixed="read") for u in updates]  # control
    assert identify(free).verdict == "one stands out"


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


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: identify([]), ["at least one update"]),
        (lambda: identify(iter(())), ["at least one update"]),
        (lambda: identify(mixed(), side="both"), ["side must be", "'both'"]),
        (lambda: identify(mixed(), pool="all"), ["pool must be", "'all'"]),
        (lambda: identify(mixed(), k=0), ["k must be a positive number", "0"]),
        (lambda: identify(mixed(), k=2.0), ["k must be a positive number", "2.0"]),
        (lambda: identify(mixed(), level=0.4), ["level must lie in [0.5, 1)", "0.4"]),
        (lambda: identify(mixed(), level=1.0), ["level must lie"]),
        (lambda: identify(mixed(), level=np.nan), ["level must lie"]),
        (lambda: identify(mixed()[:2], side="read"), ["no module of this adapter reads", "o_proj", "use side 'write'"]),
        (
            lambda: identify(mixed()[2:], side="write"),
            ["no module of this adapter writes", "q_proj", "classifier", "use side 'read'"],
        ),
        (lambda: identify([update(LowRank(np.full((3, 2), np.nan), np.ones((2, 3))))]), ["factor B holds NaN"]),
    ],
)
def test_identify_refuses_with_a_reason(call, words, no_contracts):
    with pytest.raises(InputError) as refusal:
        call()
    for word in words:
        assert word in str(refusal.value)


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
            patch.setattr(grasp_theory.measure, "CACHED_BYTES", 0)
            streamed = identify(updates, normalize=normalize).decompositions[0]
        for a, b in zip(kept.components, streamed.components, strict=True):
            np.testing.assert_allclose(a.singular_value, b.singular_value, rtol=1e-5)
            np.testing.assert_allclose(a.subspace.basis, b.subspace.basis, atol=1e-3)
        assert kept.verdict == streamed.verdict
