"""Two adapters, or checkpoints of one: principal angles against dense ones and against chance."""

from __future__ import annotations

import json
import re

import numpy as np
import pytest
from planted import adapter, mapped
from strategies import rotation, update
from tolerance import binomial, monte_carlo

from grasp_theory import LowRank, Update, diff, trajectory
from grasp_theory.identification.diff import random_overlap

# --- chance ----------------------------------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.parametrize(
    ("width", "k", "other"),
    [(20, 3, 3), (20, 3, 5), (20, 5, 3), (9, 6, 5), (9, 9, 2), (7, 7, 7), (6, 5, 5), (50, 1, 1)],
)
def test_random_overlap_equals_direct_simulation(width, k, other):
    mean, high = random_overlap(width, k, other)
    rng = np.random.default_rng(1)
    draws, q = 3000, min(k, other)
    cos2 = np.array([np.sum((rotation(rng, width, k).T @ rotation(rng, width, other)) ** 2) / q for _ in range(draws)])
    np.testing.assert_allclose(mean, cos2.mean(), rtol=0, atol=monte_carlo(cos2) + 1e-12)
    np.testing.assert_allclose(mean, k * other / (q * width))
    # a quantile from 999 draws: it is exceeded in 1% of cases, to the error of the two samples
    allowed = binomial(0.01, 999) + binomial(0.01, draws)
    np.testing.assert_allclose(np.mean(cos2 > high * (1 + 1e-9)), 0.01 if mean < 1 else 0.0, rtol=0, atol=allowed)
    np.testing.assert_array_less(mean, high + 1e-12)


def test_random_overlap_is_symmetric_and_fixed_by_its_seed():
    assert random_overlap(30, 4, 7) == random_overlap(30, 7, 4) == random_overlap(30, 4, 7)
    assert random_overlap(30, 4, 7) != random_overlap(30, 4, 7, seed=1)
    np.testing.assert_allclose(random_overlap(8, 8, 3), [1, 1])
    np.testing.assert_allclose(random_overlap(1, 1, 1), [1, 1])


# --- diff ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("side", ["write", "read", None])
def test_diff_equals_dense_angles(side):
    a, b = adapter(0, side=side), adapter(1, side=side)
    found = diff(a, b, top=3)
    transposed = side == "read"
    dense = [
        [(u.lowrank.T if transposed else u.lowrank) @ np.eye(u.shape[0 if transposed else 1]) for u in x]
        for x in (a, b)
    ]
    assert found.side == ("read" if transposed else "write")

    def check(overlap, first: np.ndarray, second: np.ndarray) -> None:
        bases = [np.linalg.svd(X, full_matrices=False) for X in (first, second)]
        cosines = np.linalg.svd(bases[0][0][:, :3].T @ bases[1][0][:, :3], compute_uv=False)
        np.testing.assert_allclose(np.cos(np.radians(overlap.angles)), cosines, atol=1e-5)
        np.testing.assert_allclose(overlap.mean_cos2, np.mean(cosines**2), atol=1e-5)
        np.testing.assert_allclose(overlap.norms, [np.linalg.norm(X) for X in (first, second)], rtol=1e-6)
        np.testing.assert_allclose(overlap.strengths, [S[0] for _, S, _ in bases], rtol=1e-5)
        cosine = np.sum(first * second) / (np.linalg.norm(first) * np.linalg.norm(second))
        np.testing.assert_allclose(overlap.cosine, cosine, rtol=0, atol=1e-7)
        assert overlap.width == first.shape[0]

    for overlap, first, second in zip(found.modules, *dense, strict=True):
        check(overlap, first, second)
    (pooled,) = found.pooled
    check(pooled, *(np.hstack(x) for x in dense))
    np.testing.assert_allclose([pooled.random_mean_cos2, pooled.random_99], random_overlap(pooled.width, 3, 3))


@pytest.mark.parametrize("side", ["write", "read"])
def test_diff_of_an_adapter_with_itself_and_its_negative(side):
    a = adapter(0, side=side)
    for b, cosine in ((a, 1.0), (mapped(a, lambda p: -p), -1.0), (mapped(a, lambda p: p * 3.0), 1.0)):
        found = diff(a, b, top=3)
        for overlap in (*found.modules, *found.pooled):
            np.testing.assert_allclose(overlap.angles, 0, atol=1e-3)
            np.testing.assert_allclose([overlap.cosine, overlap.mean_cos2], [cosine, 1], atol=1e-6)
            np.testing.assert_array_less(overlap.random_99, overlap.mean_cos2)


