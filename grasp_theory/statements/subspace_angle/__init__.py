"""subspace-angle (tight). Several factors at once: after looking, and what can be promised before.

Statement. M = T + U N, U (m × q) with orthonormal columns, N (q × d) of rank q, sigma = σ_q(N); for factors u_j v_jᵀ of
strengths beta_j with orthonormal u_j, v_j, sigma = min beta_j. P_U = I − U Uᵀ, P_V the same for the row space of N,
‖T‖₂ <= tau (asserted). For any block J of singular triples of M with ŝ_J = min_J ŝ_i > 0,

    ‖P_U Û_J‖₂ = ‖P_U T V̂_J Ŝ_J⁻¹‖₂ <= tau/ŝ_J,      ‖P_V V̂_J‖₂ <= tau/ŝ_J.

Before looking, for the top q triples and the largest angle Theta between the spans, on either side: if tau < sigma/2,

    sin 2 Theta <= 2 tau/sigma,   Theta < 45°.

Equal strengths: U Vᵀ = (U O)(V O)ᵀ for every rotation O, so only the span is identified: any unit vector of span(U) is
a factor of some frame that explains M as well, and no û_i need be near a given u_j (false variant).

Assumes: U has orthonormal columns; ŝ_J > 0; the asserted tau is at least ‖T‖; tau < σ_q/2.

Proof (here). Û_J Ŝ_J = M V̂_J and P_U M = P_U T; the mirror image with M P_V = T P_V. Before looking: J_L = 2 Û Ûᵀ − I,
J_R = 2 V̂ V̂ᵀ − I for *any* block of triples. M is block diagonal in these splits, so J_L M J_R = M, that is

    J_L (U N) J_R − U N = −(J_L T J_R − T),   of norm <= 2 tau.

Apply P_U: ‖P_U J_L U N J_R‖ <= 2 tau, and N J_R has σ_q = sigma, so sigma ‖P_U J_L U‖ <= 2 tau. Mirroring span(U) at
span(Û) doubles each principal angle, so ‖P_U J_L U‖ = max_i sin 2 theta_i. The right side is the transpose. It remains
that no theta_i is beyond 45°: for t T in place of T, 0 <= t <= 1, ŝ_q >= sigma − t tau > t tau >= ŝ_{q+1}, so Û moves
continuously from span(U), and sin 2 theta_i <= 2 t tau/sigma < 1 all the way. Attained by the 2 x 2 instances
of ``posterior-angle`` and ``prior-angle``, a plane for each factor. ∎ Source: proved here.

The second half is a sin 2 Theta theorem, in the sense of Davis and Kahan, for each of the two singular subspaces; it
contains ``prior-angle`` (q = 1).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from jaxtyping import Float
from numpy import ndarray
from scipy.linalg import expm, subspace_angles

from ..shared.draws import log_uniform, orthonormal, sharp
from ..statement import Border, Claim, Route, Search, Sides, Statement, exact


@dataclass(frozen=True, eq=False)
class Instance:
    """M = T + U N, a block of its triples, the asserted tau >= ‖T‖₂."""

    T: Float[ndarray, "m d"]
    U: Float[ndarray, "m q"]
    N: Float[ndarray, "q d"]
    tau: float
    block: tuple[int, ...]

    @property
    def q(self) -> int:
        """Number of factors."""
        return self.U.shape[1]

    @cached_property
    def sigma(self) -> float:
        """σ_q(N)."""
        return float(np.linalg.svd(self.N, compute_uv=False)[-1])

    @cached_property
    def svd(self) -> tuple[ndarray, ndarray, ndarray]:
        """Û, ŝ, V̂ᵀ of M, thin."""
        U, S, Vh = np.linalg.svd(self.T + self.U @ self.N, full_matrices=False)
        return U, S, Vh

    @cached_property
    def V(self) -> Float[ndarray, "d q"]:
        """An orthonormal basis of the row space of N."""
        return np.linalg.svd(self.N, full_matrices=False)[2].T

    @property
    def least(self) -> float:
        """ŝ_J."""
        return float(self.svd[1][list(self.block)].min())

    def off(self, side: int, block: tuple[int, ...]) -> float:
        """‖P_U Û_J‖₂ for side 0, ‖P_V V̂_J‖₂ for side 1."""
        J = list(block)
        return norm_off(self.svd[0][:, J], self.U) if side == 0 else norm_off(self.svd[2][J].T, self.V)


def norm_off(X: Float[ndarray, "n k"], U: Float[ndarray, "n q"]) -> float:
    """‖(I − U Uᵀ) X‖₂."""
    return float(np.linalg.norm(X - U @ (U.T @ X), 2))


def draw(rng: np.random.Generator) -> Instance:
    """1 to 3 factors, equal strengths half of the time; generic T, or copies of either extremal instance, perturbed.

    rho up to just above ½; the asserted tau is ‖T‖ or more, or (outside the assumptions) less.
    """
    q = int(rng.integers(1, 4))
    m, d = (int(n) for n in rng.integers(2 * q, 2 * q + 5, 2))
    beta, rho = log_uniform(rng, 0.2, 5), rng.uniform(0.05, 0.56)
    block = tuple(int(j) for j in rng.permutation(min(m, d))[: rng.integers(1, q + 1)])
    kind = rng.integers(4)
    if kind == 0:
        i = copies(rng, m, d, beta, rho, rho * rng.choice([1.0, 2.0], q) * rng.uniform(0.98, 1.02))
        return replace(i, tau=i.tau * rng.choice([1.0, 0.9], p=[0.8, 0.2]))
    strengths = beta * (np.ones(q) if kind == 1 else rng.uniform(0.3, 3, q))
    U, V = orthonormal(rng, m, q), orthonormal(rng, d, q)
    N = strengths[:, None] * V.T
    if kind == 3:  # rows of N that are not orthogonal: only σ_q(N) counts
        N = (np.eye(q) + 0.3 * rng.standard_normal((q, q))) @ N
    T = rng.standard_normal((m, d))
    T *= rho * np.linalg.svd(N, compute_uv=False)[-1] / np.linalg.norm(T, 2)
    return Instance(T, U, N, float(np.linalg.norm(T, 2)) * rng.choice([1.0, 1.1, 1.2]), block)


def copies(rng: np.random.Generator, m: int, d: int, beta: float, rho: float, s: ndarray) -> Instance:
    """A plane a factor, T = tau [[−s, c], [c, s]]: s = rho attains the bound after looking, 2 rho the one before."""
    q, s = len(s), np.clip(s, 0, 1)
    left, right, c = orthonormal(rng, m, 2 * q), orthonormal(rng, d, 2 * q), np.sqrt(1 - s * s)
    T = rho * beta * left @ np.block([[np.diag(-s), np.diag(c)], [np.diag(c), np.diag(s)]]) @ right.T
    return Instance(T, left[:, :q], beta * right[:, :q].T, rho * beta, tuple(range(q)))


def extremal(rng: np.random.Generator) -> Instance:
    """Three factors in R⁸ x R⁷, rho = 0.3: the third attains the bound before looking, the top two the one after."""
    return replace(copies(rng, 8, 7, 1.5, 0.3, np.array([0.3, 0.3, 0.6])), block=(0, 1))


def _by_iteration(i: Instance) -> float:
    """Largest sine of the top q left vectors' span by 400 steps of subspace iteration from a random start."""
    M, X = i.T + i.U @ i.N, np.random.default_rng(0).standard_normal((i.T.shape[1], i.U.shape[1]))
    for _ in range(400):
        X = np.linalg.qr(M.T @ (M @ X))[0]
    return float(np.sin(subspace_angles(M @ X, i.U)[0]))


