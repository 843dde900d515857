"""posterior-angle (identity, tight). What can be promised about a singular triple after looking at its singular value.

Statement. M = T + beta u vᵀ with unit u, v. For every singular triple (ŝ_i, û_i, v̂_i) of M with ŝ_i > 0, inside a
degenerate space for whatever triple was chosen, P_u = I − u uᵀ and P_v = I − v vᵀ:

    sin ∠(û_i, u) = ‖P_u T v̂_i‖/ŝ_i <= tau/ŝ_i        sin ∠(v̂_i, v) = ‖P_v Tᵀ û_i‖/ŝ_i <= tau/ŝ_i

for every asserted tau >= ‖T‖₂. The spectrum itself says only ŝ₂ <= ‖T‖₂: a *lower* bound on what may be asserted, never
an upper one. So a certificate is the curve arcsin(tau/ŝ₁) over tau >= ŝ₂ and not one number. It is about the triples
of M: where dW ≠ M (a LoRA of rank r with Sigma ≠ I) it can fail, see the violator: sin 0.545 against "0.145"; the
certificate there is ``whitened-angle``.

Assumes: the decomposed matrix is M; ŝ_i > 0; the asserted tau is at least ‖T‖.

Proof (here). ŝ_i û_i = M v̂_i = T v̂_i + beta (vᵀv̂_i) u, and P_u removes the last term: ŝ_i P_u û_i = P_u T v̂_i, where
‖P_u û_i‖ is the sine; ‖P_u T v̂_i‖ <= ‖T‖₂. The right side is the transpose. ŝ₂ <= ‖T‖₂: M − T has rank one (Weyl).
At ŝ_i = 0 the quotient is 0/0 and û_i says nothing about u. Both sides attained at once, rho = tau/beta:
T = tau [[−rho, √(1−rho²)], [√(1−rho²), rho]], u = v = e₁, where ŝ₁ = beta, û₁ = v̂₁ = (√(1−rho²), rho). ∎
With one row or one column all of it holds, ŝ₂ = 0, and one of the two sines is 0.

Source: proved here.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from jaxtyping import Float
from numpy import ndarray
from scipy.linalg import subspace_angles

from ..shared.draws import Planted, flip, log_uniform, orthonormal, sine, unit, with_spectrum
from ..statement import Border, Claim, Route, Search, Statement, exact

RESOLVED = 1e-6  # of beta + ‖T‖₂: below it a singular value is rounding


@dataclass(frozen=True, eq=False)
class Instance(Planted):
    """D, the matrix that was decomposed, which should be T + beta u vᵀ; triple ``index`` of it; the asserted tau."""

    D: Float[ndarray, "m d"]
    tau: float
    index: int

    @cached_property
    def size(self) -> float:
        """beta + ‖T‖₂, the scale of rounding errors."""
        return self.beta + float(np.linalg.norm(self.T, 2))

    @cached_property
    def svd(self) -> tuple[ndarray, ndarray, ndarray]:
        """U, S, Vh of D, thin."""
        U, S, Vh = np.linalg.svd(self.D, full_matrices=False)
        return U, S, Vh

    @property
    def s(self) -> float:
        """ŝ_i."""
        return float(self.svd[1][self.index])

    @property
    def s2(self) -> float:
        """ŝ₂, 0 for one row or one column."""
        return float(self.svd[1][1:2].sum())

    def sine(self, side: int) -> float:
        """sin ∠(û_i, u) for side 0, sin ∠(v̂_i, v) for side 1."""
        return sine(self.svd[0][:, self.index], self.u) if side == 0 else sine(self.svd[2][self.index], self.v)

    def pushed(self, side: int, *, project: bool = True) -> float:
        """‖P_u T v̂_i‖ for side 0, ‖P_v Tᵀ û_i‖ for side 1."""
        U, _, Vh = self.svd
        moved, w = (self.T @ Vh[self.index], self.u) if side == 0 else (U[:, self.index] @ self.T, self.v)
        return float(np.linalg.norm(moved - w * (w @ moved) if project else moved))


def draw(rng: np.random.Generator) -> Instance:
    """Generic T; M with tied singular values; near the extremal plane; T orthogonal to the factor. Any triple.

    The asserted tau is ‖T‖, up to 1.5 times it, or (outside the assumptions) down to 0.8 times it.
    """
    m, d = (int(n) for n in rng.integers(2, 9, 2))
    u, v, beta = unit(rng, m), unit(rng, d), log_uniform(rng, 0.1, 10)
    kind = rng.integers(4)
    if kind == 0:
        T = rng.standard_normal((m, d)) * log_uniform(rng, 0.05, 1) * beta
    elif kind == 1:  # three equal singular values of M, or as many as there are
        values = beta * np.sort(rng.uniform(0.2, 2, min(m, d)))[::-1]
        values[:3] = values[0]
        T = with_spectrum(rng, m, d, values) - beta * np.outer(u, v)
    elif kind == 2:
        T, u, v = flip(rng, m, d, beta, rng.uniform(0.05, 0.95), tilt=float(rng.normal(scale=0.05)))
    else:  # ŝ₂ = ‖T‖₂ where tau < beta
        T = rng.standard_normal((m, d)) * log_uniform(rng, 0.05, 0.5) * beta
        T = T - np.outer(u, u @ T)
        T = T - np.outer(T @ v, v)
    asserted = rng.choice([1.0, rng.uniform(1, 1.5), rng.uniform(0.8, 1)], p=[0.5, 0.35, 0.15])
    tau = float(np.linalg.norm(T, 2) * asserted)
    return Instance(T, u, v, beta, T + beta * np.outer(u, v), tau, int(rng.integers(min(m, d))))


def extremal(rng: np.random.Generator, index: int = 0) -> Instance:
    """The instance of the proof at rho = 0.4, in random planes of R⁶ x R⁵, plus tau on a direction orthogonal to them.

    The latter makes ŝ₂ = tau, so that all three bounds are attained.
    """
    beta, rho = 1.5, 0.4
    T, u, v = flip(rng, 6, 5, beta, rho, pad=True)
    return Instance(T, u, v, beta, T + beta * np.outer(u, v), rho * beta, index)


def rank_one_fit(rng: np.random.Generator) -> Instance:
    """dW of a converged rank-1 run with Sigma ≠ I in place of M: sin 0.545 where tau/ŝ₁ = 0.145."""
    left, right = orthonormal(rng, 4, 2), orthonormal(rng, 3, 2)
    T, e = 0.1 * np.array([[1.0, 1.0], [1.0, -1.0]]), np.array([1.0, 0.0])
    values, Q = np.linalg.eigh(np.array([[1.0, -4.0], [-4.0, 24.0]]))
    root = Q * np.sqrt(values) @ Q.T
    U, S, Vh = np.linalg.svd((T + np.outer(e, e)) @ root)
    D = S[0] * np.outer(U[:, 0], Vh[0]) @ np.linalg.inv(root)
    return Instance(left @ T @ right.T, left @ e, right @ e, 1.0, left @ D @ right.T, float(np.linalg.norm(T, 2)), 0)


def _by_gram(i: Instance) -> tuple[ndarray, float]:
    """The left vector of the triple from the eigenvectors of M Mᵀ, and the gap around it relative to size²."""
    values, Q = np.linalg.eigh(i.M @ i.M.T)
    order = np.argsort(-values)
    others = np.delete(values, order[i.index])
    gap = np.abs(values[order[i.index]] - others).min(initial=values.max()) / values.max()
    return Q[:, order[i.index], None], float(gap)


def _uncertain(i: Instance) -> float:
    """An eigenvector moves by rounding/gap; in a tie (gap ~ 0) the two need not choose the same vector."""
    return 1e-7 + 1e-14 / max(_by_gram(i)[1], 1e-15)


def identity(side: int, right) -> Claim[Instance]:
    return exact("=", lambda i: i.sine(side), right)


def bound_claim(side: int, right, *, tight: bool = False) -> Claim[Instance]:
    return exact("<=", lambda i: i.sine(side), right, tight=tight)


def spectrum(measured, bound, *, tight: bool = False) -> Claim[Instance]:
    return exact("<=", measured, bound, scale=lambda i: i.size, tight=tight)


def _ratio(x):
    """sin ∠(û₁,u) ŝ₁/tau for 3 x 3 M, u = v = e₁, T = 0.4 X/‖X‖₂; other coordinates are rotations."""
    import torch

    X = x.reshape(3, 3)
    M = 0.4 * X / torch.linalg.svdvals(X)[0] + torch.diag(torch.tensor([1.0, 0.0, 0.0], dtype=x.dtype))
    U, S, _ = torch.linalg.svd(M)
    return U[1:, 0].norm() * S[0] / 0.4


def _searched(x: Float[ndarray, " 9"]) -> Instance:
    T, e = 0.4 * x.reshape(3, 3) / np.linalg.norm(x.reshape(3, 3), 2), np.eye(3)[0]
    return Instance(T, e, e, 1.0, T + np.outer(e, e), 0.4, 0)


STATEMENT = Statement(
    key="posterior-angle",
    kind="tight",
    law="sin ∠(û_i,u) = ‖P_u T v̂_i‖/ŝ_i <= tau/ŝ_i for every triple of M and every asserted tau >= ‖T‖; same for v",
    basis="proved here",
    assumptions={
        "the decomposed matrix is M": lambda i: bool(np.abs(i.D - i.M).max() <= 1e-12 * i.size),
        "ŝ_i > 0": lambda i: i.s > RESOLVED * i.size,
        "the asserted tau is at least ‖T‖": Border(lambda i: i.tau / float(np.linalg.norm(i.T, 2)) - 1 + 1e-12),
    },
    draw=draw,
    claims={
        "left identity": identity(0, lambda i: i.pushed(0) / i.s),
        "right identity": identity(1, lambda i: i.pushed(1) / i.s),
        "left bound": bound_claim(0, lambda i: i.tau / i.s, tight=True),
        "right bound": bound_claim(1, lambda i: i.tau / i.s, tight=True),
        "all the spectrum says of tau": spectrum(lambda i: i.s2, lambda i: i.tau, tight=True),
    },
    extremal=extremal,
    violators={
        "the decomposed matrix is M": rank_one_fit,
        "ŝ_i > 0": lambda rng: extremal(rng, index=2),  # M has rank 2: rounding over rounding
        "the asserted tau is at least ‖T‖": lambda rng: replace(i := extremal(rng), tau=0.7 * i.tau),
    },
    search=Search("left bound", 9, _ratio, _searched, restarts=2, steps=200),
    route=Route("left identity", lambda i: float(np.sin(subspace_angles(_by_gram(i)[0], i.u[:, None])[0])), _uncertain),
)
