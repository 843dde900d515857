"""The self-certificate: right where task and factor are random beside each other, and silent or wrong elsewhere."""

from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from planted import drawn
from scipy.optimize import minimize_scalar
from strategies import rotation, update

import grasp_theory.identification.self_certificate
from figures.tables.identify import self_certificate as line
from grasp_theory import LowRank, identify
from grasp_theory.identification.self_certificate import GRID, estimate, estimate_range, self_certificate

M, D = 70, 90


def trial(rng: np.random.Generator, values: np.ndarray, beta: float, v: np.ndarray | None = None):
    """(squared overlap of û with u, all singular values) of diag(values) + beta u vᵀ."""
    u = rotation(rng, M, 1)[:, 0]
    v = rotation(rng, D, 1)[:, 0] if v is None else v
    T = np.zeros((M, D))
    T[range(M), range(M)] = values
    U, S, _ = np.linalg.svd(T + beta * np.outer(u, v), full_matrices=False)
    return float((U[:, 0] @ u) ** 2), S


@pytest.mark.parametrize("values", [np.ones(M), np.linspace(1, 0, M), np.where(np.arange(M) < 20, 1.0, 0.2)], ids="abc")
def test_estimate_has_the_error_that_it_states(values):
    rng = np.random.default_rng(0)
    found = [(c, estimate(S[0], S[1:], (M, D))) for c, S in (trial(rng, values, 2.0) for _ in range(400))]
    z = np.array([(e.left - c) / e.left_error for c, e in found])
    assert 0.8 < np.mean(z**2) < 1.25  # 1 ± 0.07 of sampling
    assert abs(z.mean()) < 0.5


def test_estimate_is_wrong_where_the_task_uses_the_factor_s_input():
    """The control: half of the component is the task's, and the spectrum cannot tell."""
    rng = np.random.default_rng(0)
    cos2, S = trial(rng, np.append(2.0, 0.2 * np.ones(M - 1)), 2.0, np.eye(D)[0])
    assert cos2 < 0.7
    assert estimate(S[0], S[1:], (M, D)).left > 0.95


@given(
    seed=st.integers(0, 2**32 - 1),
    shape=st.tuples(st.integers(12, 40), st.integers(12, 40)),
    known=st.integers(2, 8),
    spread=st.floats(0.05, 8),
)
def test_estimate_lies_in_the_range_of_a_cut_spectrum(seed, shape, known, spread):
    rng, q = np.random.default_rng(seed), min(shape)
    S = np.sort(rng.random(q) ** spread)[::-1]
    S[0] = S[1] * (1 + rng.uniform(0.05, 1)) + 1e-3
    whole, tail = estimate(S[0], S[1:], shape), S[known:]
    for energy in (None, float(tail @ tail)):
        found = estimate_range(S[0], S[1:known], shape, unknown=len(tail), energy=energy)
        for (low, high), value in ((found.left, whole.left), (found.right, whole.right)):
            assert low - 1e-6 <= value <= high + 1e-6


