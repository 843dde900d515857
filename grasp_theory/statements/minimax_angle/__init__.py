"""minimax-angle (tight + converse). No method that sees M alone beats the SVD; beta = 2 tau is the border.

Statement. M = T + beta U Vᵀ, U (m × q) and V (d × q) with orthonormal columns (q = 1: beta u vᵀ), m, d >= 2q, and all
that is known of T is ‖T‖₂ <= tau, rho = tau/beta. An estimator is any map from M to a q-dimensional space W(M). Then

    min over estimators of max over (T, U, V) of sin Theta(W, U) = sin(½ arcsin 2 rho) for rho < ½,  and 1 for rho >= ½,

attained by the top q singular vectors. So the factor is identifiable, to any degree, if and only if beta > 2 tau.
For T of rank one (q = 1, m >= 3) the value is min(1, rho), attained by û₁ too: the border is beta = tau there.

Assumes: ‖T‖ <= tau; the answer depends on M alone.

Proof (here). Upper: ``subspace-angle`` (``prior-angle`` for q = 1). Lower, rho < ½: with 2 theta = arcsin 2 rho and
frames [L K], [R Q] take U₁,₂ = L cos theta ± K sin theta, V₁,₂ = R cos theta ± Q sin theta and T₁ = −T₂ =
(beta/2)(U₂V₂ᵀ − U₁V₁ᵀ) = −tau (L Qᵀ + K Rᵀ), of norm (beta/2) sin 2 theta = tau. Both give M = (beta/2)(U₁V₁ᵀ + U₂V₂ᵀ).
Largest angles between subspaces obey the triangle inequality and Theta(U₁, U₂) = 2 theta, so any W is at least theta
off one of them.
rho >= ½: theta = 45° gives M = (beta/2) [L K][R Q]ᵀ, which is explained alike, with ‖T‖ = beta/2, by every q columns of
[L K] O for every rotation O; one explanation contains a direction of span[L K] orthogonal to W: sin = 1.
Rank one, upper: take T = tau p qᵀ, n ⟂ q in span(v,q). M n ∥ u, so tan ∠(û,u) = (ŝ₂/ŝ₁) tan phi, phi = ∠(n,v̂), and
ŝ₁ŝ₂ = beta tau sin∠(u,p) sin∠(v,q) makes it sin ∠(û,u) = (tau/ŝ₁) sin∠(u,p) sin phi, while ŝ₁ >= beta sin∠(u,p).
Lower: M = beta √(1−rho²) x vᵀ is T + beta u vᵀ for every u with ∠(u,x) = arcsin rho, ‖T‖ = tau: a cone. For W = w some
such u has u − x(xᵀu) ⟂ w, hence |uᵀw| <= √(1−rho²). (rho >= 1: M = 0 and u ⟂ w.) ∎

The cone is two lines for m = 2, enough for rho <= √3/2 only; M of rank 2 near it do the rest (checked numerically).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from jaxtyping import Float
from numpy import ndarray
from scipy.optimize import brentq, minimize_scalar

from ..shared.draws import log_uniform, orthonormal, sharp, unit, with_spectrum
from ..statement import Claim, Sides, Statement


@dataclass(frozen=True, eq=False)
class Task:
    """One explanation of a matrix: T + beta U Vᵀ."""

    T: Float[ndarray, "m d"]
    U: Float[ndarray, "m q"]
    V: Float[ndarray, "d q"]


@dataclass(frozen=True, eq=False)
class Instance:
    """Planted tasks for the upper bounds; frames [L K], [R Q] and the answers in two worlds for the lower ones."""

    beta: float
    tau: float
    planted: Task
    rank_one: Task
    left: Float[ndarray, "m 2*q"]
    right: Float[ndarray, "d 2*q"]
    answers: Sequence[Float[ndarray, "m q"]]

    @property
    def rho(self) -> float:
        """tau/beta."""
        return self.tau / self.beta

    def explained(self, task: Task) -> Float[ndarray, "m d"]:
        """T + beta U Vᵀ."""
        return task.T + self.beta * task.U @ task.V.T

    def error(self, task: Task) -> float:
        """sin Theta of the top q left singular vectors of the task's M."""
        return _gap(np.linalg.svd(self.explained(task))[0][:, : task.U.shape[1]], task.U)

    def worlds(self) -> list[Task]:
        """Explanations of one M: the two of the proof for rho < ½, else one chosen against the answer."""
        q, half = self.left.shape[1] // 2, self.beta / 2
        if self.rho < 0.5:
            c, s = np.cos(0.5 * np.arcsin(2 * self.rho)), sharp(self.rho)
            (U1, V1), (U2, V2) = ([c * F[:, :q] + a * F[:, q:] for F in (self.left, self.right)] for a in (s, -s))
            T = half * (U2 @ V2.T - U1 @ V1.T)
            return [Task(T, U1, V1), Task(-T, U2, V2)]
        # the last right singular vectors of Wᵀ [L K] are orthogonal to W
        G = np.linalg.svd(self.answers[0].T @ self.left)[2][::-1].T
        L, R = self.left @ G, self.right @ G
        return [Task(half * (L[:, q:] @ R[:, q:].T - L[:, :q] @ R[:, :q].T), L[:, :q], R[:, :q])]

    def cone(self) -> tuple[Float[ndarray, "m d"], Task]:
        """M = beta √(1−rho²) x vᵀ, and the explanation of it that leaves x at a right angle to the answer."""
        x, v, s = self.left[:, :1], self.right[:, :1], min(self.rho, 1.0)
        aside = np.linalg.svd(np.hstack([x, self.answers[0][:, :1]]).T)[2][2:3].T  # orthogonal to x and the answer
        x = np.sqrt(1 - s * s) * x
        return self.beta * x @ v.T, Task(-self.beta * s * aside @ v.T, x + s * aside, v)


