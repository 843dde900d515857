"""identify-then-remove (tight). Identification from the weights, then removal: what is left, before and after looking.

Statement. dW = M = T + beta u vᵀ, tau >= ‖T‖₂ asserted, tau < beta/2, (û, ŝ1, v̂) the top triple of M. Projecting off û,
projecting off v̂ and deleting the triple are one and the same edit, D = P_û M = M P_v̂ = M − ŝ1 û v̂ᵀ. Of the shortcut it
leaves F = P_û beta u vᵀ seen from the write side, beta u vᵀP_v̂ seen from the read side; for both:

                        a posteriori            a priori
    response |uᵀF v|    <= beta (tau/ŝ1)²       <= ½(beta − √(beta² − 4 tau²)) = beta sin²(½ arcsin 2 rho)
    norm ‖F‖₂           <= beta tau/ŝ1          <= beta sin(½ arcsin 2 rho)
    excess risk ‖D − T‖_F² <= tau² (1 + (beta/ŝ1)²)
    reliance left in all |uᵀD v| <= ŝ2 (tau/ŝ1)² <= tau³/ŝ1²: third order, paid for by removing uᵀT v as well.

The a posteriori bounds are attained together, the a priori ones together on another instance, at every rho; for the
reliance ŝ2 (tau/ŝ1)² is approached as ŝ2 → 0. tau²/beta is the a priori response to leading order only, and a false
bound. The response of the whole error, |uᵀ(D − T) v|, is *not* second order: uᵀT v goes with the triple (false
variant); it is at most |uᵀT v| + ŝ2 (tau/ŝ1)².

Assumes: tau < beta/2; dW = M; ‖T‖₂ <= tau.

Proof (here). sin θ <= tau/ŝ1 (posterior-angle), sin 2θ <= 2 tau/beta (prior-angle), and angle-forgiveness: response
beta sin²θ, norm beta sin θ, risk beta² sin²θ_v + ‖T v̂‖². M v̂ = ŝ1 û makes the edits one. uᵀD v =
(P_û u)ᵀ D (P_v̂ v) and ‖D‖₂ = ŝ2 <= tau (Weyl). Attained a posteriori by T = tau [[−s, q], [q, s]], s = rho,
q = √(1 − rho²), where ŝ1 = beta and both sines are rho; a priori by T = tau [[−sin 2θ, cos 2θ], [cos 2θ, sin 2θ]],
sin 2θ = 2 rho. ∎

A rank-r run with Sigma ≠ I does not learn M's triples (the violator); there take dW Sigma^½ (whitened-angle). And tau
has to be asserted: the spectrum gives ŝ2 <= tau, so ŝ2 in its place fails, and any tau below ‖T‖₂ does.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from ...linear.problem import psd_root
from ..shared.draws import Planted, flip, log_uniform, mirror, orthonormal, sharp, unit, with_spectrum
from ..statement import Border, Claim, Route, Search, Sides, Statement, exact

JUST = 1 + 1e-12  # tau is asserted, and a border is not inside


@dataclass(frozen=True, eq=False)
class Instance(Planted):
    """T, beta u vᵀ, input moment Sigma, rank r of the naive run, and the tau that is asserted for T."""

    tau: float
    Sigma: Float[ndarray, "d d"]
    r: int

    @cached_property
    def dW(self) -> Float[ndarray, "m d"]:
        """What the naive run learns, [M S]_r S⁻¹."""
        S = psd_root(self.Sigma)
        U, s, Vh = np.linalg.svd(self.M @ S, full_matrices=False)
        return U[:, : self.r] * s[: self.r] @ Vh[: self.r] @ np.linalg.inv(S)

    @cached_property
    def triples(self) -> tuple[Float[ndarray, "m k"], Float[ndarray, " k"], Float[ndarray, "k d"]]:
        """SVD of dW."""
        U, s, Vh = np.linalg.svd(self.dW, full_matrices=False)
        return U, s, Vh

    @property
    def slope(self) -> float:
        """tau/ŝ1."""
        return self.tau / float(self.triples[1][0])

    @property
    def s2(self) -> float:
        """ŝ2, 0 for one row or one column."""
        return float(self.triples[1][1:2].sum())

    def left_by_shortcut(self) -> tuple[Float[ndarray, "m d"], Float[ndarray, "m d"]]:
        """(P_û beta u vᵀ, beta u vᵀ P_v̂)."""
        U, _, Vh = self.triples
        shortcut = self.beta * np.outer(self.u, self.v)
        return shortcut - np.outer(U[:, 0], U[:, 0] @ shortcut), shortcut - np.outer(shortcut @ Vh[0], Vh[0])

    @property
    def rho(self) -> float:
        """tau/beta."""
        return self.tau / self.beta

    def deleted(self) -> Float[ndarray, "m d"]:
        """D = dW − ŝ1 û v̂ᵀ."""
        U, s, Vh = self.triples
        return self.dW - s[0] * np.outer(U[:, 0], Vh[0])


def draw(rng: np.random.Generator) -> Instance:
    """rho up to ½, every third 0.2 to 16% from it on either side; a half in extremal planes and between them.

    tau is asserted exactly, up to 30% too large or, outside the assumptions, up to 15% too small.
    """
    m, d = (int(n) for n in rng.integers(2, 9, 2))
    beta, kind = log_uniform(rng, 0.1, 10), rng.random()
    near = rng.random() < 1 / 3
    rho = 0.5 * (1 + rng.choice([-1, 1]) * log_uniform(rng, 0.002, 0.16)) if near else rng.uniform(0.02, 0.5)
    asserted = rng.choice([JUST, JUST, JUST, rng.uniform(1.0, 1.3), rng.uniform(0.85, 1.0)])
    if kind < 0.5:
        sine = min(rho * (2.0 if near else rng.choice([rng.uniform(0, 1), 1.0, 1.55, 2.0])), 1.0)
        i = _in_plane(rng, m, d, beta, rho, np.arcsin(sine))
        return replace(i, tau=asserted * i.tau)
    T = with_spectrum(rng, m, d, rho * beta * np.concatenate([[1.0], rng.random(min(m, d) - 1)]))
    return Instance(T, unit(rng, m), unit(rng, d), beta, rho * beta * asserted, np.eye(d), min(m, d))


def _in_plane(rng: np.random.Generator, m: int, d: int, beta: float, rho: float, angle: float) -> Instance:
    """T = tau [[−sin, cos], [cos, sin]](angle): sin = rho attains a posteriori, sin = 2 rho a priori."""
    T, u, v = flip(rng, m, d, beta, rho, s=np.sin(angle))
    return Instance(T, u, v, beta, JUST * float(np.linalg.norm(T, 2)), np.eye(d), min(m, d))


def attaining(i: Instance, sine: float) -> Instance:
    """The plane instance of the same beta and tau at this sine."""
    e = np.eye(2)
    return Instance(i.tau * mirror(min(sine, 1.0)), e[0], e[0], i.beta, i.tau, e, 2)


def extremal(rng: np.random.Generator) -> Instance:
    """Attains every a posteriori bound to 1e-4, rho = 0.4: there ŝ2 = 0 exactly, and the reliance would be 0/0."""
    return _in_plane(rng, 5, 4, 2.0, 0.4, float(np.arcsin(0.4)) + 1e-4)


def low_rank_run(rng: np.random.Generator) -> Instance:
    """T = 0.1 [[1, 1], [1, −1]], Sigma = [[1, −4], [−4, 24]], r = 1, turned: dW is not M."""
    left, right, tau = orthonormal(rng, 2, 2), orthonormal(rng, 2, 2), 0.1 * np.sqrt(2)
    T = 0.1 * left @ np.array([[1.0, 1.0], [1.0, -1.0]]) @ right.T
    Sigma = right @ np.array([[1.0, -4.0], [-4.0, 24.0]]) @ right.T
    return Instance(T, left[:, 0], right[:, 0], 1.0, tau * JUST, (Sigma + Sigma.T) / 2, 1)


def _worst(measure, bound, *, tight: bool = False) -> Claim[Instance]:
    """The worse of the write side and the read side."""
    return exact(
        "<=", lambda i: max(measure(i, F) for F in i.left_by_shortcut()), bound, scale=lambda i: i.beta, tight=tight
    )


def response(bound, *, tight: bool = False) -> Claim[Instance]:
    return _worst(lambda i, F: abs(i.u @ F @ i.v), bound, tight=tight)


def norm(bound, *, tight: bool = False) -> Claim[Instance]:
    return _worst(lambda i, F: float(np.linalg.norm(F, 2)), bound, tight=tight)


def risk_claim(bound, *, tight: bool = False) -> Claim[Instance]:
    return exact("<=", lambda i: np.sum((i.deleted() - i.T) ** 2), bound, scale=lambda i: i.beta**2, tight=tight)


def reliance(bound, *, tight: bool = False) -> Claim[Instance]:
    return exact("<=", lambda i: abs(i.u @ i.deleted() @ i.v), bound, scale=lambda i: i.beta, tight=tight)


def whole_error(bound, *, tight: bool = False) -> Claim[Instance]:
    """|uᵀ(D − T) v|."""
    return exact("<=", lambda i: abs(i.u @ (i.deleted() - i.T) @ i.v), bound, scale=lambda i: i.beta, tight=tight)


def attained(of: Claim[Instance], sine) -> Claim[Instance]:
    """This claim is an equality on the plane instance of the same beta and tau."""
    return Claim("=", lambda i: of.sides(attaining(i, sine(i))))


def one_edit(i: Instance) -> Sides:
    """‖P_û M − M P_v̂‖ + ‖P_û M − (M − ŝ1 û v̂ᵀ)‖ = 0."""
    U, _, Vh = i.triples
    write, read = i.M - np.outer(U[:, 0], U[:, 0] @ i.M), i.M - np.outer(i.M @ Vh[0], Vh[0])
    apart = float(np.linalg.norm(write - read) + np.linalg.norm(write - i.deleted()))
    return Sides.exact(apart, 0.0, scale=i.beta)


def without_best_rank_one(i: Instance) -> float:
    """‖M − b aᵀ − T‖², b aᵀ the best fit of rank one: a by repeated squaring of MᵀM, b by least squares."""
    M = i.T + i.beta * np.outer(i.u, i.v)
    G = M.T @ M
    for _ in range(40):
        G = G @ G / np.sum(G**2)
    a = G[:, np.argmax(np.diag(G))]
    return float(np.sum((M - np.outer(M @ a, a) / (a @ a) - i.T) ** 2))


def _ratio(x):
    """A priori, at rho = 0.4: beta sin²θ_v over ½(beta − √(beta² − 4 tau²)), 2 x 2, u = v = e₁, T = 0.4 X/‖X‖₂."""
    import torch

    X = x.reshape(2, 2)
    M = 0.4 * X / torch.linalg.svdvals(X)[0] + torch.tensor([[1.0, 0.0], [0.0, 0.0]], dtype=x.dtype)
    U, _, Vh = torch.linalg.svd(M)
    return torch.maximum(U[1, 0] ** 2, Vh[0, 1] ** 2) / (0.5 * (1 - (1 - 4 * 0.4**2) ** 0.5))


def _searched(x: Float[ndarray, " 4"]) -> Instance:
    X, e = x.reshape(2, 2), np.eye(2)
    return Instance(0.4 * X / np.linalg.norm(X, 2), e[0], e[0], 1.0, 0.4 * JUST, e, 2)


RESPONSE, NORM = response(lambda i: i.beta * sharp(i.rho) ** 2, tight=True), norm(lambda i: i.beta * sharp(i.rho))

STATEMENT = Statement(
    key="identify-then-remove",
    kind="tight",
    law="response left <= beta (tau/ŝ1)² and <= ½(beta − √(beta² − 4 tau²)); norm left <= beta tau/ŝ1",
    basis="proved here",
    assumptions={
        "tau < beta/2": Border(lambda i: 0.5 * i.beta / i.tau - 1),
        "dW = M": lambda i: np.allclose(i.dW, i.M, rtol=0, atol=1e-9 * i.beta),
        "‖T‖₂ <= tau": Border(lambda i: i.tau / float(np.linalg.norm(i.T, 2)) - 1 + 1e-12),
    },
    draw=draw,
    fixed=frozenset({"Sigma"}),
    claims={
        "response, a posteriori": response(lambda i: i.beta * i.slope**2, tight=True),
        "response, a priori": RESPONSE,
        "norm, a posteriori": norm(lambda i: i.beta * i.slope, tight=True),
        "norm, a priori": NORM,
        "response, a priori, attained": attained(RESPONSE, lambda i: 2 * i.tau / i.beta),
        "norm, a priori, attained": attained(NORM, lambda i: 2 * i.tau / i.beta),
        "risk": risk_claim(lambda i: i.tau**2 * (1 + (i.beta / i.triples[1][0]) ** 2), tight=True),
        "reliance left in all": reliance(lambda i: i.s2 * i.slope**2, tight=True),
        "response of the whole error": whole_error(lambda i: abs(i.u @ i.T @ i.v) + i.s2 * i.slope**2, tight=True),
        "one edit": Claim("=", one_edit),
    },
    extremal=extremal,
    violators={
        # T = −0.6 beta (u vᵀ − u' v'ᵀ): the top pair is (u', v'), and nothing of the shortcut goes
        "tau < beta/2": lambda rng: _in_plane(rng, 6, 5, 1.5, 0.6, np.pi / 2),
        "dW = M": low_rank_run,
        # "read off" as ŝ2, where M is close to rank one and ŝ2 far below ‖T‖₂
        "‖T‖₂ <= tau": lambda rng: replace(i := _in_plane(rng, 5, 4, 2.0, 0.4, 0.45), tau=i.s2),
    },
    search=Search("response, a priori", 4, _ratio, _searched, restarts=4, steps=200),
    route=Route("risk", without_best_rank_one, lambda i: 1e-11 * i.beta**2, "measured"),
)
