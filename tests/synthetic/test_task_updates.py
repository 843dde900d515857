"""Task updates: the stated norm, rank and spectrum in every draw, or in the population where that is what is stated."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from strategies import examples, seeds
from tolerance import backward, monte_carlo, same_mean

from grasp_theory import InputError
from grasp_theory.identification.spectra import spike
from synthetic.generators.task_updates import TaskSpec, draw_task, haar

SPECS = {
    "gaussian": TaskSpec("gaussian"),
    "haar": TaskSpec("haar", rank=3),
    "low-rank": TaskSpec("low-rank", rank=3),
    "power": TaskSpec("power", exponent=0.7),
    "power of rank 3": TaskSpec("power", exponent=0.7, rank=3),
    "spectrum": TaskSpec("spectrum", spectrum=(5.0, 2.0, 0.5)),
    "sparse": TaskSpec("sparse", density=0.5),
}
EXACT = ["haar", "power", "power of rank 3", "spectrum"]  # the singular values are no random variables
SHAPE = (8, 6)


def draw(name: str, seed: int = 0, *, shape=SHAPE, **changes):
    return draw_task(changed(name, **changes), shape, rng=np.random.default_rng(seed))


def changed(name: str, **changes) -> TaskSpec:
    return TaskSpec(**{**vars(SPECS[name]), **changes})


@examples(ci=60)
@given(name=st.sampled_from(sorted(SPECS)), size=st.floats(1e-3, 1e3), seed=seeds, transposed=st.booleans())
def test_task_norms_are_exact_in_every_draw(name, size, seed, transposed):
    shape = SHAPE[::-1] if transposed else SHAPE
    for norm, order in (("spectral", 2), ("frobenius", "fro")):
        T = draw(name, seed, shape=shape, norm=norm, size=size)
        assert T.shape == shape
        np.testing.assert_allclose(np.linalg.norm(T, order), size, rtol=backward(shape, float, 8.0))
    if name in EXACT:
        entry = draw(name, seed, shape=shape, size=size)
        np.testing.assert_allclose(np.sqrt(np.mean(entry**2)), size, rtol=backward(shape, float, 8.0))


@pytest.mark.parametrize("name", sorted(SPECS))
def test_task_entries_have_the_stated_mean_square_in_the_population(name):
    squares = np.array([np.mean(draw(name, seed, size=1.7) ** 2) for seed in range(400)])
    np.testing.assert_allclose(
        squares.mean(), 1.7**2, rtol=0, atol=max(monte_carlo(squares), backward(SHAPE, float, 8.0))
    )
    # the draw is renormalised exactly where that is documented
    assert (np.ptp(squares) < backward(SHAPE, float, 8.0)) == (name in EXACT)


@pytest.mark.parametrize("seed", range(3))
def test_task_spectra_are_the_stated_ones_up_to_scale(seed):
    spectra = {name: np.linalg.svd(draw(name, seed), compute_uv=False) for name in SPECS}
    exact = {
        "haar": [1, 1, 1, 0, 0, 0],
        "power": np.arange(1, 7) ** -0.7,
        "power of rank 3": [1, 2**-0.7, 3**-0.7, 0, 0, 0],
        "spectrum": [1, 0.4, 0.1, 0, 0, 0],
    }
    for name, values in exact.items():
        S = spectra[name]
        np.testing.assert_allclose(S / S[0], values, rtol=0, atol=backward(SHAPE, float, 1.0))
    np.testing.assert_array_less(spectra["low-rank"][3:], backward(SHAPE, float, spectra["low-rank"][0]))
    np.testing.assert_array_less(1e-3, spectra["gaussian"])  # control: a full-rank kind has no zero
    np.testing.assert_array_less(1e-3, spectra["low-rank"][:3])


def test_task_of_a_real_spectrum_at_its_own_spectral_norm_has_these_singular_values():
    S = np.linalg.svd(draw("spectrum", norm="spectral", size=5.0), compute_uv=False)
    np.testing.assert_allclose(S[:3], [5, 2, 0.5], rtol=0, atol=backward(SHAPE, float, 5.0))


@pytest.mark.parametrize("name", sorted(SPECS))
def test_task_directions_have_no_preferred_axis(name):
    """E T = 0, E T Tᵀ ∝ I and E TᵀT ∝ I, as for a law without preferred directions."""
    draws = np.array([draw(name, seed) for seed in range(600)])
    left, right = draws @ draws.transpose(0, 2, 1), draws.transpose(0, 2, 1) @ draws
    for moment, expected in ((draws, np.zeros(SHAPE)), (left, 6 * np.eye(8)), (right, 8 * np.eye(6))):
        same_mean(moment.reshape(600, -1).T, expected.ravel())  # entries have mean square 1


@pytest.mark.parametrize(("name", "kurtosis"), [("gaussian", 3.0), ("sparse", 6.0)])
def test_task_entries_have_the_kurtosis_of_their_law(name, kurtosis):
    fourth = draw(name, shape=(500, 400)).ravel() ** 4
    np.testing.assert_allclose(fourth.mean(), kurtosis, rtol=0, atol=monte_carlo(fourth))


def test_task_density_is_the_share_of_entries_kept():
    kept = (draw("sparse", shape=(500, 400), density=0.1) != 0).ravel().astype(float)
    np.testing.assert_allclose(kept.mean(), 0.1, rtol=0, atol=monte_carlo(kept))
    assert (draw("sparse", density=1.0) != 0).all()


def test_task_gaussian_obeys_the_law_of_a_spiked_matrix_as_drawn():
    """Top singular value of T + beta u vᵀ against its limit: the scale of a draw is the population's."""
    m, d, s = 120, 160, 0.3
    beta, values = 2 * s * (m * d) ** 0.25, []
    for seed in range(20):
        rng = np.random.default_rng(seed)
        u, v = haar((m, 1), rng=rng)[:, 0], haar((d, 1), rng=rng)[:, 0]
        T = draw_task(TaskSpec(size=s), (m, d), rng=rng)
        values.append(np.linalg.norm(T + beta * np.outer(u, v), 2))
    limit = spike(beta, m, d, s=s).value
    np.testing.assert_allclose(np.mean(values), limit, rtol=0, atol=monte_carlo(np.array(values)) + limit / m)


