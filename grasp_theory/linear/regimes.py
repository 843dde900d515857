"""Risks: what an update costs at deployment, and who wins as a function of the problem."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from .problem import LinearProblem
from .solutions import top_triple, write_leak

TIE = 1e-9  # risks closer than this, relative to the naive one, are equal


def excess_risk(problem: LinearProblem, D: Float[ndarray, "m d"]) -> float:
    """‖(D − T) Sigma_t^½‖_F²: squared error of W0 + D at deployment, beyond the noise."""
    E = D - problem.T
    return float(np.trace(E @ problem.Sigma_t @ E.T))


def response_left(problem: LinearProblem, D: Float[ndarray, "m d"]) -> float:
    """``|uᵀ (D − T) v|``: how much of the shortcut's response survives along u and v; beta for the naive solution."""
    return float(abs(problem.u @ (D - problem.T) @ problem.v))


def norm_left(problem: LinearProblem, D: Float[ndarray, "m d"]) -> float:
    """‖(D − T) v‖₂: length of all that the factor's input still moves wrongly; beta for the naive solution."""
    return float(np.linalg.norm((D - problem.T) @ problem.v))


def risk_table(problem: LinearProblem) -> dict[str, float]:
    """Excess risk at deployment of every method at full rank, cheapest first among equals.

    Law (‖a‖_t² = a Sigma_t aᵀ; w of ``write_leak``, 0 for H = I; ell of the problem, 0 for Sigma v ∥ v):

        naive            beta² ‖vᵀ‖_t²
        post-hoc write   ‖uᵀT‖_t²
        write GRASP      ‖uᵀT‖_t² + ‖w‖² ‖uᵀM‖_t²
        post-hoc read    ‖T v‖² ‖vᵀ‖_t²
        read GRASP       ‖T v (ell − vᵀ) + beta u ell‖_t²
        both GRASP       ‖uᵀT‖_t² + ‖P_u T v (ell − vᵀ) + w uᵀM (P_v + v ell)‖_t²
        deletion         ‖beta u vᵀ − ŝ₁ û v̂ᵀ‖_t², also of the compensated method with M's own triple
        CAFT             ‖T v (ell − vᵀ) + (beta u + W0 v) ell‖_t², if D v = 0
        ablation         ‖(W0 + T) v‖² ‖vᵀ‖_t²
        CAFT + ablation  ‖(W0 + T) v (ell − vᵀ) + beta u ell‖_t²

    Needs Sigma ≻ 0 and H ≻ 0. Cost O(m³ + d³).
    """
    u, v, T, M, beta = problem.u, problem.v, problem.T, problem.M, problem.beta
    w, ell = write_leak(problem), problem.ell
    W0v, Tv, uT = problem.W0 @ v, T @ v, u @ T
    left_over = np.outer(w, u @ M @ (problem.P_v + np.outer(v, ell)))
    u_hat, s, v_hat = top_triple(M)

    def risk(E: Float[ndarray, "k d"]) -> float:
        return float(np.sum(E @ problem.Sigma_t * E))

    row = risk(v[None])
    return {
        "naive": beta**2 * row,
        "post-hoc write": risk(uT[None]),
        "write GRASP": risk(uT[None]) + float(w @ w) * risk((u @ M)[None]),
        "post-hoc read": float(Tv @ Tv) * row,
        "read GRASP": risk(np.outer(Tv, ell - v) + beta * np.outer(u, ell)),
        "both GRASP": risk(uT[None]) + risk(np.outer(problem.P_u @ Tv, ell - v) + left_over),
        "deletion": risk(beta * np.outer(u, v) - s * np.outer(u_hat, v_hat)),
        "CAFT": risk(np.outer(Tv, ell - v) + np.outer(beta * u + W0v, ell)),
        "ablation": float((W0v + Tv) @ (W0v + Tv)) * row,
        "CAFT + ablation": risk(np.outer(W0v + Tv, ell - v) + beta * np.outer(u, ell)),
    }


def winner(problem: LinearProblem) -> str:
    """The method of least excess risk; among ties the first of ``risk_table``."""
    table = risk_table(problem)
    limit = min(table.values()) + TIE * table["naive"]
    return next(name for name, risk in table.items() if risk <= limit)


def explained(problem: LinearProblem) -> tuple[float, float]:
    """(kappa, L): vᵀ Sigma v = kappa + L, residual and explained part of vᵀx regressed on the rest of x.

    Law: kappa = 1/(vᵀ Sigma⁻¹ v), L = ell Sigma ellᵀ; L/(kappa + L) is the share that can be re-routed.
    """
    left = problem.v - problem.ell
    return float(left @ problem.Sigma @ left), float(problem.ell @ problem.Sigma @ problem.ell)


def read_side(problem: LinearProblem) -> dict[str, float]:
    """The read-side rows of ``risk_table`` when nothing shifts (Sigma_t = Sigma): every one is a kappa + b L.

    Law: with a, b from ‖(ell − vᵀ)‖² = kappa, ‖ell‖² = L and (ell − vᵀ) Sigma ellᵀ = 0:

        naive (beta², beta²) · read GRASP (‖Tv‖², beta²) · post-hoc read (‖Tv‖², ‖Tv‖²)
        CAFT (‖Tv‖², ‖beta u + W0 v‖²) · ablation (t, t) · CAFT + ablation (t, beta²), t = ‖(W0 + T) v‖²

    So read GRASP always lies between naive and post-hoc read: it is never the only best of the three, and for L > 0 it
    beats post-hoc read iff beta < ‖T v‖, which is when naive beats both. It needs a shift in Sigma to win.
    """
    kappa, L = explained(problem)
    W0v, Tv = problem.W0 @ problem.v, problem.T @ problem.v
    beta, task, lost = problem.beta**2, float(Tv @ Tv), float((W0v + Tv) @ (W0v + Tv))
    imitated = float(np.sum((problem.beta * problem.u + W0v) ** 2))
    pairs = {
        "naive": (beta, beta),
        "read GRASP": (task, beta),
        "post-hoc read": (task, task),
        "CAFT": (task, imitated),
        "ablation": (lost, lost),
        "CAFT + ablation": (lost, beta),
    }
    return {name: a * kappa + b * L for name, (a, b) in pairs.items()}
