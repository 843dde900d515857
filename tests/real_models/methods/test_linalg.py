"""One module calls LAPACK: another driver where the first gives up, one line where all do, and no other caller."""

from __future__ import annotations

import ast
import warnings

import numpy as np
import pytest
import scipy.linalg
import torch
from checkout import ROOMS, ROOT, sources
from planted import drawn
from strategies import rotation
from tolerance import backward

from grasp_theory import GraspError, InputError, LowRank, Subspace, identify, linalg
from real_models.hooks import linalg as on_torch

RNG = np.random.default_rng(0)
X = RNG.standard_normal((9, 6))
SYMMETRIC = X.T @ X - 3 * np.eye(6)
ATOL = backward(X.shape, float, np.linalg.norm(X) ** 2)


def gives_up(*_args, **_kwargs):
    raise np.linalg.LinAlgError("did not converge")


@pytest.fixture
def numpy_gives_up(monkeypatch):
    for name in ("svd", "eigh", "eigvalsh", "pinv", "lstsq"):
        monkeypatch.setattr(np.linalg, name, gives_up)


@pytest.fixture
def scipy_gives_up(monkeypatch):
    for name in ("svd", "eigh"):
        monkeypatch.setattr(scipy.linalg, name, gives_up)


def test_svd_by_another_driver_is_the_svd(numpy_gives_up):
    for M in (X, X.T, X[:0], np.stack([X, 2 * X])):
        U, S, Vh = linalg.svd(M, full_matrices=False)
        np.testing.assert_allclose((U * S[..., None, :]) @ Vh, M, atol=ATOL)
        np.testing.assert_allclose(linalg.svdvals(M), S, atol=ATOL)
    assert linalg.svd(X)[0].shape == (9, 9)


@pytest.mark.parametrize("also_scipy", [False, True])
def test_eigh_by_another_driver_is_the_eigendecomposition(also_scipy, numpy_gives_up, monkeypatch):
    if also_scipy:  # then by the SVD of a shifted matrix
        monkeypatch.setattr(scipy.linalg, "eigh", gives_up)
    for M in (SYMMETRIC, np.stack([SYMMETRIC, -SYMMETRIC])):
        values, Q = linalg.eigh(M)
        np.testing.assert_allclose((Q * values[..., None, :]) @ np.swapaxes(Q, -1, -2), M, atol=8 * ATOL)
        np.testing.assert_allclose(linalg.eigvalsh(M), values, atol=8 * ATOL)
        np.testing.assert_array_less(-ATOL, np.diff(values))


def test_pinv_and_lstsq_by_another_driver_are_those_of_numpy(monkeypatch):
    low = X[:, :3] @ RNG.standard_normal((3, 6))
    pinv, solution = np.linalg.pinv(low, 1e-10), np.linalg.lstsq(low, X, rcond=1e-10)[0]
    for name in ("svd", "pinv", "lstsq"):
        monkeypatch.setattr(np.linalg, name, gives_up)
    np.testing.assert_allclose(linalg.pinv(low, 1e-10), pinv, atol=ATOL)
    np.testing.assert_allclose(linalg.lstsq(low, X, rcond=1e-10), solution, atol=ATOL)


def test_top_eigenvector_is_that_of_eigh_by_either_driver(monkeypatch):
    top = linalg.eigh(SYMMETRIC)[1][:, -1]
    one = linalg.top_eigenvector(SYMMETRIC)
    monkeypatch.setattr(scipy.linalg.lapack, "dsyevr", lambda *_, **__: (None, None, 0, None, 1))
    for found in (one, linalg.top_eigenvector(SYMMETRIC)):
        np.testing.assert_allclose(abs(found @ top), 1, atol=ATOL)


def test_decompositions_of_updates_do_not_hang_on_one_driver(numpy_gives_up):
    """The control is the fixture itself: numpy's own call raises."""
    with pytest.raises(np.linalg.LinAlgError):
        np.linalg.svd(X)
    lowrank = LowRank(X, RNG.standard_normal((6, 12)))
    dense = scipy.linalg.svdvals(lowrank.B @ lowrank.A)[:6]
    np.testing.assert_allclose(lowrank.svd().S, dense, atol=8 * ATOL)
    assert Subspace.span(X).dimension == 6


