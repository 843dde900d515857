"""What the removal statements share: equality of maps by a random probe, exact samples, and descent."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from ...linear.problem import LinearProblem
from ..statement import Claim, Sides, exact
from .draws import unit

Map = Callable[[Any], ndarray]


def same(left: Map, right: Map) -> Claim[Any]:
    """Two maps agree: ⟨Z, left⟩ = ⟨Z, right⟩ for the instance's dense random probe Z, 0 iff equal almost surely."""

    def sides(i: Any) -> Sides:
        a, b = left(i), right(i)
        scale = np.linalg.norm(i.Z) * max(np.linalg.norm(a), np.linalg.norm(b), np.linalg.norm(i.problem.M))
        return Sides.exact(np.sum(i.Z * a), np.sum(i.Z * b), scale=float(scale))

    return Claim("=", sides)


def truncated(X: Float[ndarray, "m d"], rank: int) -> Float[ndarray, "m d"]:
    """The best approximation of this rank."""
    U, S, Vh = np.linalg.svd(X, full_matrices=False)
    return U[:, :rank] * S[:rank] @ Vh[:rank]


def complement(v: Float[ndarray, " n"]) -> Float[ndarray, "n k"]:
    """An orthonormal basis of v^⊥."""
    return np.linalg.svd(v[None])[2][1:].T


def plane(
    matrix: Float[ndarray, "n n"], v: Float[ndarray, " n"]
) -> tuple[tuple[float, float, float], Float[ndarray, " n"]]:
    """(vᵀSv, nᵀSn, nᵀSv) and n, the unit direction ⟂ v that imitates v best in the metric S: 2 x 2 is enough."""
    P = np.eye(len(v)) - np.outer(v, v)
    best = P @ np.linalg.lstsq(P @ matrix @ P, P @ matrix @ v, rcond=1e-10)[0]
    size = np.linalg.norm(best)
    n = best / size if size > 1e-9 else P[0] / np.linalg.norm(P[0])
    return (float(v @ matrix @ v), float(n @ matrix @ n), float(n @ matrix @ v)), n


def fit_loss(p: LinearProblem, D: Float[ndarray, "m d"]) -> float:
    """‖H^½ (D − M) Sigma^½‖_F²."""
    return float(np.sum((p.H @ (D - p.M)) * ((D - p.M) @ p.Sigma)))


def rank_loss(solution: Map, whitened: Map) -> Claim[Any]:
    """The loss of a rank-r solution is what Eckart–Young leaves: ‖H^½ M Sigma^½‖² − Σ_{i<=r} σ_i(whitened)²."""

    def total(i: Any) -> float:
        return fit_loss(i.problem, 0 * i.problem.M)

    def left(i: Any) -> float:
        return total(i) - float(np.sum(np.linalg.svd(whitened(i), compute_uv=False)[: i.rank] ** 2))

    return exact("=", lambda i: fit_loss(i.problem, solution(i)), left, scale=total)


def map_risk(p: LinearProblem, E: Float[ndarray, "k d"]) -> float:
    """‖E‖_t² = ‖E Sigma_t^½‖_F² of an error E."""
    return float(np.sum(E @ p.Sigma_t * E))


def exact_samples(rng: np.random.Generator, Sigma: Float[ndarray, "d d"], n: int) -> Float[ndarray, "d n"]:
    """n >= d inputs whose second moment X Xᵀ/n is Sigma exactly."""
    values, Q = np.linalg.eigh(Sigma)
    rows = np.linalg.qr(rng.standard_normal((n, len(Q))))[0].T
    return np.sqrt(n) * (Q * np.sqrt(values.clip(0))) @ rows


def descend(
    H: Float[ndarray, "m m"],
    X: Float[ndarray, "d n"],
    Y: Float[ndarray, "m n"],
    *,
    left: Float[ndarray, "m m"] | None = None,
    right: Float[ndarray, "d d"] | None = None,
    steps: int = 20_000,
) -> Float[ndarray, "m d"]:
    """Gradient descent from 0 on (1/n) ‖H^½ (D X − Y)‖², each gradient projected: G <- left G right."""
    n = X.shape[1]
    second, cross = X @ X.T / n, Y @ X.T / n
    L = np.eye(len(H)) if left is None else left
    R = np.eye(len(X)) if right is None else right
    rate = 1 / max(np.linalg.norm(H, 2) * np.linalg.norm(second, 2), np.finfo(float).tiny)
    D: ndarray = np.zeros_like(cross)
    for _ in range(steps):
        G = L @ H @ (D @ second - cross) @ R
        D = D - rate * G
        if np.abs(G).max() <= 1e-12 * np.abs(cross).max():
            break
    return D