@pytest.mark.slow
def test_diff_of_independent_adapters_is_chance():
    """Control of the two tests above: the mean cos² of independent updates lies below the 99% quantile of chance."""
    overlaps = [o for i in range(8) for o in diff(adapter(2 * i, L=8), adapter(2 * i + 1, L=8), top=3).modules]
    above = np.mean([o.mean_cos2 > o.random_99 for o in overlaps])
    np.testing.assert_array_less(above, 0.01 + binomial(0.01, len(overlaps)))
    np.testing.assert_allclose(np.mean([o.mean_cos2 for o in overlaps]), overlaps[0].random_mean_cos2, rtol=0.2)


def test_diff_is_gauge_invariant():
    rng = np.random.default_rng(0)
    G = rng.standard_normal((4, 4))
    a, b = adapter(0), adapter(1)
    moved = mapped(a, lambda p: LowRank(p.B @ G, np.linalg.solve(G, p.A), p.scaling))
    for x, y in zip(diff(a, b, top=3).modules, diff(moved, b, top=3).modules, strict=True):
        np.testing.assert_allclose(x.angles, y.angles, atol=1e-4)
        np.testing.assert_allclose(x.cosine, y.cosine, atol=1e-9)


def test_diff_compares_the_common_modules_of_one_side():
    read, write = adapter(0, side="read"), adapter(0, side="write")
    mixed = [*read, *write]
    assert diff(mixed, mixed).side == "write"
    assert {o.name for o in diff(mixed, mixed).modules} == {u.name for u in write}
    assert {o.name for o in diff(mixed, mixed, side="read").modules} == {u.name for u in read}
    found = diff(mixed, [*write[1:], update(write[0].lowrank, 9)])
    assert found.only_first == tuple(u.name for u in mixed if u.name not in {w.name for w in write[1:]})
    assert found.only_second == ("model.layers.9.self_attn.o_proj",)
    assert [o.layer for o in found.modules] == [1, 2]
    assert diff(read, mixed).side == "read"


def test_diff_pools_each_width_apart():
    a = [
        *adapter(0, m=40),
        *[Update(f"b{u.layer}", u.layer, u.side, u.shape, u.rank, u.lowrank) for u in adapter(1, m=20)],
    ]
    assert [(o.width, o.name) for o in diff(a, a).pooled] == [
        (40, "pooled over 3 modules"),
        (20, "pooled over 3 modules"),
    ]


def test_diff_of_a_zero_update_says_nothing():
    a = adapter(0)
    zero = mapped(a, lambda p: LowRank(np.zeros_like(p.B), p.A))
    for first, second in ((a, zero), (zero, a), (zero, zero)):
        for overlap in (*diff(first, second).modules, *diff(first, second).pooled):
            assert (overlap.angles, overlap.cosine, overlap.mean_cos2, overlap.random_99) == ((), None, None, None)
    json.dumps(diff(a, zero).to_dict(), allow_nan=False)


def test_diff_of_a_module_of_rank_zero_says_nothing():
    empty = [update(LowRank(np.zeros((40, 0)), np.zeros((0, 30))))]
    (overlap,) = diff(empty, adapter(0)[:1]).modules
    assert (overlap.angles, overlap.cosine, overlap.norms[0]) == ((), None, 0.0)


def test_diff_takes_adapters_of_different_rank():
    found = diff(adapter(0, r=3, L=6), adapter(1, r=6, L=6), top=5)
    for overlap in (*found.modules, *found.pooled):
        np.testing.assert_allclose(overlap.random_mean_cos2, 5 / 40)
    assert [len(o.angles) for o in (*found.modules, *found.pooled)] == [3] * 6 + [5]


def test_diff_has_as_many_angles_as_the_smaller_rank():
    rng = np.random.default_rng(0)
    one = mapped(adapter(0), lambda p: LowRank(np.outer(rng.standard_normal(40), rng.standard_normal(4)), p.A))
    for overlap in diff(one, adapter(1), top=3).modules:
        assert len(overlap.angles) == 1
        np.testing.assert_allclose(overlap.random_mean_cos2, 3 / 40)
    for overlap in diff(adapter(0), adapter(1), top=50).modules:
        assert len(overlap.angles) == 4


def test_diff_to_dict_is_json():
    value = json.loads(json.dumps(diff(adapter(0), adapter(1)).to_dict(), allow_nan=False))
    assert value["schema_version"] == 1
    assert set(value) == {"schema_version", "side", "k", "pooled", "modules", "only_first", "only_second"}


# --- trajectory ------------------------------------------------------------------------------------------------