def _gap(W: Float[ndarray, "n k"], U: Float[ndarray, "n k"]) -> float:
    """sin Theta, the largest, of two subspaces given by orthonormal bases."""
    return float(np.linalg.norm(U - W @ (W.T @ U), 2))


def value(rho: float) -> float:
    """The minimax sine."""
    return sharp(rho) if rho < 0.5 else 1.0


def draw(rng: np.random.Generator) -> Instance:
    """q = 1 or 2; the planted task is generic or a hard one; answers scattered around the singular vectors."""
    q = int(rng.integers(1, 3))
    m, d = max(3, 2 * q) + int(rng.integers(0, 4)), 2 * q + int(rng.integers(0, 4))
    beta, rho = log_uniform(rng, 0.2, 5), rng.uniform(0.02, 0.5) if rng.random() < 0.7 else rng.uniform(0.5, 1.3)
    i = make(rng, beta, rho * beta, orthonormal(rng, m, 2 * q), orthonormal(rng, d, 2 * q), rng.choice([0, 0.1, 1]))
    if rng.random() < 0.3:
        return i
    T = with_spectrum(rng, m, d, i.tau * rng.uniform(0.3, 1, min(m, d)))
    task = Task(T, orthonormal(rng, m, q), orthonormal(rng, d, q))
    one = Task(i.tau * np.outer(unit(rng, m), unit(rng, d)), orthonormal(rng, m, 1), orthonormal(rng, d, 1))
    return replace(i, planted=task, rank_one=one)


def make(rng: np.random.Generator, beta: float, tau: float, left: ndarray, right: ndarray, spread: float) -> Instance:
    """The hard instances; the answer is L, the singular vectors of the M they share, moved by ``spread``."""
    q = left.shape[1] // 2
    W = np.linalg.qr(left[:, :q] + spread * rng.standard_normal(left[:, :q].shape))[0]
    i = Instance(beta, tau, Task(left, left, right), Task(left, left, right), left, right, (W, W))
    return replace(i, planted=i.worlds()[0], rank_one=i.cone()[1])


def extremal(rng: np.random.Generator) -> Instance:
    """rho = 0.3, q = 2 in R⁵ x R⁶; the answer is that of the singular vectors."""
    return make(rng, 1.5, 0.45, orthonormal(rng, 5, 4), orthonormal(rng, 6, 4), 0.0)


