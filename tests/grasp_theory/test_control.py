"""A control run that shares the task: the difference of the updates, and what it shows that the run alone does not."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from planted import adapter, dense
from strategies import rotation, update
from tolerance import binomial

from grasp_theory import InputError, LowRank, Update, identify
from grasp_theory.identification.control import LARGEST_SHARE, contrast, control_spaces, covered

WIDTH, RANK, LAYERS = 96, 16, 4


def runs(
    rng: np.random.Generator, *, in_control: float = 0.0
) -> tuple[list[Update], list[Update], np.ndarray, np.ndarray]:
    """(run, control, factor's direction, format's): both have a strong common format, the run a weaker factor too."""
    u, common = rotation(rng, WIDTH, 2).T
    pairs = []
    for layer in range(LAYERS):
        w = rng.standard_normal(RANK) / RANK**0.5
        x = rng.standard_normal(RANK) / RANK**0.5
        A = rng.standard_normal((RANK, WIDTH)) / WIDTH**0.5
        made = []
        for strength in (1.0, in_control):
            B = 0.05 * rng.standard_normal((WIDTH, RANK)) + 4 * np.outer(common, w) + 2 * strength * np.outer(u, x)
            made.append(update(LowRank(B, A, 2.0), layer, "write"))
        pairs.append(made)
    return [p[0] for p in pairs], [p[1] for p in pairs], u, common


def test_contrast_is_the_difference_of_the_updates():
    run, control, *_ = runs(np.random.default_rng(0))
    for one, other, found in zip(run, control, contrast(run, [control[::-1]]), strict=True):
        np.testing.assert_allclose(dense(found), dense(one) - dense(other), rtol=0, atol=1e-12)
        assert (found.rank, found.name, found.side, found.zero_start) == (2 * RANK, one.name, "write", "B")


def test_contrast_shows_the_factor_where_the_run_alone_shows_the_format():
    run, control, u, common = runs(np.random.default_rng(0))
    alone, beside = (identify(x).component(0).subspace.basis[:, 0] for x in (run, contrast(run, [control])))
    assert abs(alone @ common) > 0.95  # control: the format leads
    assert abs(alone @ u) < 0.3
    assert abs(beside @ u) > 0.98
    assert identify(contrast(run, [control])).verdict == "one stands out"


def test_contrast_loses_a_factor_that_the_control_has():
    run, control, u, _ = runs(np.random.default_rng(0), in_control=1.0)
    assert abs(identify(contrast(run, [control])).component(0).subspace.basis[:, 0] @ u) < 0.5


def test_contrast_needs_the_same_modules_in_the_same_shapes():
    run, control, *_ = runs(np.random.default_rng(0))
    with pytest.raises(InputError, match="the same modules: 1 are in one"):
        contrast(run, [control[1:]])
    small = LowRank(np.ones((WIDTH, 1)), np.ones((1, 5)))
    with pytest.raises(InputError, match="another base model"):
        contrast(run, [[*control[:-1], replace(control[-1], shape=small.shape, source=small)]])
    other_start = [replace(u, zero_start="A") for u in control]
    assert {u.zero_start for u in contrast(run, [other_start])} == {None}


# --- several controls, starts of their own -------------------------------------------------------------------------

TASK = 3  # rank of what all runs learn


def learnt(task, seed: int, *, start: int, length: float = 1.0, factor: np.ndarray | None = None) -> list[Update]:
    """A LoRA run to first order: B = G Aᵀ + noise for the change G that the data ask for, A at its random start."""
    rng, own = np.random.default_rng(seed), np.random.default_rng([1, start])
    made = []
    for layer, T in enumerate(task):
        A = own.uniform(-1, 1, (8, WIDTH)) / WIDTH**0.5
        G = length * T + rng.standard_normal((WIDTH, 2)) @ rng.standard_normal((2, WIDTH)) / WIDTH
        if factor is not None:
            G = G + 3 * np.outer(factor, rng.standard_normal(WIDTH)) / WIDTH**0.5
        made.append(update(LowRank(G @ A.T + 0.02 * rng.standard_normal((WIDTH, 8)), A), layer, "write"))
    return made


def world(seed: int) -> tuple[list[np.ndarray], np.ndarray]:
    """(what the data of every run ask of each layer, the factor's direction outside of it)."""
    rng = np.random.default_rng([2, seed])
    directions = rotation(rng, WIDTH, TASK + 1)
    sizes = np.linspace(10, 4, TASK) / WIDTH**0.5
    task = [directions[:, :TASK] * sizes @ rng.standard_normal((TASK, WIDTH)) for _ in range(5)]
    return task, directions[:, -1]


def leading(updates: list[Update]) -> np.ndarray:
    return np.linalg.svd(np.hstack([dense(u) for u in updates]))[0][:, 0]


@pytest.mark.parametrize(
    ("same_start", "length", "difference"), [(True, 1.0, 0.9), (True, 0.5, None), (False, 1.0, None)]
)
def test_factor_is_found_off_the_controls_whatever_their_start_and_length(same_start, length, difference):
    """Paired over worlds: alone the task leads; the difference needs one start and one length, off the controls not."""
    for seed in range(2):
        task, u = world(seed)
        run = learnt(task, seed, start=0, factor=u)
        controls = [learnt(task, 10 + n, start=0 if same_start else 10 + n, length=length) for n in range(3)]
        report, others = identify(run, top=4), [identify(c, top=4) for c in controls]
        spaces = control_spaces(report, others)
        alone, plain = abs(leading(run) @ u), abs(leading(contrast(run, controls)) @ u)
        both = abs(leading(contrast(run, controls, spaces=spaces)) @ u)
        np.testing.assert_array_less(alone, 0.4)
        np.testing.assert_array_less(0.8, both)
        if difference is None:
            np.testing.assert_array_less(plain, 0.6)
        else:
            np.testing.assert_array_less(difference, plain)


@pytest.mark.parametrize("side", ["write", "read"])
def test_contrast_is_the_projected_difference_to_the_mean(side):
    run, *controls = (adapter(n, side=side, L=1, m=20, d=20, r=r) for n, r in enumerate((3, 2, 4)))
    pooled = [identify(x, side=side, pool="layers", top=2) for x in (run, *controls)]
    (space,) = spaces = control_spaces(pooled[0], pooled[1:])
    assert [s.dimension for s in (*space.each, space.together)] == [2, 2, 4]
    (found,) = contrast(run, controls, spaces=spaces, side=side)
    mean = (dense(controls[0][0]) + dense(controls[1][0])) / 2
    off = np.eye(20) - space.together.basis @ space.together.basis.T
    want = off @ (dense(run[0]) - mean) if side == "write" else (dense(run[0]) - mean) @ off
    np.testing.assert_allclose(dense(found), want, rtol=0, atol=1e-12)
    assert found.rank == 9
    for one, other in zip(space.each, controls, strict=True):
        U, _, Vt = np.linalg.svd(dense(other[0]))
        exact = (U if side == "write" else Vt.T)[:, :2]
        np.testing.assert_allclose(exact @ (exact.T @ one.basis), one.basis, rtol=0, atol=1e-5)


def test_covered_tells_the_task_from_the_factor():
    task, u = world(0)
    run = learnt(task, 0, start=0, factor=u)
    controls = [learnt(task, 10 + n, start=10 + n) for n in range(2)]
    report = identify(run, top=4)
    found = covered(report, control_spaces(report, [identify(c, top=4) for c in controls]))
    assert [c.index for c in found] == [0, 1, 2, 3]
    for c in found[:TASK]:
        np.testing.assert_array_less(0.7, [*c.each, c.together])
    np.testing.assert_array_less(found[TASK].together, found[TASK].random_99)
    np.testing.assert_array_less(0.9, abs(report.component(TASK).subspace.basis[:, 0] @ u))
    assert {c.random for c in found} == {found[0].dimension / WIDTH}
    having = [learnt(task, 10 + n, start=10 + n, factor=u) for n in range(2)]  # control: they have the factor too
    theirs = covered(report, control_spaces(report, [identify(c, top=4) for c in having]))
    np.testing.assert_array_less(0.7, theirs[TASK].together)


def test_covered_reference_is_the_law_of_a_random_direction():
    """Adapters of independent noise: the mean share is dimension/width, and 1% exceed the quantile."""
    found = []
    for seed in range(10):
        run, control = (adapter(n) for n in (2 * seed, 2 * seed + 1))
        report = identify(run, top=12)
        found += covered(report, control_spaces(report, [identify(control, top=4)]))
    shares, high = np.array([c.together for c in found]), np.array([c.random_99 for c in found])
    np.testing.assert_allclose(shares.mean(), found[0].random, rtol=0.2)
    np.testing.assert_allclose(np.mean(shares > high), 0.01, rtol=0, atol=binomial(0.01, len(found)))


def test_control_directions_leave_three_quarters_of_the_space():
    reports = [identify(adapter(n, L=4, m=32, d=20, r=8), top=8) for n in range(5)]
    (space,) = control_spaces(reports[0], reports[1:])
    assert space.together.dimension == LARGEST_SHARE * 32
    assert {s.dimension for s in space.each} == {2}


def test_control_without_an_update_removes_nothing():
    run, control, *_ = runs(np.random.default_rng(0))
    zero = [replace(u, source=u.lowrank * 0.0) for u in control]
    report = identify(run)
    spaces = control_spaces(report, [identify(zero)])
    assert {s.together.dimension for s in spaces} == {0}
    assert {(c.together, c.random, c.random_99) for c in covered(report, spaces)} == {(0.0, 0.0, 0.0)}
    for one, found in zip(run, contrast(run, [zero], spaces=spaces), strict=True):
        np.testing.assert_allclose(dense(found), dense(one), rtol=0, atol=1e-12)


def test_contrast_needs_a_control():
    with pytest.raises(InputError, match="one or more controls, got none"):
        contrast(runs(np.random.default_rng(0))[0], [])