@given(seed=seeds, n=st.integers(1, 12), data=st.data())
def test_haar_columns_are_orthonormal(seed, n, data):
    k = data.draw(st.integers(1, n))
    Q = haar((n, k), rng=np.random.default_rng(seed))
    np.testing.assert_allclose(Q.T @ Q, np.eye(k), rtol=0, atol=backward((n, k), float, 1.0))


def test_haar_frames_are_uniform_and_not_those_of_a_bare_qr():
    """A uniform orthogonal matrix has trace of mean 0 and variance 1; LAPACK's Q alone has a biased trace."""
    rng = np.random.default_rng(0)
    draws = rng.standard_normal((3000, 3, 3))
    traces = np.array([np.trace(haar((3, 3), rng=rng)) for _ in draws])
    bare = np.array([np.trace(np.linalg.qr(x)[0]) for x in draws])
    np.testing.assert_allclose(traces.mean(), 0, rtol=0, atol=monte_carlo(traces))
    np.testing.assert_allclose(np.mean(traces**2), 1, rtol=0, atol=monte_carlo(traces**2))
    np.testing.assert_array_less(monte_carlo(bare), abs(bare.mean()))


def test_task_of_size_zero_is_zero_and_one_seed_gives_one_task():
    for name in SPECS:
        np.testing.assert_array_equal(draw(name, size=0.0), np.zeros(SHAPE))
        np.testing.assert_array_equal(draw(name, 5), draw(name, 5))
        np.testing.assert_array_less(1e-3, np.abs(draw(name, 5) - draw(name, 6)).max())


def test_task_refuses_a_shape_that_does_not_hold_it():
    rng = np.random.default_rng(0)
    for spec in (
        TaskSpec("haar", rank=7),
        TaskSpec("low-rank", rank=7),
        TaskSpec("power", rank=7, exponent=1.0),
        TaskSpec("spectrum", spectrum=(1.0,) * 7),
    ):
        with pytest.raises(InputError, match="rank 7 exceeds"):
            draw_task(spec, SHAPE, rng=rng)
        assert draw_task(spec, (8, 7), rng=rng).shape == (8, 7)
    with pytest.raises(InputError, match="at least 1"):
        draw_task(TaskSpec(), (0, 3), rng=rng)
    with pytest.raises(InputError, match="raise the density"):
        draw_task(TaskSpec("sparse", density=1e-9, norm="spectral"), (3, 3), rng=rng)
