"""A against its known start: silent on starts and on drift without direction, and exact on a planted direction."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import binomtest

from grasp_theory import InputError, LowRank, Update, identify
from grasp_theory.identification.floor import white_edge
from grasp_theory.identification.read_start import ROWS, ReadStart
from grasp_theory.identification.spectra import spike, spike_strength
from tests.support import tolerance


def starts(rng: np.random.Generator, *, rank: int, modules: int, width: int) -> list[np.ndarray]:
    """peft's default A of each module."""
    return [rng.uniform(-1, 1, (rank, width)) / np.sqrt(width) for _ in range(modules)]


def updates(rng: np.random.Generator, factors: list[np.ndarray]) -> list[Update]:
    """Modules that read, with a small B that is no part of the test."""
    made = []
    for n, A in enumerate(factors):
        low = LowRank(1e-3 * rng.standard_normal((24, len(A))), A.astype(np.float32), 2.0)
        made.append(Update.of(f"model.layers.{n}.mlp.up_proj", low, layer=n, side="read"))
    return made


def read(rng: np.random.Generator, factors: list[np.ndarray]) -> ReadStart:
    (found,) = identify(updates(rng, factors), k=1).read_start
    return found


def unit(rng: np.random.Generator, n: int) -> np.ndarray:
    x = rng.standard_normal(n)
    return x / np.linalg.norm(x)


def planted(
    rng: np.random.Generator, factors: list[np.ndarray], beta: float, *, s: float | None = None
) -> tuple[list[np.ndarray], np.ndarray]:
    """(start + s beta u vᵀ with u, v dense and random, v); s is that of peft's start by default."""
    rank, width = factors[0].shape
    u, v = unit(rng, rank * len(factors)), unit(rng, width)
    s = 1 / np.sqrt(3 * width) if s is None else s
    parts = u.reshape(len(factors), rank)
    return [A + s * beta * np.outer(w, v) for A, w in zip(factors, parts, strict=True)], v


SHAPES = [
    pytest.param(1, 2, 64, 300, id="two rows"),
    pytest.param(2, 1, 300, 300, id="one module"),
    pytest.param(1, 24, 96, 300, id="rank 1"),
    pytest.param(8, 12, 128, 100, id="rank 8"),
    pytest.param(16, 40, 80, 40, id="folded"),
]


@pytest.mark.parametrize(("rank", "modules", "width", "draws"), SHAPES)
def test_read_start_alarms_on_starts_no_more_often_than_its_level(rank, modules, width, draws):
    """1% asked for; refuted only where so many alarms would come in one of 10,000 such tests."""
    rng = np.random.default_rng(0)
    found = [read(rng, starts(rng, rank=rank, modules=modules, width=width)) for _ in range(draws)]
    assert all(f.law == "uniform" and f.rows == min(ROWS, rank * modules) for f in found)
    alarms = sum(f.subspace is not None for f in found)
    np.testing.assert_array_less(1e-4, binomtest(alarms, draws, 0.01, alternative="greater").pvalue)
    np.testing.assert_array_less(np.median([f.widening for f in found]), 1.1)


@pytest.mark.parametrize(("rank", "modules", "width"), [(2, 1, 400), (1, 40, 300), (8, 12, 300), (4, 60, 200)])
def test_read_start_recovers_a_planted_direction_and_its_strength(rank, modules, width):
    """At twice the weakest visible strength: the direction as near as the spike law says, beta to 15%, in each draw."""
    rng = np.random.default_rng(1)
    m, cosines, strengths = rank * modules, [], []
    edge = white_edge(m, width).floor(0.99)
    beta = 2 * spike_strength(edge, m, width)
    for _ in range(20):
        factors, v = planted(rng, starts(rng, rank=rank, modules=modules, width=width), beta)
        found = read(rng, factors)
        assert found.subspace is not None
        cosines.append(float(found.subspace.basis[:, 0] @ v) ** 2)
        strengths.append(found.strengths[0])
        np.testing.assert_allclose(found.gains[0], np.sqrt(1 + found.strengths[0] ** 2 / m), rtol=1e-12)
    np.testing.assert_allclose(np.mean(strengths), beta, rtol=0.15)
    np.testing.assert_allclose(np.mean(cosines), spike(beta, m, width).right, atol=0.1)


def test_read_start_sees_the_weakest_visible_strength_about_half_of_the_time():
    """``visible`` is the border: twice below it hardly anything is seen, twice above everything."""
    seen = {}
    for factor in (0.5, 2.0):
        rng = np.random.default_rng(2)
        hits = []
        for _ in range(40):
            factors = starts(rng, rank=4, modules=12, width=160)
            visible = read(rng, factors).visible
            assert visible is not None
            hits.append(read(rng, planted(rng, factors, factor * visible)[0]).subspace is not None)
        seen[factor] = np.mean(hits)
    np.testing.assert_array_less(seen[0.5], 0.1)
    np.testing.assert_array_less(0.95, seen[2.0])


def _everywhere(rng, A):
    return A + 0.6 / np.sqrt(A.shape[1]) * rng.standard_normal(A.shape)


def _steps_of_adam(rng, A):
    return A + 0.6 / np.sqrt(A.shape[1]) * rng.choice([-1.0, 1.0], A.shape)


def _some_rows(rng, A):
    return A * (1 + 2.0 * (rng.random((len(A), 1)) < 0.3))


