"""False variants of old-inputs: its author's own, and those written blind."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from ...linear.problem import psd_root
from ..statement import Claim, exact
from . import (
    STATEMENT,
    Instance,
    always_on,
    angle,
    centred,
    gap,
    leading_block,
    learns,
    learnt,
    moved,
    one_input,
    one_more,
    promise,
    response,
    returns,
    smallest,
    together,
    write_side,
)
from .instances import top


def _movement(right) -> Claim[Instance]:
    return exact("=", lambda i: i.drift(i.dW), right, scale=lambda i: moved(i, i.dW))


def _missed(relation, bound) -> Claim[Instance]:
    """λ_max(P Sigma_0 P) of the block, against bound."""
    return exact(relation, lambda i: i.missed, bound, scale=lambda i: i.values[0])


def _cost(relation, bound) -> Claim[Instance]:
    return exact(relation, lambda i: np.linalg.norm(i.least), bound)


def _oblique(i: Instance) -> np.ndarray:
    """I − Sigma_0 V (VᵀSigma_0 V)⁻¹ Vᵀ."""
    S = i.Sigma0 @ i.V
    return np.eye(len(S)) - S @ np.linalg.solve(i.V.T @ S, i.V.T)


def _weighted(i: Instance) -> np.ndarray:
    """Y (Xᵀ Sigma_0⁻¹ X)⁻¹ Xᵀ Sigma_0⁻¹, which moves the old answers least if V is forgotten."""
    W = np.linalg.pinv(i.Sigma0, 1e-12, hermitian=True) @ i.X
    return i.Y @ np.linalg.solve(i.X.T @ W, W.T)


def _share(h) -> Claim[Instance]:
    """The share h/(1 + h) with this h of the instance, its mean mu in V^⊥ and the covariance C there."""

    def sides(i: Instance):
        mu, C = i.Q.T @ i.mu, i.Q.T @ i.C @ i.Q
        value = float(h(mu, C))
        asked = float(np.linalg.norm(i.U @ i.R.T @ i.V @ i.w))
        return replace(STATEMENT.claims["always-on"].sides(i), bound=value / (1 + value) * asked)

    return Claim("=", sides)


def _one_by_one(i: Instance) -> np.ndarray:
    """u_q after I − u_j u_jᵀ/‖u_j‖² for j = 1, …, q − 1 in turn."""
    u = i.U[:, -1]
    for other in i.U[:, :-1].T:
        u = u - other * (other @ u) / (other @ other)
    return u


OWN: dict[str, Claim[Instance]] = {
    "covariance for the second moment": promise(lambda i: top(i.P @ centred(i) @ i.P)),
    "spectral norm of dW": promise(lambda i: i.missed, lambda dW: np.linalg.norm(dW, 2)),
    "no more than the least that V holds": promise(lambda i: np.linalg.eigvalsh(i.V.T @ i.Sigma0 @ i.V)[0]),
    "root mean square against λ_max, not its root": exact(
        "<=", lambda i: np.sqrt(i.drift(i.dW)), lambda i: np.linalg.norm(i.dW) * i.missed
    ),
    "the covariance's leading block is as good": exact(
        "<=", lambda i: i.with_block(centred(i)).missed, lambda i: i.next
    ),
    "X for P X": exact("=", lambda i: np.linalg.norm(i.least), lambda i: np.linalg.norm(i.Y @ np.linalg.pinv(i.X))),
    "the least also moves the old answers least": exact("<=", lambda i: i.drift(i.least), lambda i: i.drift(i.rival)),
    "one more input can always be learnt": one_more(lambda i: 0.0),
    "one direction removes a factor of any rank": response(lambda i: i.R[:, :1]),
    "only the task returns": learnt(lambda i: i.M @ i.P + i.T @ i.V @ i.regression(i.Sigma)),
}

BLIND: dict[str, Claim[Instance]] = {
    # (i)
    "movement through the root of the moment: tr(dW Sigma_0^½ dWᵀ)": _movement(
        lambda i: np.trace(i.dW @ psd_root(i.Sigma0) @ i.dW.T)
    ),
    "movement ‖dW Sigma_0‖_F²": _movement(lambda i: np.sum((i.dW @ i.Sigma0) ** 2)),
    "movement over curated inputs: Sigma for Sigma_0": _movement(lambda i: np.trace(i.dW @ i.Sigma @ i.dW.T)),
    "movement of the most moved answer alone: λ_max(dW Sigma_0 dWᵀ)": _movement(
        lambda i: top(i.dW @ i.Sigma0 @ i.dW.T)
    ),
    "promise λ_{k+1} for any block": promise(lambda i: i.next),
    "promise with what Vᵀx predicts of P x taken off": promise(
        lambda i: 1 / np.linalg.eigvalsh(i.Q.T @ np.linalg.pinv(i.Sigma0, 1e-12, hermitian=True) @ i.Q)[0]
    ),
    "every block misses at most λ_{k+1}": _missed("<=", lambda i: i.next),
    "every block misses at least λ_k": _missed(">=", lambda i: i.values[i.k - 1]),
    "the leading block misses λ_k": leading_block(lambda i: i.values[i.k - 1]),
    "the leading block misses the whole tail Σ_{j>k} λ_j": leading_block(lambda i: np.sum(i.values[i.k :])),
    "every block misses at least the whole tail": _missed(">=", lambda i: np.sum(i.values[i.k :])),
    "leading eigenvectors of the curated moment will do": leading_block(lambda i: i.next, lambda i: i.Sigma),
    "roles swapped: leading directions of the new inputs": leading_block(lambda i: i.next, lambda i: i.X @ i.X.T),
    # (ii)
    "projected after solving: Y X⁺ P learns": learns(lambda i: i.Y @ np.linalg.pinv(i.X) @ i.P),
    "unprojected Y X⁺ keeps V at 0": learns(lambda i: i.Y @ np.linalg.pinv(i.X)),
    "Y (P X)ᵀ for the pseudo-inverse": learns(lambda i: i.Y @ (i.P @ i.X).T),
    "projector oblique in Sigma_0, transposed": learns(lambda i: i.Y @ np.linalg.pinv(_oblique(i) @ i.X) @ _oblique(i)),
    "Sigma_0-weighted inverse without the projection": learns(_weighted),
    "the projection costs nothing: at most ‖Y X⁺‖_F": _cost("<=", lambda i: np.linalg.norm(i.Y @ np.linalg.pinv(i.X))),
    "cost at most ‖Y‖_F/σ_1(P X)": _cost(
        "<=", lambda i: np.linalg.norm(i.Y) / np.linalg.svd(i.P @ i.X, compute_uv=False)[0]
    ),
    "cost at most ‖Y‖_F/σ_n(X)": _cost("<=", lambda i: np.linalg.norm(i.Y) / smallest(i.X)),
    "the one-input cost for many: ‖Y‖_F/‖P X‖_F": _cost("=", lambda i: np.linalg.norm(i.Y) / np.linalg.norm(i.P @ i.X)),
    "one input: cosine of the angle": one_input(lambda i: np.cos(angle(i))),
    "one input: squared sine": one_input(lambda i: np.sin(angle(i)) ** 2),
    "one input: angle to the nearest v_j, not to their span": one_input(
        lambda i: np.sqrt(1 - np.max((i.V.T @ i.X[:, 0]) ** 2) / np.sum(i.X[:, 0] ** 2))
    ),
    "one more input: gap/(1 + ‖a‖)": one_more(lambda i: gap(i) / (1 + np.linalg.norm(i.a))),
    "one more input: w for a": one_more(lambda i: gap(i) / np.sqrt(1 + i.w @ i.w)),
    "one more input: V w shares the misfit": one_more(lambda i: gap(i) / np.sqrt(1 + i.a @ i.a + i.w @ i.w)),
    # (iii)
    "no response although V lacks its last direction": response(lambda i: i.V[:, :-1]),
    "nothing returns: M P alone": learnt(lambda i: i.M @ i.P),
    "what returns is the factor's alone": learnt(lambda i: i.M @ i.P + i.U @ i.R.T @ i.V @ i.regression(i.Sigma)),
    "what returns, sign lost": returns(lambda i: -i.regression(i.Sigma)),
    "what returns, by the old moment": returns(lambda i: i.regression(i.Sigma0)),
    "what returns, Sigma inverted before restricting": returns(
        lambda i: i.V.T @ i.Sigma @ i.P @ np.linalg.pinv(i.Sigma, 1e-12, hermitian=True) @ i.P
    ),
    "what returns, the rest regressed on Vᵀx": returns(
        lambda i: np.linalg.solve(i.V.T @ i.Sigma @ i.V, i.V.T @ i.Sigma @ i.P)
    ),
    "always-on: root of the share": always_on(lambda h: np.sqrt(h / (1 + h))),
    "always-on: uncentred moment for C, h/(1 + 2h)": always_on(lambda h: h / (1 + 2 * h)),
    "always-on: nothing returns, whatever the mean": always_on(lambda h: 0.0),
    "always-on: h/(1 + h) with C⁺, mean in its range or not": always_on(lambda h: h / (1 + h), beyond=None),
    "always-on: nothing returns of a mean off the range": always_on(lambda h: h / (1 + h), beyond=0.0),
    "always-on: h = ‖mu‖²": _share(lambda mu, C: mu @ mu),
    "always-on: h = muᵀ C mu": _share(lambda mu, C: mu @ C @ mu),
    "write side: u_q kept whole": write_side(
        lambda i, P_u, S: np.linalg.norm(i.U[:, -1]) * np.linalg.norm(S @ i.R[:, -1])
    ),
    "write side: ‖v_q‖ for (v_qᵀ Sigma v_q)^½": write_side(
        lambda i, P_u, S: np.linalg.norm(P_u @ i.U[:, -1]) * np.linalg.norm(i.R[:, -1])
    ),
    "write side: v_qᵀ Sigma v_q without its root": write_side(
        lambda i, P_u, S: np.linalg.norm(P_u @ i.U[:, -1]) * np.sum((S @ i.R[:, -1]) ** 2)
    ),
    "write side: u_j projected out one by one": write_side(
        lambda i, P_u, S: np.linalg.norm(_one_by_one(i)) * np.linalg.norm(S @ i.R[:, -1])
    ),
    "write side: the factor is gone with one u left in": write_side(lambda i, P_u, S: 0.0),
    # (iv)
    "together: σ_1(P X)": together(lambda i: np.sqrt(i.missed) / np.linalg.svd(i.P @ i.X, compute_uv=False)[0]),
    "together: σ_n(X)": together(lambda i: np.sqrt(i.missed) / smallest(i.X)),
    "together: λ_{k+1} of any block": together(lambda i: np.sqrt(i.next) / smallest(i.P @ i.X)),
    "together: root forgotten, λ_max(P Sigma_0 P)": together(lambda i: i.missed / smallest(i.P @ i.X)),
    "together: square of σ_n": together(lambda i: np.sqrt(i.missed) / smallest(i.P @ i.X) ** 2),
    "together: mean of the spectrum on V^⊥": together(
        lambda i: np.sqrt(np.trace(i.P @ i.Sigma0 @ i.P) / (len(i.P) - i.k)) / smallest(i.P @ i.X)
    ),
}
