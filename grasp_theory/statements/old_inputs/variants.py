"""old-inputs: variants written blind."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from ...linear.problem import psd_root
from ..statement import Claim
from . import (
    STATEMENT,
    Instance,
    _always_on,
    _angle,
    _claim,
    _gap,
    _leading_block,
    _learns,
    _learnt,
    _moved,
    _one_input,
    _one_more,
    _promise,
    _response,
    _smallest,
    _together,
    _write_side,
)


def _top(G: np.ndarray) -> float:
    """λ_max."""
    return float(np.linalg.eigvalsh(G)[-1])


def _k(i: Instance) -> int:
    return i.V.shape[1]


def _movement(right) -> Claim[Instance]:
    return _claim("=", lambda i: i.drift(i.dW), right, scale=lambda i: _moved(i, i.dW))


def _missed(relation, bound) -> Claim[Instance]:
    """λ_max(P Sigma_0 P) of the block, against bound."""
    return _claim(relation, lambda i: i.missed, bound, scale=lambda i: i.values[0])


def _cost(relation, bound) -> Claim[Instance]:
    return _claim(relation, lambda i: np.linalg.norm(i.least), bound)


def _unpredicted(i: Instance) -> float:
    """λ_max of what Vᵀx leaves unpredicted of P x over the old inputs."""
    return 1 / float(np.linalg.eigvalsh(i.Q.T @ np.linalg.pinv(i.Sigma0, 1e-12, hermitian=True) @ i.Q)[0])


def _oblique(i: Instance) -> np.ndarray:
    """I − Sigma_0 V (VᵀSigma_0 V)⁻¹ Vᵀ."""
    S = i.Sigma0 @ i.V
    return np.eye(len(S)) - S @ np.linalg.solve(i.V.T @ S, i.V.T)


def _weighted(i: Instance) -> np.ndarray:
    """Y (Xᵀ Sigma_0⁻¹ X)⁻¹ Xᵀ Sigma_0⁻¹, which moves the old answers least if V is forgotten."""
    W = np.linalg.pinv(i.Sigma0, 1e-12, hermitian=True) @ i.X
    return i.Y @ np.linalg.solve(i.X.T @ W, W.T)


def _returns_with(L) -> Claim[Instance]:
    return _learnt(lambda i: i.M @ i.P + i.M @ i.V @ L(i))


def _inverse_first(i: Instance) -> np.ndarray:
    return i.V.T @ i.Sigma @ i.P @ np.linalg.pinv(i.Sigma, 1e-12, hermitian=True) @ i.P


def _rest_on_block(i: Instance) -> np.ndarray:
    return np.linalg.solve(i.V.T @ i.Sigma @ i.V, i.V.T @ i.Sigma @ i.P)


def _share(h) -> Claim[Instance]:
    """The share h/(1 + h) with this h of the instance, its mean mu in V^⊥ and the covariance C there."""

    def sides(i: Instance):
        mu, C = i.Q.T @ i.X[:, 0], i.Q.T @ i.Sigma @ i.Q
        value = float(h(mu, C))
        asked = float(np.linalg.norm(i.U @ i.R.T @ i.V @ i.w))
        return replace(STATEMENT.claims["always-on"].sides(i), bound=value / (1 + value) * asked)

    return Claim("=", sides)


def _task_too(i: Instance):
    true, asked = STATEMENT.claims["always-on"].sides(i), np.linalg.norm(i.U @ i.R.T @ i.V @ i.w)
    return replace(true, bound=float(true.bound / asked * np.linalg.norm(i.M @ i.V @ i.w)))


def _one_by_one(i: Instance) -> np.ndarray:
    """u_q after I − u_j u_jᵀ/‖u_j‖² for j = 1, …, q − 1 in turn."""
    u = i.U[:, -1]
    for other in i.U[:, :-1].T:
        u = u - other * (other @ u) / (other @ other)
    return u


MUTANTS: dict[str, Claim[Instance]] = {
    # (i)
    "movement through the root of the moment: tr(dW Sigma_0^½ dWᵀ)": _movement(
        lambda i: np.trace(i.dW @ psd_root(i.Sigma0) @ i.dW.T)
    ),
    "movement ‖dW Sigma_0‖_F²": _movement(lambda i: np.sum((i.dW @ i.Sigma0) ** 2)),
    "movement over curated inputs: Sigma for Sigma_0": _movement(lambda i: np.trace(i.dW @ i.Sigma @ i.dW.T)),
    "movement of the most moved answer alone: λ_max(dW Sigma_0 dWᵀ)": _movement(
        lambda i: _top(i.dW @ i.Sigma0 @ i.dW.T)
    ),
    "promise of the mean direction of V^⊥: tr(P Sigma_0 P)/(d − k)": _promise(
        lambda i: np.trace(i.P @ i.Sigma0 @ i.P) / (len(i.P) - _k(i))
    ),
    "promise λ_{k+1} for any block": _promise(lambda i: i.next),
    "promise with what Vᵀx predicts of P x taken off": _promise(_unpredicted),
    "promise λ_max(Sigma_0) − λ_max(Vᵀ Sigma_0 V)": _promise(lambda i: i.values[0] - _top(i.V.T @ i.Sigma0 @ i.V)),
    "every block misses at most λ_{k+1}": _missed("<=", lambda i: i.next),
    "every block misses at least λ_k": _missed(">=", lambda i: i.values[_k(i) - 1]),
    "the leading block misses λ_k": _leading_block(lambda i: i.values[_k(i) - 1]),
    "the leading block misses the whole tail Σ_{j>k} λ_j": _leading_block(lambda i: np.sum(i.values[_k(i) :])),
    "every block misses at least the whole tail": _missed(">=", lambda i: np.sum(i.values[_k(i) :])),
    "leading eigenvectors of the curated moment will do": _claim(
        "=", lambda i: i.with_block(i.Sigma).missed, lambda i: i.next, scale=lambda i: i.values[0]
    ),
    "roles swapped: leading directions of the new inputs": _claim(
        "=", lambda i: i.with_block(i.X @ i.X.T).missed, lambda i: i.next, scale=lambda i: i.values[0]
    ),
    # (ii)
    "projected after solving: Y X⁺ P learns": _learns(lambda i: i.Y @ np.linalg.pinv(i.X) @ i.P),
    "unprojected Y X⁺ keeps V at 0": _learns(lambda i: i.Y @ np.linalg.pinv(i.X)),
    "Y (P X)ᵀ for the pseudo-inverse": _learns(lambda i: i.Y @ (i.P @ i.X).T),
    "projector oblique in Sigma_0, transposed": _learns(
        lambda i: i.Y @ np.linalg.pinv(_oblique(i) @ i.X) @ _oblique(i)
    ),
    "Sigma_0-weighted inverse without the projection": _learns(_weighted),
    "the projection costs nothing: at most ‖Y X⁺‖_F": _cost("<=", lambda i: np.linalg.norm(i.Y @ np.linalg.pinv(i.X))),
    "cost at most ‖Y‖_F/σ_1(P X)": _cost(
        "<=", lambda i: np.linalg.norm(i.Y) / np.linalg.svd(i.P @ i.X, compute_uv=False)[0]
    ),
    "cost at most ‖Y‖_F/σ_n(X)": _cost("<=", lambda i: np.linalg.norm(i.Y) / _smallest(i.X)),
    "the one-input cost for many: ‖Y‖_F/‖P X‖_F": _cost("=", lambda i: np.linalg.norm(i.Y) / np.linalg.norm(i.P @ i.X)),
    "one input: cosine of the angle": _one_input(lambda i: np.cos(_angle(i))),
    "one input: squared sine": _one_input(lambda i: np.sin(_angle(i)) ** 2),
    "one input: tangent": _one_input(lambda i: np.tan(_angle(i))),
    "one input: angle to the nearest v_j, not to their span": _one_input(
        lambda i: np.sqrt(1 - np.max((i.V.T @ i.X[:, 0]) ** 2) / np.sum(i.X[:, 0] ** 2))
    ),
    "one more input: its whole gap is missed": _one_more(_gap),
    "one more input: gap/(1 + ‖a‖²)": _one_more(lambda i: _gap(i) / (1 + i.a @ i.a)),
    "one more input: gap/(1 + ‖a‖)": _one_more(lambda i: _gap(i) / (1 + np.linalg.norm(i.a))),
    "one more input: w for a": _one_more(lambda i: _gap(i) / np.sqrt(1 + i.w @ i.w)),
    "one more input: V w shares the misfit": _one_more(lambda i: _gap(i) / np.sqrt(1 + i.a @ i.a + i.w @ i.w)),
    "one more input: ‖y‖ for ‖Y a − y‖": _one_more(lambda i: np.linalg.norm(i.y) / np.sqrt(1 + i.a @ i.a)),
    # (iii)
    "no response although V lacks its last direction": _response(lambda i: i.V[:, :-1]),
    "nothing returns: M P alone": _learnt(lambda i: i.M @ i.P),
    "what returns is the factor's alone": _learnt(lambda i: i.M @ i.P + i.U @ i.R.T @ i.V @ i.regression(i.Sigma)),
    "what returns, sign lost": _returns_with(lambda i: -i.regression(i.Sigma)),
    "what returns, by the old moment": _returns_with(lambda i: i.regression(i.Sigma0)),
    "what returns, Sigma inverted before restricting": _returns_with(_inverse_first),
    "what returns, the rest regressed on Vᵀx": _returns_with(_rest_on_block),
    "always-on: share h": _always_on(lambda h: h),
    "always-on: root of the share": _always_on(lambda h: np.sqrt(h / (1 + h))),
    "always-on: share 1/(1 + h)": _always_on(lambda h: 1 / (1 + h)),
    "always-on: uncentred moment for C, h/(1 + 2h)": _always_on(lambda h: h / (1 + 2 * h)),
    "always-on: all of it returns": _always_on(lambda h: 1.0),
    "always-on: nothing returns, whatever the mean": _always_on(lambda h: 0.0),
    "always-on: h = ‖mu‖²": _share(lambda mu, C: mu @ mu),
    "always-on: h = muᵀ C mu": _share(lambda mu, C: mu @ C @ mu),
    "always-on: the task's T V w returns with the factor's": Claim("=", _task_too),
    "write side: u_q kept whole": _write_side(
        lambda i, P_u, S: np.linalg.norm(i.U[:, -1]) * np.linalg.norm(S @ i.R[:, -1])
    ),
    "write side: what Û takes of u_q for what it leaves": _write_side(
        lambda i, P_u, S: np.linalg.norm(i.U[:, -1] - P_u @ i.U[:, -1]) * np.linalg.norm(S @ i.R[:, -1])
    ),
    "write side: ‖v_q‖ for (v_qᵀ Sigma v_q)^½": _write_side(
        lambda i, P_u, S: np.linalg.norm(P_u @ i.U[:, -1]) * np.linalg.norm(i.R[:, -1])
    ),
    "write side: v_qᵀ Sigma v_q without its root": _write_side(
        lambda i, P_u, S: np.linalg.norm(P_u @ i.U[:, -1]) * np.sum((S @ i.R[:, -1]) ** 2)
    ),
    "write side: u_j projected out one by one": _write_side(
        lambda i, P_u, S: np.linalg.norm(_one_by_one(i)) * np.linalg.norm(S @ i.R[:, -1])
    ),
    "write side: the factor is gone with one u left in": _write_side(lambda i, P_u, S: 0.0),
    # (iv)
    "together: σ_1(P X)": _together(lambda i: np.sqrt(i.missed) / np.linalg.svd(i.P @ i.X, compute_uv=False)[0]),
    "together: σ_n(X)": _together(lambda i: np.sqrt(i.missed) / _smallest(i.X)),
    "together: λ_{k+1} of any block": _together(lambda i: np.sqrt(i.next) / _smallest(i.P @ i.X)),
    "together: root forgotten, λ_max(P Sigma_0 P)": _together(lambda i: i.missed / _smallest(i.P @ i.X)),
    "together: square of σ_n": _together(lambda i: np.sqrt(i.missed) / _smallest(i.P @ i.X) ** 2),
    "together: mean of the spectrum on V^⊥": _together(
        lambda i: np.sqrt(np.trace(i.P @ i.Sigma0 @ i.P) / (len(i.P) - _k(i))) / _smallest(i.P @ i.X)
    ),
}
