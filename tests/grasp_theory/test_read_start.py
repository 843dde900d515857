"""LoRA's start recognised; A against it: silent on starts and drift without direction, exact on a planted direction."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import binomtest

from grasp_theory import InputError, LowRank, Update, identify
from grasp_theory.identification.floor import white_edge
from grasp_theory.identification.read_start import ROWS, ReadStack, ReadStart, stacked
from grasp_theory.identification.spectra import spike, spike_strength
from grasp_theory.identification.start import start_of


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
    these = updates(rng, factors)
    stack = ReadStack(these)
    for u in these:
        stack.add(u, u.lowrank, start=start_of(u.lowrank, u.zero_start))
    (found,) = stack.results()
    return found


def against_start(X: np.ndarray) -> ReadStart:
    """The test alone, of rows in units of the start."""
    m, d = X.shape
    return stacked(X.astype(np.float32), ReadStart(d, (), "uniform", 1.0, m, 1.0, 0.99, ""))


def start(rng: np.random.Generator, m: int, d: int) -> np.ndarray:
    return np.sqrt(3) * rng.uniform(-1, 1, (m, d))


def factor(rng: np.random.Generator, m: int, d: int, beta: float) -> tuple[np.ndarray, np.ndarray]:
    """(beta u vᵀ, v): v dense and random, u of random signs: a factor in one row alone is that row's own drift."""
    v = rng.standard_normal(d)
    v /= np.linalg.norm(v)
    return beta * np.outer(rng.choice([-1, 1], m) / np.sqrt(m), v), v


@pytest.mark.parametrize(("m", "d", "draws"), [(2, 64, 200), (24, 96, 200), (96, 128, 100), (300, 60, 100)])
def test_read_start_alarms_on_starts_no_more_often_than_its_level(m, d, draws):
    """1% asked for; refuted only where so many alarms would come in one of 10,000 such tests."""
    rng = np.random.default_rng(0)
    found = [against_start(start(rng, m, d)) for _ in range(draws)]
    alarms = sum(f.subspace is not None for f in found)
    np.testing.assert_array_less(1e-4, binomtest(alarms, draws, 0.01, alternative="greater").pvalue)
    np.testing.assert_array_less(np.median([f.widening for f in found]), 1.1)


@pytest.mark.parametrize(("m", "d", "times"), [(2, 400, 4), (8, 400, 2), (96, 300, 2), (96, 300, 10), (240, 200, 2)])
def test_read_start_recovers_a_planted_direction_and_its_strength(m, d, times):
    """So many times above what is visible: the direction as near as the spike law says, and its strength."""
    rng, cosines, strengths = np.random.default_rng(1), [], []
    beta = times * spike_strength(white_edge(m, d).floor(0.99), m, d)
    for _ in range(20):
        added, v = factor(rng, m, d, beta)
        found = against_start(start(rng, m, d) + added)
        assert found.subspace is not None
        cosines.append(float(found.subspace.basis[:, 0] @ v) ** 2)
        strengths.append(found.strengths[0])
        np.testing.assert_allclose(found.gains[0], np.sqrt(1 + found.strengths[0] ** 2 / m), rtol=1e-12)
    np.testing.assert_allclose(np.mean(strengths), beta, rtol=0.1)
    np.testing.assert_allclose(np.mean(cosines), spike(beta, m, d).right, atol=0.1)


def test_read_start_visible_is_the_border_of_what_is_seen():
    rng, seen = np.random.default_rng(2), {0.5: 0, 2.0: 0}
    for _ in range(40):
        X = start(rng, 48, 160)
        visible = against_start(X).visible
        assert visible is not None
        for times in seen:
            seen[times] += against_start(X + factor(rng, 48, 160, times * visible)[0]).subspace is not None
    np.testing.assert_array_less(seen[0.5], 5)
    np.testing.assert_array_less(37, seen[2.0])


DRIFTS = {
    "everywhere": lambda rng, X: X + rng.standard_normal(X.shape),
    "steps of Adam": lambda rng, X: X + rng.choice([-1.0, 1.0], X.shape),
    "some rows": lambda rng, X: X * (1 + (rng.random((len(X), 1)) < 0.3)),
    "some coordinates": lambda rng, X: X + 4 * rng.choice([-1.0, 1.0], X.shape) * (np.arange(X.shape[1]) < 3),
}


@pytest.mark.parametrize("drift", DRIFTS)
def test_read_start_of_a_drift_without_direction_is_no_alarm(drift):
    """The control: the edge of the start alone is passed in every draw; a direction beside the drift still shows."""
    rng = np.random.default_rng(3)
    alarms = beyond = hits = 0
    for _ in range(40):
        X = DRIFTS[drift](rng, start(rng, 48, 160))
        found = against_start(X)
        assert found.visible is not None
        beyond += np.linalg.norm(X, 2) > white_edge(48, 160).floor(0.99)
        alarms += found.subspace is not None
        hits += against_start(X + factor(rng, 48, 160, 2 * found.visible)[0]).subspace is not None
    assert beyond == 40
    np.testing.assert_array_less(alarms, 5)
    np.testing.assert_array_less(37, hits)