def test_trajectory_ends_at_angle_zero():
    """A run that turns from one direction to another and grows: all in closed form."""
    rng = np.random.default_rng(0)
    start, end = rotation(rng, 40, 2).T
    A = [rotation(rng, 30, 1).T for _ in range(3)]
    times = np.linspace(0, 1, 5)
    run = [
        (
            int(100 * t),
            [
                update(LowRank(((np.cos(t) * start + np.sin(t) * end) * (1 + t))[:, None], a), l)
                for l, a in enumerate(A)
            ],
        )
        for t in times
    ]
    rows = trajectory(run)
    assert [r.step for r in rows] == [0, 25, 50, 75, 100]
    np.testing.assert_allclose([r.angle_to_last for r in rows], np.degrees(1 - times), atol=1e-4)
    np.testing.assert_allclose([r.cosine_to_last for r in rows], np.cos(1 - times), atol=1e-7)
    np.testing.assert_allclose([r.norm for r in rows], np.sqrt(3) * (1 + times), rtol=1e-6)
    np.testing.assert_allclose([r.strength for r in rows], np.sqrt(3) * (1 + times), rtol=1e-6)


def test_trajectory_from_a_zero_start_has_no_angle_there():
    a = adapter(0)
    rows = trajectory([(0, mapped(a, lambda p: LowRank(p.B * 0.0, p.A, p.scaling))), (10, a)])
    assert (rows[0].angle_to_last, rows[0].cosine_to_last, rows[0].norm) == (None, None, 0.0)
    np.testing.assert_allclose(rows[1].angle_to_last, 0, atol=1e-4)


def run(seed: int, sizes: list[float], **options) -> list[list[Update]]:
    """Checkpoints of one run: one update that grows."""
    return [
        mapped(adapter(seed, **options), lambda p, size=size: LowRank(p.B * size, p.A, p.scaling)) for size in sizes
    ]


@pytest.mark.parametrize(
    ("second", "reason"),
    [
        (run(0, [0.4, 0.6]), r"^the norm falls from [0-9.]+ to [0-9.]+$"),
        (run(1, [1.0, 1.2]), r"^the update is orthogonal to the one before \(cosine [+-]0\.0[0-9]+\)$"),
        (
            [mapped(u, lambda p: LowRank(p.B * 2, p.A, p.scaling / 2)) for u in run(0, [1.0, 1.2])],
            r"^the scaling \(alpha over rank\) changes from 0\.5 to 0\.25$",
        ),
        (run(0, [1.0, 1.2], r=6), "^the rank changes from 4 to 6; the update is orthogonal"),
        (run(0, [1.0, 1.2], L=2), r"^the adapted modules change: 1 gone \("),
        (run(0, [1.0, 1.2], L=4), r"^the adapted modules change: 1 new \("),
        (run(0, [1.0, 1.2], m=41), "^the shapes of the modules change: another base model$"),
    ],
)
def test_trajectory_of_two_runs_is_split_where_the_second_starts(second, reason):
    first = run(0, [0.5, 1.0])
    rows = trajectory(list(zip([10, 20, 30, 40], first + second, strict=True)))
    assert [c.run for c in rows] == [0, 0, 1, 1]
    assert [c.starts is not None for c in rows] == [False, False, True, False]
    assert re.search(reason, rows[2].starts or "")
    np.testing.assert_allclose([c.cosine_to_last for c in rows], 1, rtol=1e-9)  # each to the last of its own run
    np.testing.assert_allclose([rows[1].cosine_to_previous, rows[3].cosine_to_previous], 1, rtol=1e-9)


def test_trajectory_of_one_run_is_not_split():
    """The control: growth, a shrinking by less than half, a turn by 80 degrees, a start at zero."""
    rng = np.random.default_rng(2)
    u, v = rotation(rng, 40, 2).T
    A = rotation(rng, 30, 1).T
    angles, sizes = np.radians([0, 0, 40, 80, 80]), [0, 1, 3, 2, 1.1]
    points = [(np.cos(t) * u + np.sin(t) * v) * s for t, s in zip(angles, sizes, strict=True)]
    rows = trajectory([(n, [update(LowRank(p[:, None], A), 0)]) for n, p in enumerate(points)])
    assert {c.run for c in rows} == {0}
    assert [c.starts for c in rows] == [None] * 5
    previous = [c.cosine_to_previous for c in rows]
    assert previous[:2] == [None, None]
    np.testing.assert_allclose(previous[2:], np.cos(np.diff(angles)[1:]), rtol=1e-9)