def _some_coordinates(rng, A):
    return A + 0.3 * rng.choice([-1.0, 1.0], A.shape) * (np.arange(A.shape[1]) < 3)


@pytest.mark.parametrize("drift", [_everywhere, _steps_of_adam, _some_rows, _some_coordinates])
def test_read_start_of_a_drift_without_direction_is_no_alarm(drift):
    """The edge of the start alone, the control, would be passed in every one; a direction in the drift still shows."""
    rng = np.random.default_rng(3)
    alarms = beyond = hits = 0
    for _ in range(40):
        factors = [drift(rng, A) for A in starts(rng, rank=4, modules=12, width=160)]
        found = read(rng, factors)
        assert found.law == "uniform" and found.visible is not None
        stack = np.vstack(factors) * np.sqrt(3 * 160)
        beyond += np.linalg.norm(stack, 2) > white_edge(48, 160).floor(0.99)
        alarms += found.subspace is not None
        hits += read(rng, planted(rng, factors, 3 * found.visible)[0]).subspace is not None
    assert beyond == 40
    np.testing.assert_array_less(alarms, 5)
    np.testing.assert_array_less(37, hits)


def test_read_start_of_more_rows_than_are_kept():
    """1200 rows folded to 512: the strength that is left of beta is beta √(512/1200)."""
    rng = np.random.default_rng(4)
    factors = starts(rng, rank=12, modules=100, width=72)
    assert read(rng, factors).subspace is None
    found = read(rng, planted(rng, factors, 150.0)[0])
    assert (found.rows, found.folded) == (ROWS, 1200 / ROWS)
    np.testing.assert_allclose(found.strengths, [150 * np.sqrt(ROWS / 1200)], rtol=0.15)


# --- the law of the start -------------------------------------------------------------------------------------


def test_read_start_gaussian_is_tested_against_the_width_that_peft_draws():
    rng = np.random.default_rng(5)
    factors = [rng.standard_normal((8, 500)) / 8 for _ in range(6)]
    found = read(rng, factors)
    assert (found.law, found.deviation, found.subspace) == ("gaussian", 1 / 8, None)
    assert found.visible is not None
    hit = read(rng, planted(rng, factors, 2 * found.visible, s=1 / 8)[0])
    assert len(hit.values) == 1
    np.testing.assert_allclose(hit.strengths[0], 2 * found.visible, rtol=0.15)


def _eva(rng, rank):
    return np.linalg.qr(rng.standard_normal((160, rank)))[0].T


def _gaussian_of_another_width(rng, rank):
    return 0.4 * rng.standard_normal((rank, 160))


def _heavy(rng, rank):
    return rng.standard_normal((rank, 160)) ** 3


@pytest.mark.parametrize(
    ("make", "rank", "law", "why"),
    [
        (_eva, 4, "orthonormal", "rows are orthonormal in 12 of 12 modules"),
        (_gaussian_of_another_width, 4, "gaussian", "fits no start of known width"),
        (_heavy, 4, "unknown", "kurtosis"),
    ],
)
def test_read_start_says_when_the_start_is_unknown(make, rank, law, why):
    rng = np.random.default_rng(6)
    found = read(rng, [make(rng, rank) for _ in range(12)])
    assert found.law == law
    assert found.reason.startswith("start unknown: ") and why in found.reason
    assert (found.floor, found.visible, found.subspace, len(found.values)) == (None, None, None, 0)


def test_read_start_of_one_row_is_not_tested():
    rng = np.random.default_rng(7)
    found = read(rng, starts(rng, rank=1, modules=1, width=200))
    assert (found.floor, found.reason) == (None, "one row of A tells no direction from a drift")


def test_read_start_modules_that_began_at_one_A_are_no_directions():
    rng = np.random.default_rng(8)
    found = read(rng, [starts(rng, rank=4, modules=1, width=160)[0]] * 2)
    assert (found.floor, found.subspace) == (None, None)
    assert "began at the same A" in found.reason


def test_read_start_is_of_modules_that_read_and_started_at_random():
    rng = np.random.default_rng(9)
    made = updates(rng, starts(rng, rank=4, modules=3, width=80))
    write = [Update.of(u.name.replace("up", "down"), u.lowrank, layer=u.layer, side="write") for u in made]
    assert identify(write).read_start == ()
    both = identify([*made, *write]).read_start
    assert [r.modules for r in both] == [tuple(u.name for u in made)]
    wide = updates(rng, starts(rng, rank=2, modules=3, width=120))
    wide = [Update.of(f"other.{u.name}", u.lowrank, layer=u.layer, side="read") for u in wide]
    assert [r.width for r in identify([*wide, *made]).read_start] == [80, 120]  # the most rows first


@pytest.mark.parametrize(("m", "d"), [(30, 200), (200, 30), (64, 64)])
def test_spike_strength_is_the_inverse_of_spike(m, d):
    for beta in np.array([1.001, 1.3, 4.0, 50.0]) * 0.7 * (m * d) ** 0.25:
        value = spike(beta, m, d, s=0.7).value
        np.testing.assert_allclose(spike_strength(value, m, d, s=0.7), beta, **tolerance.close(m, d, beta, c=1e6))
    with pytest.raises(InputError, match="above the noise edge"):
        spike_strength(0.9 * (np.sqrt(m) + np.sqrt(d)), m, d)