def _iterated(i: Instance) -> float:
    """What 400 steps leave of the rest: (ŝ_{q+1}/ŝ_q)^800, and rounding."""
    S = np.append(i.svd[1], 0.0)
    return 1e-7 + 1e3 * float(S[i.q] / S[i.q - 1]) ** 800


def _mirrored(i: Instance) -> float:
    """‖P_U J_L U‖₂ for the top q triples."""
    X = i.svd[0][:, : i.q]
    return norm_off(2 * X @ (X.T @ i.U) - i.U, i.U)


def doubled(i: Instance) -> float:
    """The largest sin 2 theta_i of the principal angles between span(U) and the span of the top q left vectors."""
    cosines = np.linalg.svd(i.U.T @ i.svd[0][:, : i.q], compute_uv=False).clip(0, 1)
    return float(np.max(2 * cosines * np.sqrt(1 - cosines**2)))


def _pushed(i: Instance) -> float:
    """‖P_U T V̂_J Ŝ_J⁻¹‖₂."""
    J = list(i.block)
    return norm_off(i.T @ i.svd[2][J].T / i.svd[1][J], i.U)


def angle(side: int, bound, *, before: bool = False, tight: bool = False) -> Claim[Instance]:
    """Of the block's span, or of the top q triples' (``before`` looking), against the bound."""
    return exact("<=", lambda i: i.off(side, tuple(range(i.q)) if before else i.block), bound, tight=tight)


