"""old-inputs (tight). What an update that answers 0 on a block of old directions promises, costs and cannot learn.

Statement. Sigma_0 = E x xᵀ, the *uncentred* second moment of the old inputs; V (d × k) with orthonormal columns,
P = I − V Vᵀ; updates with dW V = 0.

(i) The old answers move by E‖dW x‖² = tr(dW Sigma_0 dWᵀ) <= ‖dW‖_F² λ_max(P Sigma_0 P), attained by y eᵀ with e the top
    eigenvector. Over blocks of k directions λ_max(P Sigma_0 P) >= λ_{k+1}(Sigma_0), attained by the k leading
    eigenvectors: no other k directions promise less.
(ii) Cost for the task, dW X = Y at new inputs X (d × n), P X of full column rank: the least ‖dW‖_F is ‖Y (P X)⁺‖_F; for
    one input ‖y‖/‖P x‖ = ‖y‖/(‖x‖ sin ∠(x, span V)). Without that rank the least misfit ‖dW X − Y‖_F is that of Y on
    the kernel of P X: the task is out of reach iff some combination of new inputs lies in span V and is to be moved.
    One more input X a + V w with wanted response y costs a misfit of ‖Y a − y‖/√(1 + ‖a‖²).
(iii) A factor of any rank, target M = T + Σ beta_j u_j v_jᵀ with v_j in span V: least squares D under dW V = 0 has no
    response along any v_j, whatever the u_j, their number and the curated moment Sigma; nothing on the write side has
    to be identified. Projecting all u_j but u_q out on the write side leaves beta_q ‖P_Û u_q‖ (v_qᵀ Sigma v_q)^½ of
    the factor on curated inputs. What returns on the read side is what the rest of x predicts: D = M P + (M V) L with
    L = Vᵀ Sigma P (P Sigma P)⁺. For an always-on factor, Vᵀx = w constant, P x of mean mu and covariance C (which may
    be singular), this is, at the mean input, the share s of Σ beta_j u_j v_jᵀ V w: s = h/(1 + h) with h = muᵀ C⁺ mu if
    mu lies in the range of C, and s = 1, all of it, if not; s = 0 iff mu = 0.
(iv) Together, after learning Y at X: (E‖dW x‖²)^½ <= ‖Y‖_F √λ_max(P Sigma_0 P)/σ_n(P X), for one input
    ‖y‖ √λ_max(P Sigma_0 P)/‖P x‖; attained where P x is the top eigenvector.

Assumes: Sigma_0 is the second moment of the old inputs; V has orthonormal columns; dW V = 0; P X has full column rank;
    v_j in span V; P Sigma P ≻ 0 off span V.

Proof (here). (i) dW = dW P, and tr(dW G dWᵀ) = Σ_i w_i G w_iᵀ <= λ_max(G) ‖dW‖_F² over rows w_i. Some unit x in the
span of the k + 1 leading eigenvectors has Vᵀx = 0, so xᵀ P Sigma_0 P x = xᵀ Sigma_0 x >= λ_{k+1} (Courant–Fischer).
(ii) dW X = dW P X. Y (P X)⁺ solves it with rows in the column space of P X, which is in V^⊥; any other solution differs
by rows orthogonal to that space. The rows that dW P X can take are those orthogonal to the kernel of P X; with the
extra input it is spanned by (a, −1). (iii) D v_j = D V Vᵀv_j = 0. D = M P + (M V) L solves the normal equations
(M − D) Sigma P = 0 (read-removal, k directions). On the write side least squares gives P_Û M on the curated inputs, and
P_Û keeps the last term of the sum alone. Always-on: L = w muᵀ (C + mu muᵀ)⁺; muᵀ (C + mu muᵀ)⁺ mu = h/(1 + h) on the
range of C (Sherman–Morrison), and where mu has a part off it, that part tells w exactly: 1. (iv) is (i) with
‖Y (P X)⁺‖_F <= ‖Y‖_F/σ_n(P X). ∎ Derived symbolically: d = 3.

Not claimed: that Y (P X)⁺ moves the old answers least among the updates that learn (false variant), or that the
covariance could stand for Sigma_0: it lacks the mean input, and with it an always-on factor.
Gradient projection memory (arXiv 2103.09762), Adam-NSCL (arXiv 2103.07113) and AlphaEdit (arXiv 2410.02355) use the
same projection. Source: proved here.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from jaxtyping import Float
from numpy import ndarray
from scipy.linalg import orth, subspace_angles

from ...linear.problem import psd_root
from ..statement import Claim, Route, Search, Sides, Statement, exact
from .instances import Instance, draw, extremal, in_span, moved_by_lagrange, null_off_span, ratio, searched, top


def moved(i: Instance, D: Float[ndarray, "m d"]) -> float:
    """‖D‖_F² λ_1(Sigma_0), against which the movement of old answers rounds."""
    return float(np.sum(D**2)) * float(i.values[0])


def promise(value, norm=np.linalg.norm, *, tight: bool = False) -> Claim[Instance]:
    """E‖dW x‖² <= norm(dW)² value."""
    return exact("<=", lambda i: i.drift(i.dW), lambda i: norm(i.dW) ** 2 * value(i), tight=tight)


def leading_block(value, of=lambda i: i.Sigma0) -> Claim[Instance]:
    """λ_max(P Sigma_0 P) of the leading eigenvectors of Sigma_0, or of another moment, against value."""
    return exact("=", lambda i: i.with_block(of(i)).missed, value, scale=lambda i: i.values[0])


def learns(D) -> Claim[Instance]:
    def misfit(i: Instance) -> float:
        return float(np.linalg.norm(D(i) @ i.X - i.Y) + np.linalg.norm(D(i) @ i.V))

    return exact("=", misfit, lambda i: 0.0, scale=lambda i: np.linalg.norm(D(i)) * (1 + np.linalg.norm(i.X)))


def one_input(reach) -> Claim[Instance]:
    """‖least update for the first new input alone‖ reach = ‖y‖/‖x‖."""

    def measured(i: Instance) -> float:
        return float(np.linalg.norm(replace(i, X=i.X[:, :1], Y=i.Y[:, :1]).least)) * reach(i)

    return exact("=", measured, lambda i: np.linalg.norm(i.Y[:, 0]) / np.linalg.norm(i.X[:, 0]), scale=measured)


def angle(i: Instance) -> float:
    """∠(x, span V)."""
    return float(subspace_angles(i.V, i.X[:, :1])[-1])


def one_more(bound) -> Claim[Instance]:
    """Misfit with the input X a + V w, response y, added."""

    def measured(i: Instance) -> float:
        return i.misfit(np.column_stack([i.X, i.X @ i.a + i.V @ i.w]), np.column_stack([i.Y, i.y]))

    return exact(
        "=", measured, bound, scale=lambda i: np.linalg.norm(i.y) + (1 + np.linalg.norm(i.a)) * np.linalg.norm(i.Y)
    )


def gap(i: Instance) -> float:
    return float(np.linalg.norm(i.Y @ i.a - i.y))


def response(V) -> Claim[Instance]:
    """‖D v_j‖ over all j after training with D V = 0, against 0."""

    def measured(i: Instance) -> float:
        return float(np.linalg.norm(i.trained(i.M, i.Sigma, V(i)) @ i.R))

    return exact("=", measured, lambda i: 0.0, scale=_size)


def _size(i: Instance) -> float:
    return float(np.linalg.norm(i.M))


def learnt(right) -> Claim[Instance]:
    """‖D − right‖_F = 0 for what least squares leaves."""
    return exact("=", lambda i: np.linalg.norm(i.trained(i.M, i.Sigma) - right(i)), lambda i: 0.0, scale=_size)


def returns(L) -> Claim[Instance]:
    """It leaves M P + M V L."""
    return learnt(lambda i: i.M @ i.P + i.M @ i.V @ L(i))


def always_on(share, *, beyond: float | None = 1.0) -> Claim[Instance]:
    """Response at the mean always-on input that the factor adds, against share(h) of what it asks for there.

    beyond : the share where mu is not in the range of C; share(muᵀ C⁺ mu) if None.
    """

    def measured(i: Instance) -> float:
        D = i.trained(i.M, i.always_on) - i.trained(i.T, i.always_on)
        return float(np.linalg.norm(D @ (i.V @ i.w + i.mu)))

    def bound(i: Instance) -> float:
        h = i.h
        if np.isinf(h) and beyond is None:
            h = float(i.mu @ np.linalg.pinv(i.C, rcond=1e-10, hermitian=True) @ i.mu)
        s = share(h) if beyond is None or np.isfinite(h) else beyond
        return s * float(np.linalg.norm(i.U @ i.R.T @ i.V @ i.w))

    return exact("=", measured, bound, scale=lambda i: (1 + np.linalg.norm(i.X[:, 0])) * _size(i))


def write_side(left) -> Claim[Instance]:
    """‖(D − P_Û T) Sigma^½‖_F for least squares behind P_Û, Û spanned by u_1, …, u_{q−1}."""

    def sides(i: Instance) -> Sides:
        B = orth(i.U[:, :-1]) if i.U.shape[1] > 1 else np.zeros((len(i.U), 0))
        P_u, S = np.eye(len(i.U)) - B @ B.T, psd_root(i.Sigma)
        D = np.linalg.lstsq(S, (P_u @ i.M @ S).T, rcond=1e-6)[0].T
        return Sides.exact(float(np.linalg.norm((D - P_u @ i.T) @ S)), float(left(i, P_u, S)), scale=_size(i))

    return Claim("=", sides)


def together(bound, *, tight: bool = False) -> Claim[Instance]:
    """Root mean square movement of the old answers after learning, against ‖Y‖_F bound."""
    return exact("<=", lambda i: np.sqrt(i.drift(i.least)), lambda i: np.linalg.norm(i.Y) * bound(i), tight=tight)


def smallest(X: Float[ndarray, "d n"]) -> float:
    return float(np.linalg.svd(X, compute_uv=False)[-1])


def centred(i: Instance) -> Float[ndarray, "d d"]:
    return np.cov(i.old, bias=True)


STATEMENT = Statement(
    key="old-inputs",
    kind="tight",
    law="dW V = 0: E‖dW x‖² <= ‖dW‖_F² λ_max(P Sigma_0 P), >= λ_{k+1} for any k directions; costs ‖Y (P X)⁺‖_F",
    basis="proved here",
    assumptions={
        "Sigma_0 is the second moment of the old inputs": lambda i: bool(
            np.abs(i.Sigma0 - i.old @ i.old.T / i.old.shape[1]).max() < 1e-10 * top(i.Sigma0)
        ),
        "V has orthonormal columns": lambda i: bool(np.abs(i.V.T @ i.V - np.eye(i.k)).max() < 1e-10),
        "dW V = 0": lambda i: bool(np.abs(i.dW @ i.V).max() < 1e-10 * np.linalg.norm(i.dW)),
        "P X has full column rank": lambda i: bool(smallest(i.Q.T @ i.X) > 1e-5 * np.linalg.norm(i.X)),
        "v_j in span V": lambda i: bool(np.abs(i.Q.T @ i.R).max() < 1e-10),
        "P Sigma P ≻ 0 off span V": lambda i: bool(np.linalg.cond(i.Q.T @ i.Sigma @ i.Q) < 1e8),
    },
    draw=draw,
    always=frozenset({"the leading block", "write side, one direction left out"}),
    claims={
        "movement": exact(
            "=", lambda i: i.drift(i.dW), lambda i: np.trace(i.dW @ i.Sigma0 @ i.dW.T), scale=lambda i: moved(i, i.dW)
        ),
        "promise": promise(lambda i: i.missed, tight=True),
        "no block promises less": exact(
            "<=", lambda i: i.next, lambda i: i.missed, scale=lambda i: i.values[0], tight=True
        ),
        "the leading block": leading_block(lambda i: i.next),
        "learns": learns(lambda i: i.least),
        "least": exact("<=", lambda i: np.linalg.norm(i.least), lambda i: np.linalg.norm(i.rival), tight=True),
        "one input": one_input(lambda i: np.sin(angle(i))),
        "one more input": one_more(lambda i: gap(i) / np.sqrt(1 + i.a @ i.a)),
        "no response along any v_j": response(lambda i: i.V),
        "what returns": returns(lambda i: i.regression(i.Sigma)),
        "always-on": always_on(lambda h: h / (1 + h)),
        "write side, one direction left out": write_side(
            lambda i, P_u, S: np.linalg.norm(P_u @ i.U[:, -1]) * np.linalg.norm(S @ i.R[:, -1])
        ),
        "together": together(lambda i: np.sqrt(i.missed) / smallest(i.P @ i.X), tight=True),
    },
    extremal=extremal,
    violators={
        "Sigma_0 is the second moment of the old inputs": lambda rng: replace(i := draw(rng), Sigma0=centred(i)),
        "V has orthonormal columns": lambda rng: replace(i := draw(rng), V=0.8 * i.V),
        "dW V = 0": lambda rng: replace(i := extremal(rng), dW=np.outer(i.y + 1, i.V[:, 0])),
        "P X has full column rank": in_span,
        "v_j in span V": lambda rng: replace(i := draw(rng), R=i.Q[:, :1] @ np.ones((1, i.R.shape[1]))),
        "P Sigma P ≻ 0 off span V": null_off_span,
    },
    search=Search("together", 32, ratio, searched, restarts=2, steps=200),
    route=Route("together", moved_by_lagrange, lambda i: 1e-10 * np.sqrt(moved(i, i.least)), "measured"),
)