def test_identify_finds_the_same_with_one_driver_less(monkeypatch):
    updates, _ = drawn()
    found = identify(updates).component(0)
    for name in ("svd", "eigh"):
        monkeypatch.setattr(np.linalg, name, gives_up)
    again = identify(updates).component(0)
    np.testing.assert_allclose(again.singular_value, found.singular_value, rtol=1e-6)
    assert again.subspace.angles(found.subspace).max() < 1e-5


@pytest.mark.parametrize("name", ["svd", "svdvals", "eigh", "eigvalsh", "pinv"])
def test_linalg_refuses_in_one_line_where_every_driver_gave_up(name, numpy_gives_up, scipy_gives_up):
    with pytest.raises(GraspError, match=r"shape \(6, 6\) and Frobenius norm .* failed in LAPACK .*; rescale it"):
        getattr(linalg, name)(SYMMETRIC)


@pytest.mark.parametrize("value", [np.nan, np.inf])
@pytest.mark.parametrize(
    "name", ["svd", "svdvals", "eigh", "eigvalsh", "top_eigenvector", "qr", "pinv", "inv", "spectral_norm"]
)
def test_linalg_says_that_the_input_is_not_finite(name, value):
    broken = SYMMETRIC.copy()
    broken[1, 2] = value
    with pytest.raises(InputError, match="NaN or Inf"):
        getattr(linalg, name)(broken)


def test_solve_refuses_a_singular_matrix():
    with pytest.raises(GraspError, match="solve of a matrix of shape"):
        linalg.solve(np.zeros((2, 2)), np.ones(2))


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.bfloat16])
@pytest.mark.parametrize("error", [torch.linalg.LinAlgError, RuntimeError, None])
def test_torch_decompositions_go_on_in_float64_on_the_cpu(dtype, error, monkeypatch):
    """Without an error too: torch itself does not decompose bfloat16."""
    if error:
        for name in ("svd", "eigh", "qr"):
            monkeypatch.setattr(torch.linalg, name, lambda *_, **__: (_ for _ in ()).throw(error("gave up")))
    M, C = torch.from_numpy(X).to(dtype), torch.from_numpy(SYMMETRIC).to(dtype)
    atol = 64 * float(torch.finfo(dtype).eps) * float(np.linalg.norm(X)) ** 2
    U, S, Vh = on_torch.svd(M)
    values, E = on_torch.eigh(C)
    Q, R = on_torch.qr(M)
    for product, of in (((U * S) @ Vh, M), ((E * values) @ E.T, C), (Q @ R, M)):
        assert product.dtype == dtype
        torch.testing.assert_close(product, of, atol=atol, rtol=0)


def test_torch_decompositions_refuse_nan_and_every_driver_lost(numpy_gives_up, scipy_gives_up, monkeypatch):
    monkeypatch.setattr(torch.linalg, "svd", gives_up_in_torch)
    with pytest.raises(GraspError, match="failed in LAPACK"):
        on_torch.svd(torch.from_numpy(X))
    with pytest.raises(InputError, match="NaN or Inf"):
        on_torch.eigh(torch.full((2, 2), torch.nan))


def gives_up_in_torch(*_args, **_kwargs):
    raise torch.linalg.LinAlgError("did not converge")


def test_spectral_norm_and_length_are_the_norms_at_every_scale():
    np.testing.assert_allclose(linalg.spectral_norm(np.stack([X, 2 * X])), np.linalg.norm(X, 2) * np.array([1, 2]))
    assert linalg.spectral_norm(np.zeros((0, 3))) == linalg.length(np.zeros(3)) == linalg.length(np.zeros(0)) == 0
    for scale in (1e-300, 1.0, 1e300):
        np.testing.assert_allclose(linalg.length(scale * X), scale * np.linalg.norm(X), rtol=1e-14)
    with np.errstate(over="ignore"):
        assert not np.isfinite(np.linalg.norm(1e300 * X))  # the control


def test_angles_are_those_of_scipy():
    P, Q = rotation(RNG, 12, 3), rotation(RNG, 12, 5)
    for pair in ((P, Q), (Q, P)):
        np.testing.assert_allclose(linalg.subspace_angles(*pair), scipy.linalg.subspace_angles(*pair), atol=1e-14)