def _ratio(x):
    """sin Theta over its bound before looking: q = 2, U = V = [e₁ e₂] of R³, T = 0.3 O, O orthogonal with det −1."""
    import torch

    S = x.reshape(3, 3)
    flip, factors = torch.diag(x.new_tensor([1.0, 1.0, -1.0])), torch.diag(x.new_tensor([1.0, 1.0, 0.0]))
    M = 0.3 * torch.linalg.matrix_exp(S - S.T) @ flip + factors
    U, _, _ = torch.linalg.svd(M)
    return U[2, :2].norm() / sharp(0.3)


def _searched(x: Float[ndarray, " 9"]) -> Instance:
    S = x.reshape(3, 3)
    return Instance(0.3 * expm(S - S.T) @ np.diag([1.0, 1.0, -1.0]), np.eye(3)[:, :2], np.eye(3)[:2], 0.3, (0, 1))


STATEMENT = Statement(
    key="subspace-angle",
    kind="tight",
    law="‖P_U Û_J‖ <= tau/min_J ŝ for any block of triples; top q: sin 2 Theta <= 2 tau/σ_q for tau < σ_q/2",
    basis="proved here",
    assumptions={
        "U has orthonormal columns": lambda i: bool(np.abs(i.U.T @ i.U - np.eye(i.q)).max() < 1e-10),
        "ŝ_J > 0": lambda i: i.least > 1e-6 * i.svd[1][0],
        "the asserted tau is at least ‖T‖": Border(lambda i: i.tau / float(np.linalg.norm(i.T, 2)) - 1 + 1e-12),
        "tau < σ_q/2": Border(lambda i: i.sigma / (2 * i.tau) - 1),
    },
    draw=draw,
    claims={
        "identity": exact("=", lambda i: i.off(0, i.block), _pushed),
        "left, after": angle(0, lambda i: i.tau / i.least, tight=True),
        "right, after": angle(1, lambda i: i.tau / i.least, tight=True),
        "mirroring doubles the angles": Claim("=", lambda i: Sides.exact(_mirrored(i), doubled(i), scale=10.0)),
        "left, before": angle(0, lambda i: sharp(i.tau / i.sigma), before=True, tight=True),
        "right, before": angle(1, lambda i: sharp(i.tau / i.sigma), before=True, tight=True),
    },
    extremal=extremal,
    violators={
        "U has orthonormal columns": lambda rng: replace(i := extremal(rng), U=i.U / 0.9, N=0.9 * i.N),
        "ŝ_J > 0": lambda rng: replace(extremal(rng), block=(0, 6)),
        "the asserted tau is at least ‖T‖": lambda rng: replace(i := extremal(rng), tau=0.7 * i.tau),
        "tau < σ_q/2": lambda rng: copies(rng, 7, 8, 1.0, 0.6, np.ones(2)),
    },
    search=Search("left, before", 9, _ratio, _searched, restarts=2, steps=120),
    route=Route("left, before", _by_iteration, _iterated, "measured"),
)
