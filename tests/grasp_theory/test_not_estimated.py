"""identify: what cannot be estimated, and what it says then."""

from __future__ import annotations

import json

import numpy as np
import pytest
from planted import F32, SPEC, dense, drawn, random_update, sine
from strategies import rotation, update

from grasp_theory import LowRank, identify
from grasp_theory.identification.floor import factored_edge, noise_scale


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
    (found,) = identify(updates, pool="layers", top=12).decompositions
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