# --- scales --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("b", "a", "scaling"), [(1e150, 1e150, 1.0), (1e-160, 1e-140, 1.0), (1e-100, 1e100, 1e200)])
def test_lowrank_of_extreme_factors_is_the_scaled_one_without_a_warning(b, a, scaling):
    B, A = RNG.standard_normal((8, 3)), RNG.standard_normal((3, 7))
    plain = LowRank(B, A)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        extreme = LowRank(b * B, a * A, scaling)
        svd, norm = extreme.svd(), extreme.norm()
    size = b * a * scaling
    np.testing.assert_allclose(svd.S / size, plain.svd().S, rtol=1e-9)
    np.testing.assert_allclose(norm / size, plain.norm(), rtol=1e-9)
    np.testing.assert_allclose(np.abs(np.sum(svd.U * plain.svd().U, axis=0)), 1, rtol=1e-9)


def test_lowrank_refuses_a_product_that_overflows():
    with pytest.raises(InputError, match="overflows with scaling"):
        LowRank(np.full((4, 2), 1e150), np.full((2, 4), 1e150), 1e150).svd()


@pytest.mark.parametrize(
    ("scale", "fits"), [(1e-40, False), (1e-12, True), (1e12, True), (1e40, False), (1e200, False)]
)
def test_identify_tells_the_same_at_every_scale_or_names_the_update(scale, fits):
    updates, _ = drawn()
    found = identify(updates)
    scaled = [type(u)(**vars(u) | {"source": u.lowrank * scale}) for u in updates]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        if fits:
            again = identify(scaled)
            np.testing.assert_allclose(again.component(0).ratio, found.component(0).ratio, rtol=1e-4)
            assert again.verdict == found.verdict
        else:
            with pytest.raises(InputError, match=r"norm of the largest update, .* is|whose square leaves"):
                identify(scaled)


# --- no other module calls LAPACK --------------------------------------------------------------------------------

CALLS = {"svd", "svdvals", "eig", "eigh", "eigvals", "eigvalsh", "qr", "lstsq", "pinv", "matrix_rank", "cond", "solve"}
CALLS |= {"inv", "svd_lowrank", "pca_lowrank", "subspace_angles", "lapack", "null_space", "orth", "cholesky", "det"}
OWNERS = {"grasp_theory/linalg.py", "real_models/hooks/linalg.py"}
CHECKS = ("grasp_theory/statements/",)  # what checks a statement is to share no code with it


def calls_of_lapack(text: str) -> set[str]:
    """np.linalg.svd, torch.linalg.svd, torch.svd, norms of order 2 of a matrix, and what is imported from scipy."""
    found = set()
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Attribute) and node.attr in CALLS:
            owner = ast.unparse(node.value)
            if owner == "torch" or owner.endswith(".linalg"):
                found.add(ast.unparse(node))
        elif isinstance(node, ast.ImportFrom) and (node.module or "").startswith(("scipy.linalg", "numpy.linalg")):
            found |= {alias.name for alias in node.names if alias.name in CALLS or node.module != "scipy.linalg"}
        elif isinstance(node, ast.Call) and ast.unparse(node.func) in ("np.linalg.norm", "torch.linalg.matrix_norm"):
            orders = [*node.args[1:2], *(k.value for k in node.keywords if k.arg == "ord")]
            found |= {ast.unparse(node) for order in orders if ast.unparse(order) in ("2", "-2", "'nuc'")}
    return found


def test_lapack_is_called_by_its_own_modules_alone():
    for room in ROOMS:
        for path in sources(room):
            name = path.relative_to(ROOT).as_posix()
            if name not in OWNERS and not name.startswith(CHECKS):
                assert not calls_of_lapack(path.read_text(encoding="utf-8")), name
    for name in OWNERS:  # the reader finds calls where there are some
        assert calls_of_lapack((ROOT / name).read_text(encoding="utf-8")), name


@pytest.mark.parametrize(
    ("text", "count"),
    [
        ("np.linalg.svd(X)", 1),
        ("torch.linalg.eigh(X)", 1),
        ("torch.svd_lowrank(X)", 1),
        ("def f():\n    from scipy.linalg import lstsq", 1),
        ("np.linalg.norm(X, 2)", 1),
        ("np.linalg.norm(X, ord=2)", 1),
        ("np.linalg.norm(x)", 0),
        ("linalg.svd(X)", 0),
    ],
)
def test_reader_of_lapack_calls_knows_what_is_one(text, count):
    assert len(calls_of_lapack(text)) == count