def test_estimate_range_is_what_scipy_finds(monkeypatch):
    """Ever finer grids against scipy's bounded Brent search between the same grid points, over many spectra."""

    def by_scipy(value):
        def at(p):
            return float(np.min(value(np.array([p]))))

        grid = np.linspace(0, 1, GRID)
        best = int(np.argmin(np.broadcast_to(value(grid), grid.shape)))
        around = grid[max(best - 1, 0)], grid[min(best + 1, GRID - 1)]
        found = minimize_scalar(at, bounds=around, method="bounded", options={"xatol": 1e-10})
        return min(float(found.fun), at(grid[best]))

    cases = []
    for seed in range(30):
        rng = np.random.default_rng(seed)
        shape = (int(rng.integers(12, 400)), int(rng.integers(12, 400)))
        values = np.sort(rng.uniform(0.05, 1, int(rng.integers(1, 5))))[::-1]
        unknown = int(rng.integers(1, min(shape) - len(values)))
        top = values[0] * (1.001 + 0.1 * rng.exponential())
        energy = unknown * values[-1] ** 2 * rng.random()
        cases += [(top, values, shape, unknown, energy), (top, values, shape, unknown, None)]

    def ranges():
        found = [estimate_range(top, x, shape, unknown=n, energy=e) for top, x, shape, n, e in cases]
        return np.array([[*f.left, *f.right] for f in found])

    ours = ranges()
    monkeypatch.setattr(grasp_theory.identification.self_certificate, "_smallest", by_scipy)
    np.testing.assert_allclose(ours, ranges(), rtol=1e-9)
    # control: the ends of the interval alone, without a search, are wrong in some cases
    monkeypatch.setattr(
        grasp_theory.identification.self_certificate,
        "_smallest",
        lambda value: float(np.min(value(np.array([0.0, 1.0])))),
    )
    assert np.count_nonzero(np.abs(ranges() / ours - 1).max(axis=1) > 1e-3) >= 5


def test_estimate_of_a_tail_of_known_energy_is_narrower():
    S = np.concatenate([[3.0, 1.0, 0.9], np.full(30, 0.5)])
    loose, tight = (
        estimate_range(3.0, S[1:3], (33, 50), unknown=30, energy=e).left for e in (None, float(S[3:] @ S[3:]))
    )
    assert loose[0] < tight[0] < tight[1] < loose[1]


@pytest.mark.parametrize(("values", "match"), [([1.0], "no second singular value"), ([1.0, 1.0], "not above the next")])
def test_self_certificate_says_why_there_is_none(values, match):
    found = self_certificate(np.array(values), (20, 30), rank=len(values), error=0.0)
    assert found.degrees is found.low is found.strength is found.if_cut is None
    assert match in found.reason


@pytest.mark.slow
@pytest.mark.parametrize("pool", ["layers", "none"])
def test_self_certificate_of_planted_adapters_is_near_the_true_angle(pool):
    gaps, inside = [], 0
    for seed in range(12):
        updates, u = drawn(seed, layers=4, width=256, inputs=256, strength=2.0)
        found = identify(updates, pool=pool).decompositions[0]
        c, cosine = found.self_certificate, abs(float(found.component(0).subspace.basis[:, 0] @ u))
        assert c.degrees is not None
        gaps.append(np.degrees(np.arccos(cosine)) / c.degrees)
        inside += c.low < np.degrees(np.arccos(cosine)) < c.high
    assert 0.9 < np.mean(gaps) < 1.15
    assert inside >= 2


def test_self_certificate_is_silent_below_the_noise_floor_and_where_the_space_is_not_known():
    found = identify(drawn(layers=4, width=64)[0]).decompositions[0]
    assert found.self_certificate.reason.startswith("component 0 is not above the noise floor")
    assert line(found) == f"self-certificate: none, {found.self_certificate.reason}"
    rng = np.random.default_rng(0)
    one = LowRank(rng.standard_normal((20, 3)), rng.standard_normal((3, 24)))
    read = identify([update(one, layer, "read") for layer in (0, 1)], pool="layers").decompositions[0]
    assert "part of the pooled spectrum" in read.self_certificate.reason


def test_self_certificate_is_in_the_report_and_on_its_line():
    report = identify(drawn(layers=4, width=64, strength=3.0)[0], pool="none")
    found = report.decomposition()
    value = json.loads(json.dumps(report.to_dict()))["decompositions"][report.decompositions.index(found)]
    c = found.self_certificate
    assert value["self_certificate"] == {
        "degrees": c.degrees, "low": c.low, "high": c.high, "strength": c.strength, "if_cut": c.if_cut,
        "reason": "estimated",
    }  # fmt: skip
    assert f"{c.degrees:.1f}° ({c.low:.1f} – {c.high:.1f}°)" in line(found)
    assert f"up to {c.if_cut:.0f}° if the rank cut" in line(found)
    assert "wrong where the task uses" in line(found)