def with_null(matrix: Float[ndarray, "n n"], n: Float[ndarray, " n"]) -> Float[ndarray, "n n"]:
    """The covariance with this direction taken out of it: singular along n."""
    P = np.eye(len(n)) - np.outer(n, n)
    return P @ matrix @ P


def singular(i: Any, rng: np.random.Generator, name: str, perpendicular: str | None = None) -> Any:
    """The instance whose problem has a null direction in this matrix: any dense one, or one ⟂ its vector u or v."""
    matrix = getattr(i.problem, name)
    n = off(rng, getattr(i.problem, perpendicular)) if perpendicular else unit(rng, len(matrix))
    return replace(i, problem=replace(i.problem, **{name: with_null(matrix, n)}))


@dataclass(frozen=True, eq=False)
class Removal:
    """A problem, a LoRA rank and a probe matrix Z."""

    problem: LinearProblem
    rank: int
    Z: Float[ndarray, "m d"]


def off(rng: np.random.Generator, v: Float[ndarray, " n"]) -> Float[ndarray, " n"]:
    """A random unit vector ⟂ v."""
    x = rng.standard_normal(len(v))
    x = x - v * (v @ x)
    return x / np.linalg.norm(x)


def definite(matrix: Float[ndarray, "n n"], rank: int) -> bool:
    """Whether ``rank`` eigenvalues are above 1e-8 of the largest; any other is the projected-out direction's."""
    values = np.linalg.eigvalsh(matrix)
    return int(np.sum(values > 1e-8 * values[-1])) >= rank


def rest_on_v(p: LinearProblem) -> Float[ndarray, " d"]:
    """The rest of x regressed on vᵀx, P_v Sigma v/(vᵀ Sigma v)."""
    return p.P_v @ p.Sigma @ p.v / (p.v @ p.Sigma @ p.v)


def best_of_factors(i: Removal, **sides: Any) -> float:
    """The loss that alternating least squares on factors within these bases ends at."""
    return alternating_loss(i.problem.H, i.problem.Sigma, i.problem.M, i.rank, **sides)


def alternating_loss(
    H: Float[ndarray, "m m"],
    Sigma: Float[ndarray, "d d"],
    M: Float[ndarray, "m d"],
    rank: int,
    *,
    left: Float[ndarray, "m k"] | None = None,
    right: Float[ndarray, "d l"] | None = None,
    sweeps: int = 2000,
) -> float:
    """‖H^½ (L B A Rᵀ − M) Sigma^½‖² after least squares for A given B and for B given A in turn, from a generic B.

    L, R : bases of what the update may write and read. Neither a root nor a decomposition is taken.
    """
    L = np.eye(len(H)) if left is None else left
    R = np.eye(len(Sigma)) if right is None else right
    G, S, c = L.T @ H @ L, R.T @ Sigma @ R, L.T @ H @ M @ Sigma @ R
    total, rank = float(np.sum((H @ M) * (M @ Sigma))), min(rank, *c.shape)
    B: ndarray
    A: ndarray
    B, A, before = np.random.default_rng(0).standard_normal((L.shape[1], rank)), np.zeros((rank, R.shape[1])), -1.0
    for _ in range(sweeps):
        A = np.linalg.lstsq(B.T @ G @ B, B.T @ np.linalg.solve(S, c.T).T, rcond=1e-13)[0]
        B = np.linalg.lstsq(A @ S @ A.T, A @ np.linalg.solve(G, c).T, rcond=1e-13)[0].T
        explained = float(np.sum((B @ A) * c))
        if abs(explained - before) <= 1e-15 * total:
            break
        before = explained
    E = L @ B @ A @ R.T - M
    return float(np.sum((H @ E) * (E @ Sigma)))
