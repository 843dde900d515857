"""LowRank against dense float64: the laws of ``factored-svd``, its two routes and its refusals."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from strategies import case, cases, empty_shapes, examples, factor, rotation, scalings, seeds, with_singular_values
from tolerance import backward

from grasp_theory import InputError, LowRank
from grasp_theory.lowrank import FactoredSVD


def rounding(c) -> float:
    """Backward error of the dense reference itself, and of anything that is as stable."""
    return backward((*c.dense.shape, c.lowrank.rank), float, c.K)


def allowed_of_vectors(c, svd: FactoredSVD) -> np.ndarray:
    """Per triple: eta K²/s_k for a Gram route (statement of svd), rounding for QR."""
    k = svd.U.shape[1]
    if svd.route == "qr":
        return np.full(k, rounding(c))
    s = svd.S[:k]
    return rounding(c) * np.maximum(1.0, (c.K / s) ** 2)


# --- singular values and vectors -------------------------------------------------------------------------------


@pytest.mark.slow
@examples(ci=80)
@given(c=cases(), rtol=st.sampled_from([1e-10, 1e-7, 0.0]))
def test_svd_values_equal_dense(c, rtol):
    svd = c.lowrank.svd(rtol=rtol)
    q = min(*c.lowrank.shape, c.lowrank.rank)
    S = np.linalg.svd(c.dense, compute_uv=False)[:q]
    assert svd.S.shape == (q,)
    np.testing.assert_array_less(-svd.S, np.finfo(float).tiny)  # never negative
    np.testing.assert_array_equal(svd.S, np.sort(svd.S)[::-1])
    # error is a true bound, at every condition number and rank; what is added is the reference's own error
    np.testing.assert_array_less(np.abs(svd.S - S), svd.error + rounding(c))
    if svd.route == "gram":
        np.testing.assert_array_less(svd.error, rtol * svd.S[0] * (1 + np.finfo(float).eps) + np.finfo(float).tiny)
    else:
        np.testing.assert_allclose(svd.S, S, rtol=0, atol=rounding(c))


@pytest.mark.slow
@examples(ci=80)
@given(c=cases(), rtol=st.sampled_from([1e-10, 1e-7, 0.0]), k=st.sampled_from([None, 0, 1, 2, 5]))
def test_svd_vectors_satisfy_their_equations(c, rtol, k):
    svd = c.lowrank.svd(k, rtol=rtol)
    kept = min(svd.S.size if k is None else k, svd.S.size)
    assert svd.U.shape == (c.lowrank.shape[0], kept)
    assert svd.Vh.shape == (kept, c.lowrank.shape[1])
    allowed = allowed_of_vectors(c, svd)
    S = svd.S[:kept]
    np.testing.assert_array_less(np.linalg.norm(c.dense @ svd.Vh.T - svd.U * S, axis=0), allowed)
    np.testing.assert_array_less(np.linalg.norm(c.dense.T @ svd.U - svd.Vh.T * S, axis=0), allowed)
    for basis in (svd.U, svd.Vh.T):
        # what a Gram matrix is off by, eta K², divided by the two strengths that normalise the pair
        off = 1.0 if svd.route == "qr" else np.maximum(1.0, c.K**2 / np.outer(S, S))
        np.testing.assert_array_less(np.abs(basis.T @ basis - np.eye(kept)), backward(c.dense.shape, float, 1.0) * off)


@given(seed=seeds, scaling=scalings)
def test_svd_vectors_equal_dense_up_to_sign_where_there_is_a_gap(seed, scaling):
    rng = np.random.default_rng(seed)
    B = with_singular_values(rng, 20, 4, np.array([4.0, 3.0, 2.0, 1.0]))
    A = rotation(rng, 15, 4).T
    c = case(LowRank(B, A, scaling))
    U, S, Vh = np.linalg.svd(c.dense, full_matrices=False)
    svd = c.lowrank.svd()
    angle = backward(c.dense.shape, float, c.K) / (0.25 * S[0])
    for ours, theirs in ((svd.U, U[:, :4]), (svd.Vh.T, Vh[:4].T)):
        np.testing.assert_allclose(np.abs(np.sum(ours * theirs, axis=0)), 1.0, rtol=0, atol=angle)


@pytest.mark.parametrize("rtol", [1e-10, 1e-7])
@pytest.mark.parametrize("shape", [(64, 4, 48), (12, 2, 9), (5, 8, 5)])
def test_svd_of_rank_one_in_r_columns_is_finite(shape, rtol):
    # the smallest computed value may come out as an exact zero, and is not to be divided by
    m, r, d = shape
    for seed in range(20):
        rng = np.random.default_rng(seed)
        c = case(LowRank(np.outer(rng.standard_normal(m), rng.standard_normal(r)), factor(rng, r, d, "generic")))
        svd = c.lowrank.svd(rtol=rtol)
        np.testing.assert_allclose(svd.U * svd.S @ svd.Vh, c.dense, rtol=0, atol=svd.error + rounding(c))


@pytest.mark.parametrize(
    ("condition", "rtol", "route"),
    [(1e1, 1e-10, "gram"), (1e1, 0.0, "qr"), (1e10, 1e-10, "qr"), (1e10, np.inf, "gram"), (1e6, 1e-7, "gram")],
)
def test_svd_takes_each_route(condition, rtol, route):
    rng = np.random.default_rng(3)
    p = LowRank(with_singular_values(rng, 50, 6, np.geomspace(1, 1 / condition, 6)), rotation(rng, 40, 6).T)
    assert p.svd(k=0 if route == "gram" else None, rtol=rtol).route == route


@pytest.mark.parametrize("seed", range(5))
def test_gram_route_alone_would_lose_what_qr_keeps(seed):
    """Control: on cond(B) = 1e10 the Gram route is off by more than 100 times the bound that QR states and keeps."""
    rng = np.random.default_rng(seed)
    c = case(LowRank(factor(rng, 60, 8, "ill"), factor(rng, 8, 50, "generic"), -0.7))
    S = np.linalg.svd(c.dense, compute_uv=False)[:8]
    gram = c.lowrank._gram
    assert gram is not None
    svd = c.lowrank.svd()
    assert svd.route == "qr"
    np.testing.assert_array_less(np.abs(svd.S - S).max(), svd.error)
    np.testing.assert_array_less(100 * svd.error, np.abs(gram.S - S).max())
    np.testing.assert_array_less(np.abs(gram.S - S), gram.error)  # and says so: its own bound holds


@given(seed=seeds, power=st.sampled_from([0, 3, 6]), scaling=scalings)
def test_svd_is_gauge_invariant_up_to_condition(seed, power, scaling):
    rng = np.random.default_rng(seed)
    B, A = factor(rng, 30, 5, "generic"), factor(rng, 5, 20, "generic")
    G = with_singular_values(rng, 5, 5, np.geomspace(1, 10.0**-power, 5))
    c, moved = case(LowRank(B, A, scaling)), case(LowRank(B @ G, np.linalg.solve(G, A), scaling))
    atol = backward(c.dense.shape, float, c.K * 10.0**power)
    np.testing.assert_allclose(moved.lowrank.svd().S, c.lowrank.svd().S, rtol=0, atol=atol)
    np.testing.assert_allclose(moved.dense, c.dense, rtol=0, atol=atol)


def test_factor_spectra_depend_on_the_gauge_and_equal_dense():
    rng = np.random.default_rng(0)
    B, A = rng.standard_normal((30, 5)), rng.standard_normal((5, 20))
    b, a = LowRank(B, A, -2.0).factor_spectra()
    np.testing.assert_allclose(b, np.linalg.svd(B, compute_uv=False), rtol=1e-12)
    np.testing.assert_allclose(a, np.linalg.svd(A, compute_uv=False) ** 2, rtol=1e-12)
    moved, _ = LowRank(2 * B, A / 2, -2.0).factor_spectra()
    np.testing.assert_allclose(moved, 2 * b, rtol=1e-12)


@given(c=cases(shapes=empty_shapes, kinds=st.just("generic")))
def test_svd_of_empty_sizes_is_empty(c):
    svd = c.lowrank.svd()
    m, d = c.lowrank.shape
    assert (svd.U.shape, svd.S.shape, svd.Vh.shape, svd.error) == ((m, 0), (0,), (0, d), 0.0)
    np.testing.assert_array_equal([c.lowrank.norm(), c.lowrank.norm(2), c.lowrank.inner(c.lowrank)], 0.0)
    assert c.lowrank.left_factor().shape == (m, 0)


@given(c=cases(scalings=st.just(0.0)))
def test_svd_of_zero_scaling_is_zero(c):
    svd = c.lowrank.svd()
    np.testing.assert_array_equal(svd.S, 0.0)
    np.testing.assert_allclose(svd.U.T @ svd.U, np.eye(svd.S.size), atol=backward(c.dense.shape, float, 1.0))


@given(c=cases(), factor_=st.sampled_from([-1.0, -3.0, 0.25, 1e-6]))
def test_svd_of_a_multiple_scales_and_keeps_its_triples(c, factor_):
    p = c.lowrank * factor_
    np.testing.assert_allclose(
        p.svd().S, abs(factor_) * c.lowrank.svd().S, rtol=0, atol=abs(factor_) * rounding(c) + 1e-300
    )
    svd = p.svd(1)
    again = factor_ * c.dense @ svd.Vh.T - svd.U * svd.S[:1]
    np.testing.assert_array_less(np.linalg.norm(again), abs(factor_) * rounding(c) * (2 if svd.S[0] else 1) + 1e-300)


# --- refusals --------------------------------------------------------------------------------------------------

ones = np.ones


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf, 1e200])
@pytest.mark.parametrize("name", ["A", "B"])
@pytest.mark.parametrize("what", ["svd", "norm", "left_factor", "factor_spectra"])
def test_lowrank_refuses_factors_that_are_not_finite(name, value, what):
    factors = {"B": ones((4, 3)), "A": ones((3, 5))}
    factors[name][1, 1] = value
    with pytest.raises(InputError, match=f"factor {name} holds NaN, Inf"):
        getattr(LowRank(**factors), what)()


def test_lowrank_leaves_other_operands_to_python():
    p = LowRank(ones((2, 1)), ones((1, 2)))
    with pytest.raises(TypeError):
        _ = p + 1
    with pytest.raises(TypeError):
        _ = np.ones(2) * p  # __array_ufunc__ = None: numpy does not go through it element by element
