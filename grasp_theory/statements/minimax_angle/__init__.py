"""minimax-angle (tight + converse). No rule that sees M alone beats the SVD; beta = 2 tau is the border.

Statement. M = T + beta U Vᵀ, U (m × q) and V (d × q) with orthonormal columns (q = 1: beta u vᵀ), m, d >= 2q, and all
that is known of T is ‖T‖₂ <= tau, rho = tau/beta. An estimator is a function from M to a q-dimensional space W(M). Then

    min over estimators of max over (T, U, V) of sin Theta(W, U) = sin(½ arcsin 2 rho) for rho < ½,  and 1 for rho >= ½,

attained by the top q singular vectors. So the factor is identifiable, to any degree, if and only if beta > 2 tau.
For T of rank one (q = 1) the value is min(1, rho), attained by û₁ too: the border is beta = tau there.
Answers with a coin are another game: a fair one between the two worlds below has the expected sine rho in both.

Assumes: ‖T‖ <= tau; the answer depends on M alone; the answer is deterministic.

Proof (here). Upper: ``subspace-angle`` (``prior-angle`` for q = 1). Lower, rho < ½: with 2 theta = arcsin 2 rho and
frames [L K], [R Q] take U₁,₂ = L cos theta ± K sin theta, V₁,₂ = R cos theta ± Q sin theta and T₁ = −T₂ =
(beta/2)(U₂V₂ᵀ − U₁V₁ᵀ) = −tau (L Qᵀ + K Rᵀ), of norm (beta/2) sin 2 theta = tau. Both give M = (beta/2)(U₁V₁ᵀ + U₂V₂ᵀ).
Largest angles between subspaces obey the triangle inequality and Theta(U₁, U₂) = 2 theta, so any W is at least theta
off one of them.
rho >= ½: theta = 45° gives M = (beta/2) [L K][R Q]ᵀ, which is explained alike, with ‖T‖ = beta/2, by every q columns of
[L K] O for every rotation O; one explanation contains a direction of span[L K] orthogonal to W: sin = 1.
Rank one, upper: take T = tau p qᵀ, n ⟂ q in span(v,q). M n ∥ u, so tan ∠(û,u) = (ŝ₂/ŝ₁) tan phi, phi = ∠(n,v̂), and
ŝ₁ŝ₂ = beta tau sin∠(u,p) sin∠(v,q) makes it sin ∠(û,u) = (tau/ŝ₁) sin∠(u,p) sin phi, while ŝ₁ >= beta sin∠(u,p).
Lower: M = beta √(1−rho²) x vᵀ is T + beta u vᵀ for every u of the cap uᵀx >= √(1−rho²), as ‖T‖² = beta² (2 − rho² −
2√(1−rho²) uᵀx) <= tau². Let W = w be at phi <= 90° from x and take the plane of both (any one if w = x), where the cap
is the arc within arcsin rho of x: the u at psi = min(arcsin rho, 90° − phi) on the other side of x is phi + psi from w,
which is at least arcsin rho, or 90°. (rho >= 1: M = 0 and u ⟂ w.) ∎
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
from ..statement import Border, Route, Statement, exact


@dataclass(frozen=True, eq=False)
class Task:
    """One explanation of a matrix: T + beta U Vᵀ."""

    T: Float[ndarray, "m d"]
    U: Float[ndarray, "m q"]
    V: Float[ndarray, "d q"]


@dataclass(frozen=True, eq=False)
class Instance:
    """Planted tasks for the upper bounds; frames [L K], [R Q] and the answers in two worlds for the lower ones.

    answers : in each world the answers among which a fair coin decides, one if there is no coin.
    """

    beta: float
    tau: float
    planted: Task
    rank_one: Task
    left: Float[ndarray, "m 2*q"]
    right: Float[ndarray, "d 2*q"]
    answers: Sequence[Sequence[Float[ndarray, "m q"]]]

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
        G = np.linalg.svd(self.answers[0][0].T @ self.left)[2][::-1].T
        L, R = self.left @ G, self.right @ G
        return [Task(half * (L[:, q:] @ R[:, q:].T - L[:, :q] @ R[:, :q].T), L[:, :q], R[:, :q])]

    def cap(self) -> tuple[Float[ndarray, "m d"], Task]:
        """M = beta √(1−rho²) x vᵀ, and the explanation of it in the plane of x and the answer that is farthest off."""
        x, v, s = self.left[:, :1], self.right[:, :1], min(self.rho, 1.0)
        w = self.answers[0][0][:, :1]
        w = w if (x.T @ w).item() >= 0 else -w
        aside = w - x * (x.T @ w)
        # a plane of its own where the answer is x
        aside = aside if np.linalg.norm(aside) > 1e-9 else np.linalg.svd(x)[0][:, 1:2]
        aside = aside / np.linalg.norm(aside)
        psi = min(np.arcsin(s), np.arctan2((x.T @ w).item(), abs((aside.T @ w).item())))
        u = np.cos(psi) * x - np.sin(psi) * aside
        x = np.sqrt(1 - s * s) * x
        return self.beta * x @ v.T, Task(self.beta * (x - u) @ v.T, u, v)


def _gap(W: Float[ndarray, "n k"], U: Float[ndarray, "n k"]) -> float:
    """sin Theta, the largest, of two subspaces given by orthonormal bases."""
    return float(np.linalg.norm(U - W @ (W.T @ U), 2))


def value(rho: float) -> float:
    """The minimax sine."""
    return sharp(rho) if rho < 0.5 else 1.0


def draw(rng: np.random.Generator) -> Instance:
    """q = 1 or 2; the planted task is generic or a hard one; answers scattered around the singular vectors.

    rho is anything up to 1.3, often close to the borders ½ and 1. One task in ten is up to 20% larger than tau.
    """
    q = int(rng.integers(1, 3))
    m, d = 2 * q + int(rng.integers(0, 4)), 2 * q + int(rng.integers(0, 4))
    rho = rng.choice([rng.uniform(0.02, 0.5), rng.uniform(0.5, 1.3), rng.uniform(0.47, 0.53)], p=[0.6, 0.3, 0.1])
    beta = log_uniform(rng, 0.2, 5)
    i = make(rng, beta, rho * beta, orthonormal(rng, m, 2 * q), orthonormal(rng, d, 2 * q), rng.choice([0, 0.1, 1]))
    if rng.random() < 0.1:
        return replace(i, planted=replace(i, tau=rng.uniform(1, 1.2) * i.tau).worlds()[0])
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
    i = Instance(beta, tau, Task(left, left, right), Task(left, left, right), left, right, [[W]] * 2)
    return replace(i, planted=i.worlds()[0], rank_one=i.cap()[1])


def extremal(rng: np.random.Generator) -> Instance:
    """rho = 0.3, q = 2 in R⁵ x R⁶; the answer is that of the singular vectors."""
    return make(rng, 1.5, 0.45, orthonormal(rng, 5, 4), orthonormal(rng, 6, 4), 0.0)


def told(rng: np.random.Generator) -> Instance:
    """The answers are told which world it is."""
    return replace(i := extremal(rng), answers=[[world.U] for world in i.worlds()])


def coin(rng: np.random.Generator) -> Instance:
    """A fair coin between the two worlds: expected sine rho = sin theta cos theta in both."""
    i = make(rng, 1.5, 0.45, orthonormal(rng, 5, 2), orthonormal(rng, 4, 2), 0.0)
    return replace(i, answers=[[world.U for world in i.worlds()]] * 2)


def _by_search(i: Instance) -> float:
    """q = 1 by brute force: how far from e₁ are the u(a) that explain M = diag(cos² theta, sin² theta) at cost tau."""
    rho = i.tau / i.beta
    theta = 0.5 * np.arcsin(min(2 * rho, 1.0))
    M = np.diag([np.cos(theta) ** 2, np.sin(theta) ** 2])

    def cost(a: float) -> float:
        def norm(b: float) -> float:
            return float(np.linalg.norm(M - np.outer([np.cos(a), np.sin(a)], [np.cos(b), np.sin(b)]), 2))

        found: Any = minimize_scalar(norm, bounds=(0, np.pi / 2), options={"xatol": 1e-12})
        return float(found.fun)

    if cost(np.pi / 2) <= rho + 1e-9:
        return 1.0
    found: Any = brentq(lambda a: cost(a) - rho, 0.0, np.pi / 2, xtol=1e-10)
    return float(np.sin(found))


def largest_norm(tasks: list[Task]) -> float:
    return max(float(np.linalg.norm(task.T, 2)) for task in tasks)


def missed(i: Instance) -> float:
    """The larger (expected) error of the answers in the two worlds (in the one, for rho >= ½)."""
    return max(_expected(answers, task) for answers, task in zip(i.answers, i.worlds(), strict=False))


def missed_one(i: Instance) -> float:
    return _expected([W[:, :1] for W in i.answers[0]], i.cap()[1])


def _expected(answers: Sequence[Float[ndarray, "m q"]], task: Task) -> float:
    return float(np.mean([_gap(W, task.U) for W in answers]))


def _differ(i: Instance) -> float:
    """Largest difference, in units of beta, from M = beta (cos² theta L Rᵀ + sin² theta K Qᵀ) or the cap's matrix."""
    theta, (M, task) = 0.5 * np.arcsin(min(2 * i.rho, 1.0)), i.cap()
    weights = np.repeat([np.cos(theta) ** 2, np.sin(theta) ** 2], i.left.shape[1] // 2)
    errors = [i.explained(world) - i.beta * i.left * weights @ i.right.T for world in i.worlds()]
    return max(float(np.linalg.norm(E, 2)) for E in [*errors, i.explained(task) - M]) / i.beta


STATEMENT = Statement(
    key="minimax-angle",
    kind="tight",
    law="min over estimators of max sin = sin(½ arcsin(2 tau/beta)), 1 for tau >= beta/2; rank-one T: min(1, tau/beta)",
    basis="proved here",
    assumptions={
        "‖T‖ <= tau": Border(lambda i: i.tau / largest_norm([i.planted, i.rank_one]) - 1 + 1e-12),
        "the answer depends on M alone": lambda i: all(a is b for a, b in zip(*i.answers, strict=True)),
        "the answer is deterministic": lambda i: all(len(answers) == 1 for answers in i.answers),
    },
    draw=draw,
    always=frozenset({"the worlds show one M", "each costs tau"}),
    claims={
        "upper": exact("<=", lambda i: i.error(i.planted), lambda i: value(i.rho), tight=True),
        "the worlds show one M": exact("=", _differ, lambda i: 0.0),
        "each costs tau": exact("=", lambda i: largest_norm(i.worlds()), lambda i: min(i.tau, i.beta / 2)),
        "lower": exact(">=", missed, lambda i: value(i.rho), tight=True),
        "rank one, upper": exact("<=", lambda i: i.error(i.rank_one), lambda i: min(1.0, i.rho), tight=True),
        "rank one, cost": exact("<=", lambda i: largest_norm([i.cap()[1]]), lambda i: min(i.tau, i.beta), tight=True),
        "rank one, lower": exact(">=", missed_one, lambda i: min(1.0, i.rho), tight=True),
    },
    extremal=extremal,
    violators={
        "‖T‖ <= tau": lambda rng: replace(i := extremal(rng), planted=replace(i, tau=1.5 * i.tau).worlds()[0]),
        "the answer depends on M alone": told,
        "the answer is deterministic": coin,
    },
    regimes={"rho = ½": lambda i: 0.5 / i.rho - 1, "rho = 1, for T of rank one": lambda i: 1 / i.rho - 1},
    # near rho = ½ the angle moves with the root of what the search leaves of the cost
    route=Route("upper", _by_search, lambda i: 1e-5 if i.tau < i.beta / 2 else 1e-9),
)
