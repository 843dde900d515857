"""All pairs of many runs: the weighted overlap against dense matrices and against chance, and what is refused."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
from planted import adapter, dense, mapped
from strategies import rotation, update
from tolerance import monte_carlo

from grasp_theory import InputError, LowRank
from grasp_theory.identification.diff import factor_cosines, weighted_overlap
from grasp_theory.identification.matrix import overlap_matrix


@pytest.mark.parametrize(("S", "T"), [([1.0], [2.0]), ([3.0, 2.0, 1.0], [1.0, 0.9]), ([1.0] * 4, [1.0] * 3)])
def test_weighted_overlap_by_chance_has_the_stated_mean_and_variance(S, T):
    rng, d = np.random.default_rng(0), 12
    s, t = np.array(S), np.array(T)
    U = rotation(rng, d, len(s))
    draws = [weighted_overlap((U, s), (rotation(rng, d, len(t)), t)) for _ in range(1500)]
    values = np.array([x[0] for x in draws])
    _, mean, variance = draws[0]
    np.testing.assert_allclose(values.mean(), mean, rtol=0, atol=monte_carlo(values))
    squares = (values - mean) ** 2
    np.testing.assert_allclose(squares.mean(), variance, rtol=0, atol=monte_carlo(squares))


def test_weighted_overlap_is_one_for_one_matrix_zero_for_orthogonal_ones_and_known_between():
    Q = rotation(np.random.default_rng(0), 10, 6)
    S = np.array([3.0, 2.0, 1.0])
    np.testing.assert_allclose(weighted_overlap((Q[:, :3], S), (-Q[:, :3], 5 * S))[0], 1)
    np.testing.assert_allclose(weighted_overlap((Q[:, :3], S), (Q[:, 3:], S))[0], 0, atol=1e-12)
    turned = np.cos(0.3) * Q[:, :1] + np.sin(0.3) * Q[:, 1:2]
    np.testing.assert_allclose(weighted_overlap((Q[:, :1], S[:1]), (turned, S[:1]))[0], np.cos(0.3) ** 2)
    with pytest.raises(InputError, match="not defined"):
        weighted_overlap((Q[:, :3], S), (Q[:, 3:], 0 * S))


@pytest.mark.parametrize("side", ["write", "read"])
def test_overlap_matrix_equals_dense_second_moments(side):
    runs = {name: adapter(n, side=side, r=2 + n) for n, name in enumerate("abc")}
    found = overlap_matrix(runs, top=20)
    assert (found.side, found.names) == (side, ("a", "b", "c"))
    for i, one in enumerate(runs.values()):
        for j, other in enumerate(runs.values()):
            weights, values = [], []
            for u, v in zip(one, other, strict=True):
                X, Y = (dense(x) if side == "write" else dense(x).T for x in (u, v))
                M, N = X @ X.T, Y @ Y.T
                weights.append(np.linalg.norm(X) * np.linalg.norm(Y))
                values.append(np.sum(M * N) / (np.linalg.norm(M) * np.linalg.norm(N)))
            np.testing.assert_allclose(found.overlap[i, j], np.average(values, weights=weights), atol=1e-6)
        np.testing.assert_allclose(found.norms[i], np.linalg.norm([dense(u) for u in one]), rtol=1e-6)
    np.testing.assert_array_equal(found.modules, np.full((3, 3), 3))
    json.dumps(found.to_dict(), allow_nan=False)


def test_overlap_matrix_of_independent_runs_is_chance():
    """Control of the others: the values of independent runs have the stated mean and spread."""
    found = overlap_matrix({str(n): adapter(n, L=4) for n in range(12)})
    upper = np.triu_indices(12, 1)
    z = (found.overlap[upper] - found.random[upper]) / found.spread[upper]
    np.testing.assert_allclose(z.mean(), 0, rtol=0, atol=0.5)  # 66 pairs, of which 12 are independent
    np.testing.assert_allclose(z.std(), 1, rtol=0, atol=0.5)


def test_overlap_matrix_leaves_out_what_runs_do_not_share():
    a, b = adapter(0), adapter(1)
    empty = mapped(a, lambda p: p * 0.0)
    wide = [*a[:2], update(LowRank(np.ones((41, 1)), np.ones((1, 30))), 2, "write")]
    elsewhere = [replace(u, name=u.name.replace("o_proj", "other")) for u in b]
    found = overlap_matrix({"a": a, "b": b, "empty": empty, "wide": wide, "elsewhere": elsewhere})
    assert found.modules[0].tolist() == [3, 3, 0, 2, 0]
    assert np.isnan(found.overlap[0, [2, 4]]).all()
    assert np.isfinite(found.overlap[0, [1, 3]]).all()
    assert found.mismatched == ((0, 3), (1, 3), (2, 3))
    assert found.to_dict()["overlap"][0][2] is None


def test_overlap_matrix_takes_the_side_that_more_runs_share():
    read = {f"r{n}": adapter(n, side="read") for n in range(3)}
    assert overlap_matrix({**read, "w0": adapter(5), "w1": adapter(6)}).side == "read"
    assert (
        overlap_matrix({"both": [*adapter(0), *adapter(1, side="read")], "w": adapter(5), **read}, side="write").side
        == "write"
    )


def test_factor_cosines_tell_one_start_from_two():
    one, other = adapter(0)[0], adapter(1)[0]
    moved = replace(one, source=LowRank(other.lowrank.B, one.lowrank.A + 0.1 * other.lowrank.A))
    start, trained = factor_cosines((one, one.lowrank), (moved, moved.lowrank))
    assert start is not None
    assert trained is not None
    np.testing.assert_array_less(0.95, start)
    np.testing.assert_array_less(abs(trained), 0.5)
    other_start = factor_cosines((one, one.lowrank), (other, other.lowrank))[0]
    assert other_start is not None
    np.testing.assert_array_less(abs(other_start), 5 / 120**0.5)
    flipped = [replace(u, zero_start="A") for u in (one, moved)]
    assert factor_cosines(*((u, u.lowrank) for u in flipped)) == (trained, start)
    small = adapter(0, r=3)[0]
    for wrong in (small, replace(one, zero_start=None), replace(one, zero_start="A")):
        assert factor_cosines((one, one.lowrank), (wrong, wrong.lowrank)) == (None, None)