def test_read_start_of_more_rows_than_are_kept():
    """1200 rows folded to 512: the strength that is left of beta is beta √(512/1200)."""
    rng = np.random.default_rng(4)
    factors = starts(rng, rank=24, modules=50, width=72)
    assert read(rng, factors).subspace is None
    added = factor(rng, 1200, 72, 150.0)[0].reshape(50, 24, 72) / np.sqrt(3 * 72)
    found = read(rng, list(np.array(factors) + added))
    assert (found.rows, found.folded) == (ROWS, 1200 / ROWS)
    np.testing.assert_allclose(found.strengths, [150 * np.sqrt(ROWS / 1200)], rtol=0.15)


# --- the law of the start -------------------------------------------------------------------------------------


def test_read_start_gaussian_is_tested_against_the_width_that_peft_draws():
    rng = np.random.default_rng(5)
    factors = [rng.standard_normal((8, 500)) / 8 for _ in range(6)]
    found = read(rng, factors)
    assert (found.law, found.deviation, found.subspace) == ("gaussian", 1 / 8, None)
    added = factor(rng, 48, 500, 60.0)[0].reshape(6, 8, 500) / 8
    np.testing.assert_allclose(read(rng, list(np.array(factors) + added)).strengths, [60.0], rtol=0.15)


@pytest.mark.parametrize(("rank", "modules", "width"), [(1, 2, 64), (1, 24, 64), (8, 1, 768), (4, 12, 128)])
def test_read_start_knows_the_uniform_start_whatever_the_rank(rank, modules, width):
    rng = np.random.default_rng(11)
    for _ in range(10):
        found = read(rng, starts(rng, rank=rank, modules=modules, width=width))
        assert (found.law, found.deviation, found.rows) == ("uniform", 1 / np.sqrt(3 * width), rank * modules)


@pytest.mark.parametrize(
    ("make", "law", "why"),
    [
        (lambda X: np.linalg.qr(X.T)[0].T, "orthonormal", "rows are orthonormal in 12 of 12 modules"),
        (lambda X: 1.5 * X, "gaussian", "fits no start of known width"),
        (lambda X: X**3, "unknown", "kurtosis"),
    ],
    ids=["EVA", "another width", "heavy tails"],
)
def test_read_start_says_when_the_start_is_unknown(make, law, why):
    rng = np.random.default_rng(6)
    found = read(rng, [make(rng.standard_normal((4, 160))) for _ in range(12)])
    assert found.law == law
    assert found.reason.startswith("start unknown: ")
    assert why in found.reason
    assert (found.floor, found.visible, found.subspace, len(found.values)) == (None, None, None, 0)


def test_read_start_of_one_row_is_not_against_start():
    rng = np.random.default_rng(7)
    found = read(rng, starts(rng, rank=1, modules=1, width=200))
    assert (found.floor, found.reason) == (None, "one row of A tells no direction from a drift")


def test_read_start_modules_that_began_at_one_A_are_no_directions():
    rng = np.random.default_rng(8)
    found = read(rng, starts(rng, rank=16, modules=1, width=400) * 2)
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
        np.testing.assert_allclose(spike_strength(value, m, d, s=0.7), beta, rtol=1e-6)
    with pytest.raises(InputError, match="above the noise edge"):
        spike_strength(0.9 * (np.sqrt(m) + np.sqrt(d)), m, d)


@pytest.mark.parametrize("moved", [0.0, 0.05, 0.2])
def test_start_measures_how_far_the_uniform_factor_moved(moved):
    rng, d = np.random.default_rng(0), 400
    A = rng.uniform(-1, 1, (64, d)) / np.sqrt(d)
    A = A + moved / np.sqrt(d) * rng.choice([-1, 1], A.shape)
    start = start_of(LowRank(rng.standard_normal((50, 64)), A), "B")
    assert start is not None
    assert start.law == "uniform"
    assert start.moved is not None
    np.testing.assert_allclose(start.moved, moved, atol=0.012)


def test_start_laws():
    rng = np.random.default_rng(0)
    B = rng.standard_normal((30, 16))
    gaussian = start_of(LowRank(B, rng.standard_normal((16, 4000)) / 16), "B")
    assert gaussian is not None
    assert (gaussian.law, gaussian.moved) == ("gaussian", None)
    turned = start_of(LowRank(rng.uniform(-1, 1, (300, 16)) / 4, rng.standard_normal((16, 40))), "A")
    assert turned is not None
    assert turned.law == "uniform"
    assert start_of(LowRank(B, rng.standard_normal((16, 5))), None) is None
    zero = start_of(LowRank(0 * B, rng.uniform(-1, 1, (16, 500)) / np.sqrt(500)), "B")
    assert zero is not None
    assert (zero.grown, zero.kurtosis) == (0.0, None)
