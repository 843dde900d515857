"""write-removal (identity). What GRASP on the write side converges to, and what comes back through the other outputs.

Statement. Loss ‖H^½ (D − M) Sigma^½‖² over updates with uᵀD = 0. With w = P_u (P_u H P_u)⁺ P_u H u the minimiser is

    D = P_u (P_u H P_u)⁺ P_u H M = P_u M + w uᵀM          (P_u M, equal to post-hoc projection, for H = I),

the limit of projected descent from 0 at full rank. It differs from P_u M by ‖w‖ ‖uᵀM‖, ‖w‖ = tan ∠(u, H⁻¹u): equal iff
H u ∥ u or uᵀM = 0. The leak is w (uᵀT + beta vᵀ): beside the shortcut, beta w vᵀ, the task's own uᵀT is imitated too.
The coordinate along u is clean for every H, uᵀ(D − T) = −uᵀT, and

    excess risk = ‖uᵀT Sigma_t^½‖² + tan² ∠(u, H⁻¹u) ‖uᵀM Sigma_t^½‖².

Rank r: D_r = K⁺ [K⁺ P_u H M Sigma^½]_r Sigma^{-½}, K = (P_u H P_u)^½, of loss ‖H^½ M Sigma^½‖² − Σ_{i<=r} σ_i², σ the
singular values of K⁺ P_u H M Sigma^½.

Assumes: Sigma ≻ 0; H ≻ 0 on u^⊥.

Proof (here). For D = P_u D the loss is ‖K D S − K⁺ P_u H M S‖² plus what is orthogonal to the range of K (S = Sigma^½);
Eckart–Young gives D_r, and at full rank S cancels. P_u (P_u H P_u)⁺ P_u H is the identity on u^⊥ and sends u to w, so
D = P_u M + w uᵀM. It annihilates H⁻¹u, hence is I − h uᵀ with h = H⁻¹u/(uᵀH⁻¹u) and w = −P_u h, ‖P_u h‖ = tan ∠(u, h).
The two parts of the error, −u uᵀT and w uᵀM, are orthogonal. ∎ Symbolic twin: the oblique projector and the leak.

Only H definite on u^⊥ is needed: a null direction of H outside u^⊥ takes the place of H⁻¹u; with one inside, that part
of M is never learnt. Sigma ≻ 0 is needed, else descent from 0 learns M on the range of Sigma alone.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from jaxtyping import Float
from numpy import ndarray
from scipy.linalg import null_space

from ...linear.problem import draw_problem, psd_root
from ...linear.regimes import excess_risk
from ...linear.solutions import grasp_write, posthoc_write, write_leak
from ..shared.maps import (
    Removal,
    best_of_factors,
    complement,
    definite,
    fit_loss,
    map_risk,
    off,
    rank_loss,
    same,
    singular,
    with_null,
)
from ..statement import Claim, Route, Statement, exact


class Instance(Removal):
    """With what descent over uᵀD = 0 reaches."""

    def trained(self) -> Float[ndarray, "m d"]:
        """Limit of descent from 0 over D = Q X, Q a basis of u^⊥: least squares of least norm, factor by factor."""
        p = self.problem
        Q = complement(p.u)
        root, S = psd_root(p.H), psd_root(p.Sigma)
        return Q @ np.linalg.pinv(root @ Q, 1e-6) @ root @ p.M @ S @ np.linalg.pinv(S, 1e-6)

    def tangent(self) -> float:
        """tan ∠(u, H⁻¹u), with a null direction of H for H⁻¹u."""
        u, (values, Q) = self.problem.u, np.linalg.eigh(self.problem.H)
        return tangent(u, Q[:, 0] if values[0] < 1e-10 * values[-1] else np.linalg.solve(self.problem.H, u))


def tangent(u: Float[ndarray, " m"], h: Float[ndarray, " m"]) -> float:
    """tan ∠(u, h) for unit u."""
    return float(np.linalg.norm(h - u * (u @ h)) / abs(u @ h))


def draw(rng: np.random.Generator, smallest: int = 2) -> Instance:
    """H generic, or with u as an eigenvector, or I, or singular though not on u^⊥; in a fifth of the draws uᵀM = 0."""
    p = draw_problem(rng, sizes=(smallest, 6), metric=rng.random() < 0.8)
    kind = rng.random()
    if kind > 0.9:
        p = replace(p, H=with_null(p.H, np.sqrt(0.5) * (p.u + off(rng, p.u))))
    if kind < 0.3:
        p = replace(p, H=p.P_u @ p.H @ p.P_u + (p.u @ p.H @ p.u) * np.outer(p.u, p.u))
    if rng.random() < 0.2:
        p = replace(p, T=p.P_u @ p.T - p.beta * np.outer(p.u, p.v))
    return Instance(p, int(rng.integers(1, min(p.shape) + 1)), rng.standard_normal(p.shape))


def risk(bound) -> Claim[Instance]:
    return exact(
        "=",
        lambda i: excess_risk(i.problem, grasp_write(i.problem)),
        bound,
        scale=lambda i: map_risk(i.problem, i.problem.M),
    )


def whitened(i: Instance) -> Float[ndarray, "k d"]:
    """K⁺ P_u H M Sigma^½ up to a rotation, by a Cholesky factor in a basis of u^⊥."""
    p, Q = i.problem, complement(i.problem.u)
    return np.linalg.inv(np.linalg.cholesky(Q.T @ p.H @ Q)) @ Q.T @ p.H @ p.M @ psd_root(p.Sigma)


def distance(bound) -> Claim[Instance]:
    """‖D − P_u M‖_F, the distance to post-hoc projection."""
    return exact(
        "=",
        lambda i: np.linalg.norm(grasp_write(i.problem) - posthoc_write(i.problem, i.problem.M)),
        bound,
        scale=lambda i: 10 * np.linalg.norm(i.problem.M),
    )


def leak(w) -> Claim[Instance]:
    """GRASP-write is P_u M + w uᵀM."""
    return same(
        lambda i: grasp_write(i.problem), lambda i: posthoc_write(i.problem, i.problem.M) + np.outer(w(i), u_row(i))
    )


def u_row(i: Instance) -> Float[ndarray, " d"]:
    """uᵀM."""
    return i.problem.u @ i.problem.M


STATEMENT = Statement(
    key="write-removal",
    kind="identity",
    law="D = P_u M + w uᵀM, w = P_u(P_u H P_u)⁺P_u H u; risk ‖uᵀT‖_t² + tan²∠(u, H⁻¹u) ‖uᵀM‖_t²",
    basis="proved here",
    assumptions={
        "Sigma ≻ 0": lambda i: definite(i.problem.Sigma, len(i.problem.v)),
        "H ≻ 0 on u^⊥": lambda i: definite(i.problem.P_u @ i.problem.H @ i.problem.P_u, len(i.problem.u) - 1),
    },
    draw=draw,
    always=frozenset({"limit of descent", "rank r"}),
    claims={
        "limit of descent": same(lambda i: grasp_write(i.problem), Instance.trained),
        "leak": leak(lambda i: write_leak(i.problem)),
        "distance": distance(lambda i: i.tangent() * np.linalg.norm(u_row(i))),
        "risk": risk(
            lambda i: (
                map_risk(i.problem, i.problem.u[None] @ i.problem.T)
                + i.tangent() ** 2 * map_risk(i.problem, u_row(i)[None])
            )
        ),
        "rank r": rank_loss(lambda i: grasp_write(i.problem, i.rank), whitened),
    },
    violators={
        "Sigma ≻ 0": lambda rng: singular(draw(rng), rng, "Sigma"),
        "H ≻ 0 on u^⊥": lambda rng: singular(draw(rng, 3), rng, "H", "u"),
    },
    route=Route(
        "rank r",
        lambda i: best_of_factors(i, left=null_space(i.problem.u[None])),
        lambda i: 1e-8 * fit_loss(i.problem, 0 * i.problem.M),
        given=("LinearProblem.M",),
    ),
)