def route(i: Instance) -> Sides:
    """q = 1 by brute force: how far from e₁ are the u(a) that explain M = diag(cos² theta, sin² theta) at cost tau."""
    theta = 0.5 * np.arcsin(min(2 * i.rho, 1.0))
    M = np.diag([np.cos(theta) ** 2, np.sin(theta) ** 2])

    def cost(a: float) -> float:
        def norm(b: float) -> float:
            return float(np.linalg.norm(M - np.outer([np.cos(a), np.sin(a)], [np.cos(b), np.sin(b)]), 2))

        found: Any = minimize_scalar(norm, bounds=(0, np.pi / 2), options={"xatol": 1e-12})
        return float(found.fun)

    if cost(np.pi / 2) <= i.rho + 1e-9:
        return Sides(value(i.rho), 1.0, 1e-9)
    found: Any = brentq(lambda a: cost(a) - i.rho, 0.0, np.pi / 2, xtol=1e-10)
    return Sides(value(i.rho), float(np.sin(found)), 1e-5)


def largest_norm(tasks: list[Task]) -> float:
    return max(float(np.linalg.norm(task.T, 2)) for task in tasks)


def claim(relation, measured, bound, *, tight: bool = False) -> Claim[Instance]:
    return Claim(relation, lambda i: Sides.exact(measured(i), bound(i)), tight)


def missed(i: Instance) -> float:
    """The larger error of the answers in the two worlds (in the one, for rho >= ½)."""
    return max(_gap(W, task.U) for W, task in zip(i.answers, i.worlds(), strict=False))


def missed_one(i: Instance) -> float:
    return _gap(i.answers[0][:, :1], i.cone()[1].U)


def _differ(i: Instance) -> float:
    """Largest difference, in units of beta, from M = beta (cos² theta L Rᵀ + sin² theta K Qᵀ) or the cone's matrix."""
    theta, (M, task) = 0.5 * np.arcsin(min(2 * i.rho, 1.0)), i.cone()
    weights = np.repeat([np.cos(theta) ** 2, np.sin(theta) ** 2], i.left.shape[1] // 2)
    errors = [i.explained(world) - i.beta * i.left * weights @ i.right.T for world in i.worlds()]
    return max(float(np.linalg.norm(E, 2)) for E in [*errors, i.explained(task) - M]) / i.beta


STATEMENT = Statement(
    key="minimax-angle",
    kind="tight",
    law="min over estimators of max sin = sin(½ arcsin(2 tau/beta)), 1 for tau >= beta/2; rank-one T: min(1, tau/beta)",
    basis="proved here",
    assumptions={
        "‖T‖ <= tau": lambda i: largest_norm([i.planted, i.rank_one]) <= i.tau * (1 + 1e-12),
        "the answer depends on M alone": lambda i: i.answers[0] is i.answers[1],
    },
    draw=draw,
    claims={
        "upper": claim("<=", lambda i: i.error(i.planted), lambda i: value(i.rho), tight=True),
        "the worlds show one M": claim("=", _differ, lambda i: 0.0),
        "each costs tau": claim("=", lambda i: largest_norm(i.worlds()), lambda i: min(i.tau, i.beta / 2)),
        "lower": claim(">=", missed, lambda i: value(i.rho), tight=True),
        "rank one, upper": claim("<=", lambda i: i.error(i.rank_one), lambda i: min(1.0, i.rho), tight=True),
        "rank one, cost": claim("=", lambda i: largest_norm([i.cone()[1]]), lambda i: min(i.tau, i.beta)),
        "rank one, lower": claim(">=", missed_one, lambda i: min(1.0, i.rho), tight=True),
    },
    extremal=extremal,
    violators={
        "‖T‖ <= tau": lambda rng: replace(i := extremal(rng), planted=replace(i, tau=1.5 * i.tau).worlds()[0]),
        "the answer depends on M alone": lambda rng: replace(i := extremal(rng), answers=[w.U for w in i.worlds()]),
    },
    route=route,
)
