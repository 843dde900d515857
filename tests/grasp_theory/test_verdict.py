"""identify: its certificate on planted and extremal instances, and its verdict."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from planted import F32, SPEC, drawn, sine
from strategies import extremal, full_rank, planted, rotation, seeds, update, with_singular_values
from tolerance import binomial, subspace

from grasp_theory import LowRank, Subspace, Update, identify
from grasp_theory.identification.agreement import Agreement
from grasp_theory.identification.report import Floor
from grasp_theory.identification.verdict import judge
from synthetic.generators.adapters import AdapterSpec

# --- certificate -----------------------------------------------------------------------------------------------


def certificates(M: np.ndarray, side: str, k: int = 3):
    layer = update(full_rank(M), 0, side)
    return identify([layer], side=side, pool="none", top=k).decompositions[0].components


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


# --- verdict ---------------------------------------------------------------------------------------------------


def mean_scale(spec: AdapterSpec) -> float:
    """The unit of AdapterSpec.strength: √width √(mean eigenvalue of AAᵀ) = √(width/3) for peft's uniform A."""
    return float(np.sqrt(spec.width / 3))


@pytest.mark.slow
@pytest.mark.usefixtures("no_contracts")
@pytest.mark.parametrize(("pool", "draws"), [("layers", 200), ("none", 40)])
def test_verdict_on_benign_adapters_is_none_in_many_draws(pool, draws):
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

    def judged(floor: Floor):
        energy = float(np.sum(S**2))
        return judge(S, U, energy=energy, errors=0.0, floor=floor, agreements=agreements, layers=[None] * len(S))

    components, verdict = judged(Floor(floor, 0.99, ""))
    expected = rule(S, floor, p[: max(k, 1)])
    assert [c.stands_out for c in components] == expected
    assert verdict == ["none can be told", "one stands out", "several stand out"][min(sum(expected), 2)]
    unknown, verdict = judged(Floor(None, 0.99, "not estimated"))
    assert verdict == "none can be told"
    assert all(c.above_floor is None and not c.stands_out for c in unknown)


def test_a_direction_of_one_layer_alone_does_not_stand_out():
    """A strong direction in one layer leads the stack; the agreement of the others comes from a weaker shared one."""
    rng = np.random.default_rng(0)
    updates, _ = drawn(0, strength=8.0, layers=16)
    alone = rotation(rng, SPEC.width, 1)
    first = updates[0].lowrank
    row = rng.standard_normal((1, SPEC.rank))
    B = first.B + 60 * np.linalg.norm(first.B) / np.linalg.norm(row) * alone @ row
    changed = [update(LowRank(B, first.A), 0, "write"), *updates[1:]]
    report = identify(changed)
    leading = report.component(0)
    np.testing.assert_array_less(0.99, abs(alone[:, 0] @ leading.subspace.basis[:, 0]))
    np.testing.assert_array_less(leading.layers, 1.1)
    assert not leading.stands_out
    control = identify(updates).component(0)
    assert control.stands_out
    np.testing.assert_array_less(10, control.layers)


def test_power_is_none_where_nothing_could_have_fired():
    for layers in (1, 2):
        updates, _ = drawn(0, strength=50.0, layers=layers)
        found = identify(updates).decompositions[0]
        assert found.verdict == "none can be told"
        assert found.power.strength is None
        assert "too few for an agreement" in found.power.reason
    updates, _ = drawn(0, strength=50.0, layers=4)  # control
    assert identify(updates).decompositions[0].power.strength is not None
