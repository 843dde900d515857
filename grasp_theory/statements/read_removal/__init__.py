"""read-removal (identity). What GRASP on the read side converges to, and what comes back through correlated inputs.

Statement. Loss ‖H^½ (D − M) Sigma^½‖² over updates with D v = 0, P = P_v, ell = (vᵀ Sigma P)(P Sigma P)⁺ (regression of
vᵀx on the rest of x). The minimiser, limit of projected descent from 0 at full rank, is

    D = M Sigma P (P Sigma P)⁺ = M P + (M v) ell.

It differs from post-hoc projection M P by ‖M v‖ ‖ell‖ (tan ∠(v, Sigma⁻¹v) ‖M v‖ if Sigma ≻ 0): equal iff Sigma v ∥ v
**or M v = 0** (the task cancels the shortcut on v). Both T v · ell and beta u · ell come back. Excess risk
‖T v (ell − vᵀ) + beta u ell‖_t²; where nothing shifts (Sigma_t = Sigma) it is ‖T v‖² kappa + beta² L with
kappa = 1/(vᵀ Sigma⁻¹ v) and L = ell Sigma ellᵀ, kappa + L = vᵀ Sigma v: what v explains alone, and with the rest.
Rank r: D_r = H^{-½} [H^½ M Sigma P K⁺]_r K⁺, K = (P Sigma P)^½, of loss ‖H^½ M Sigma^½‖² − Σ_{i<=r} σ_i².

Assumes: Sigma ≻ 0 on v^⊥; H ≻ 0.

Proof (here). The transpose of write-removal, with Sigma for H, v for u, ellᵀ for w and Mᵀ for M. The error is
D − T = T v (ell − vᵀ) + beta u ell; the residual z − ell x has second moment kappa (Schur complement) and is
uncorrelated with ell x, (ell − vᵀ) Sigma P = 0, so the cross term vanishes for Sigma_t = Sigma. ∎
Symbolic twin: 2 x 2.

Sigma may have a null direction outside v^⊥ (z is then a function of the rest: kappa = 0). With one inside it the
regression is not unique, and what the null direction carried is never learnt.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from jaxtyping import Float
from numpy import ndarray
from scipy.linalg import null_space

from ...linear.problem import LinearProblem, draw_problem, psd_root
from ...linear.regimes import excess_risk
from ...linear.solutions import grasp_read, posthoc_read
from ..shared.maps import (
    Removal,
    best_of_factors,
    complement,
    definite,
    exact_samples,
    fit_loss,
    map_risk,
    off,
    rank_loss,
    same,
    singular,
    with_null,
)
from ..statement import Claim, Relation, Route, Sides, Statement, exact


class Instance(Removal):
    """With what descent over D v = 0 reaches."""

    def trained(self) -> Float[ndarray, "m d"]:
        """Limit of descent from 0 over D = X Qᵀ, Q a basis of v^⊥: least squares of least norm, factor by factor."""
        p = self.problem
        Q = complement(p.v)
        root, S = psd_root(p.H), psd_root(p.Sigma)
        return np.linalg.pinv(root, 1e-6) @ root @ p.M @ S @ np.linalg.pinv(Q.T @ S, 1e-6) @ Q.T


def draw(rng: np.random.Generator, smallest: int = 2) -> Instance:
    """Sigma generic, or with v as an eigenvector, or with a null direction that is not in v^⊥; in a fifth M v = 0."""
    p, kind = draw_problem(rng, sizes=(smallest, 6), metric=True), rng.random()
    if kind < 0.2:
        p = replace(p, Sigma=p.P_v @ p.Sigma @ p.P_v + (p.v @ p.Sigma @ p.v) * np.outer(p.v, p.v))
    elif kind < 0.3:
        p = replace(p, Sigma=with_null(p.Sigma, np.sqrt(0.5) * (p.v + off(rng, p.v))))
    if rng.random() < 0.2:
        p = replace(p, T=p.T @ p.P_v - p.beta * np.outer(p.u, p.v))
    return Instance(p, int(rng.integers(1, min(p.shape) + 1)), rng.standard_normal(p.shape))


def regression(p: LinearProblem) -> Float[ndarray, " d"]:
    """ell in a basis of v^⊥: solves Qᵀ Sigma Q a = Qᵀ Sigma v."""
    Q = complement(p.v)
    return Q @ np.linalg.lstsq(Q.T @ p.Sigma @ Q, Q.T @ p.Sigma @ p.v, rcond=1e-10)[0]


def parts(i: Instance) -> tuple[float, float]:
    """(kappa, L) as residual and explained sum of squares of z regressed on samples of the rest."""
    X = exact_samples(np.random.default_rng(0), i.problem.Sigma, len(i.problem.v) + 2)
    z, rest = i.problem.v @ X, complement(i.problem.v).T @ X
    fitted = np.linalg.lstsq(rest.T, z, rcond=1e-10)[0] @ rest
    return float(np.mean((z - fitted) ** 2)), float(np.mean(fitted**2))


def solution(right) -> Claim[Instance]:
    return same(lambda i: grasp_read(i.problem), right)


def risk(bound, *, shift: bool) -> Claim[Instance]:
    """Excess risk of GRASP-read; without ``shift`` at Sigma_t = Sigma."""

    def sides(i: Instance) -> Sides:
        p = i.problem if shift else replace(i.problem, Sigma_t=i.problem.Sigma)
        scale = float(np.sum(p.M @ p.Sigma_t * p.M)) * (1 + float(np.sum(p.ell**2)))
        return Sides.exact(excess_risk(p, grasp_read(p)), bound(replace(i, problem=p)), scale=scale)

    return Claim("=", sides)


def error_risk(i: Instance) -> float:
    """‖T v (ell − vᵀ) + beta u ell‖_t²."""
    p, ell = i.problem, regression(i.problem)
    return map_risk(p, np.outer(p.T @ p.v, ell - p.v) + p.beta * np.outer(p.u, ell))


def unshifted(i: Instance) -> float:
    """‖T v‖² kappa + beta² L."""
    kappa, L = parts(i)
    return float(np.sum((i.problem.T @ i.problem.v) ** 2)) * kappa + i.problem.beta**2 * L


def distance(relation: Relation, bound) -> Claim[Instance]:
    return exact(
        relation,
        lambda i: np.linalg.norm(grasp_read(i.problem) - posthoc_read(i.problem, i.problem.M)),
        bound,
        scale=lambda i: 10 * np.linalg.norm(i.problem.M),
    )


def whitened(i: Instance) -> Float[ndarray, "m k"]:
    """H^½ M Sigma P K⁺ up to a rotation, by a Cholesky factor in a basis of v^⊥."""
    p, Q = i.problem, complement(i.problem.v)
    return psd_root(p.H) @ p.M @ p.Sigma @ Q @ np.linalg.inv(np.linalg.cholesky(Q.T @ p.Sigma @ Q)).T


def onto(p: LinearProblem, a: Float[ndarray, " d"]) -> Float[ndarray, "d d"]:
    """P + v a."""
    return p.P_v + np.outer(p.v, a)


STATEMENT = Statement(
    key="read-removal",
    kind="identity",
    law="D = M Sigma P (P Sigma P)⁺ = M P + (M v) ell; equal to M P iff M v = 0 or Sigma v ∥ v",
    basis="proved here",
    assumptions={
        "Sigma ≻ 0 on v^⊥": lambda i: definite(i.problem.P_v @ i.problem.Sigma @ i.problem.P_v, len(i.problem.v) - 1),
        "H ≻ 0": lambda i: definite(i.problem.H, len(i.problem.u)),
    },
    draw=draw,
    always=frozenset({"limit of descent", "rank r"}),
    claims={
        "limit of descent": solution(Instance.trained),
        "regression": solution(lambda i: i.problem.M @ onto(i.problem, i.problem.ell)),
        "distance": distance(
            "=", lambda i: np.linalg.norm(i.problem.M @ i.problem.v) * np.linalg.norm(regression(i.problem))
        ),
        "risk": risk(error_risk, shift=True),
        "risk without shift": risk(unshifted, shift=False),
        "rank r": rank_loss(lambda i: grasp_read(i.problem, i.rank), whitened),
    },
    violators={
        "Sigma ≻ 0 on v^⊥": lambda rng: singular(draw(rng, 3), rng, "Sigma", "v"),
        "H ≻ 0": lambda rng: singular(draw(rng), rng, "H"),
    },
    route=Route(
        "rank r",
        lambda i: best_of_factors(i, right=null_space(i.problem.v[None])),
        lambda i: 1e-8 * fit_loss(i.problem, 0 * i.problem.M),
        given=("LinearProblem.M",),
    ),
)
