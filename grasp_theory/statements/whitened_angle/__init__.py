"""whitened-angle (tight). The posterior certificate for a real LoRA run: any rank, any input covariance.

Statement. Sigma = S Sᵀ for any S (Sigma^½, or X/√n with the inputs as columns), dW the optimum of rank r >= 1 and
X = dW S, (ŝ_i, û_i, v̂_i) a triple of X with ŝ_i > 0, tau_S = ‖T S‖₂ (asserted, as in ``posterior-angle``). Then

    X = [M S]_r: its r triples are the first r of M S, whatever r is;
    sin ∠(û_i, u) = ‖P_u T S v̂_i‖/ŝ_i <= tau_S/ŝ_i,      sin ∠(v̂_i, Sᵀv) <= tau_S/ŝ_i.

v̂ estimates Sᵀv, not v. For Sigma ≻ 0 two directions of the input follow from it, and they differ: the read functional
(S⁺)ᵀv̂_i, with sin ∠((S⁺)ᵀv̂_i, v) = ‖P_v Tᵀû_i‖/‖Mᵀû_i‖, and the pattern of activations S v̂_i, which estimates Sigma v.
The promise before looking is ``prior-angle`` with T S and beta‖Sᵀv‖ for T and beta. It is the factor's input, not its
being always on, that counts: if v is an eigenvector and its variance lambda → ∞, û₁ → M v/‖M v‖ at the rate 1/lambda,
hence sin → ‖P_u T v‖/‖M v‖; another direction w that dominates (a mean of the activations) with T w ≠ 0 gives the
limit T w + beta (vᵀw) u, at any angle to u (some of the draws).

Assumes: the decomposed matrix is dW S after convergence; Sigma ≻ 0; ŝ_i > 0.

Proof (here). min ‖(D − M) S‖_F over rank D <= r: D S ranges over the matrices of rank <= r with row space in that of S,
where [M S]_r lies, so D S = [M S]_r (Eckart–Young). Then ``posterior-angle`` for M S = T S + beta u (Sᵀv)ᵀ.
ŝ_i v̂_i = SᵀMᵀû_i and (S⁺)ᵀSᵀ = I for Sigma ≻ 0, so (S⁺)ᵀv̂_i ∝ Mᵀû_i = Tᵀû_i + beta (uᵀû_i) v.
Limit: M Sigma Mᵀ = lambda M v (M v)ᵀ + M Sigma' Mᵀ, perturbed by O(1) against a gap ~ lambda.
Tight: the extremal T of ``posterior-angle``, times S⁻¹. ∎ Source: proved here.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from ..shared.draws import covariance, flip, log_uniform, orthonormal, sine, unit
from ..statement import Claim, Rate, Sides, Statement


@dataclass(frozen=True, eq=False)
class Instance:
    """X, which should be dW S for the rank-r optimum dW; triple ``index`` of it."""

    T: Float[ndarray, "m d"]
    u: Float[ndarray, " m"]
    v: Float[ndarray, " d"]
    beta: float
    S: Float[ndarray, "d n"]
    r: int
    X: Float[ndarray, "m n"]
    index: int

    @property
    def M(self) -> Float[ndarray, "m d"]:
        """T + beta u vᵀ."""
        return self.T + self.beta * np.outer(self.u, self.v)

    @cached_property
    def tau(self) -> float:
        """‖T S‖₂."""
        return float(np.linalg.norm(self.T @ self.S, 2))

    @cached_property
    def triple(self) -> tuple[ndarray, float, ndarray]:
        """(û_i, ŝ_i, v̂_i)."""
        U, values, Vh = np.linalg.svd(self.X, full_matrices=False)
        return U[:, self.index], float(values[self.index]), Vh[self.index]


def optimum(M: Float[ndarray, "m d"], S: Float[ndarray, "d n"], r: int) -> Float[ndarray, "m d"]:
    """The minimiser of ‖(D − M) S‖_F of rank r (of least norm where Sigma is singular)."""
    U, values, Vh = np.linalg.svd(M @ S, full_matrices=False)
    return (U[:, :r] * values[:r] @ Vh[:r]) @ np.linalg.pinv(S, rcond=1e-10)


def make(T: ndarray, u: ndarray, v: ndarray, beta: float, S: ndarray, r: int, index: int) -> Instance:
    """The instance after training."""
    return Instance(T, u, v, beta, S, r, optimum(T + beta * np.outer(u, v), S, r) @ S, index)


def draw(rng: np.random.Generator) -> Instance:
    """Square roots of any shape; a dominating direction of the inputs, v or another; near-extremal T."""
    m, d = (int(n) for n in rng.integers(2, 8, 2))
    u, v, beta = unit(rng, m), unit(rng, d), log_uniform(rng, 0.2, 5)
    Sigma = covariance(rng, d, condition=30)
    if rng.random() < 0.5:  # a mean of the activations: the factor's direction (always on) or another one
        w = v if rng.random() < 0.5 else unit(rng, d)
        Sigma = Sigma + log_uniform(rng, 10, 4000) * np.outer(w, w)
    S = np.linalg.cholesky(Sigma) @ orthonormal(rng, d + int(rng.integers(0, 4)), d).T
    r = int(rng.integers(1, min(m, d) + 1))
    T = rng.standard_normal((m, d)) * log_uniform(rng, 0.05, 1) * beta
    if rng.random() < 0.3:
        return make(*_worst(rng, m, np.linalg.cholesky(Sigma), beta, rng.uniform(0.1, 0.9), rng.normal() / 20), r, 0)
    return make(T, u, v, beta, S, r, int(rng.integers(r)))


def extremal(rng: np.random.Generator, r: int = 2, index: int = 0) -> Instance:
    """rho = ‖T S‖/(beta‖Sᵀv‖) = 0.4 in R⁵ x R⁴."""
    return make(*_worst(rng, 5, np.linalg.cholesky(covariance(rng, 4)), 2.0, 0.4), r, index)


def _worst(rng: np.random.Generator, m: int, S: ndarray, beta: float, rho: float, tilt: float = 0.0):
    """(T, u, v, beta, S) with T S the extremal task of ``posterior-angle`` for u, Sᵀv; S square."""
    whitened, u, x = flip(rng, m, len(S), 1.0, rho, tilt=tilt)
    v = np.linalg.solve(S.T, x)  # made a unit vector, Sᵀv has length 1/‖S⁻ᵀx‖: the task shrinks alike
    return beta / np.linalg.norm(v) * whitened @ np.linalg.inv(S), u, v / np.linalg.norm(v), beta, S


def singular(rng: np.random.Generator) -> Instance:
    """Inputs in a hyperplane that v is not in: the angles to u and Sᵀv hold, the read functional is not determined."""
    S = orthonormal(rng, 4, 3) * np.array([2.0, 1.0, 0.5]) @ orthonormal(rng, 4, 3).T
    return make(0.1 * rng.standard_normal((5, 4)), unit(rng, 5), unit(rng, 4), 1.0, S, 2, 0)


def route(i: Instance) -> Sides:
    """sin ∠(û₁,u) after fitting the factors B, A in turn by least squares on inputs S, from a random start."""
    change, steps = np.inf, 0
    dW, A = np.zeros_like(i.M), np.random.default_rng(0).standard_normal((i.r, len(i.v)))
    while change > 1e-14 and steps < 2000:
        B = np.linalg.lstsq(i.S.T @ A.T, i.S.T @ i.M.T, rcond=1e-12)[0].T
        A = np.linalg.lstsq(B, i.M, rcond=1e-12)[0]
        change, dW, steps = np.abs(B @ A - dW).max(), B @ A, steps + 1
    values, Q = np.linalg.eigh(dW @ i.S @ i.S.T @ dW.T)
    # where the fit is still moving (σ_r ~ σ_{r+1}) or û₁ is nearly tied, the vector is known that much less well
    slack = (1e-7 + 100 * change) / (1 - values[-2:-1].sum() / values[-1])
    return Sides(sine(np.linalg.svd(i.X)[0][:, 0], i.u), sine(Q[:, -1], i.u), slack)


def _always_on(size: int, rng: np.random.Generator) -> float:
    """rms of sin ∠(û₁,u) − ‖P_u T v‖/‖M v‖ at variance lambda = size along v."""
    errors = []
    for _ in range(200):
        u, v, T = unit(rng, 5), unit(rng, 4), 0.1 * rng.standard_normal((5, 4))
        P = np.eye(4) - np.outer(v, v)
        S = np.linalg.cholesky(P @ covariance(rng, 4) @ P + size * np.outer(v, v))
        errors.append(sine(np.linalg.svd((T + np.outer(u, v)) @ S)[0][:, 0], u) - sine(T @ v + u, u))
    return float(np.sqrt(np.mean(np.square(errors))))


def left(i: Instance) -> float:
    return sine(i.triple[0], i.u)


def off(x: Float[ndarray, " n"], w: Float[ndarray, " n"]) -> float:
    """‖(I − w wᵀ) x‖."""
    return float(np.linalg.norm(x - w * (w @ x)))


def read(i: Instance) -> Float[ndarray, " d"]:
    return i.triple[2] @ np.linalg.pinv(i.S, rcond=1e-10)


def read_law(i: Instance) -> float:
    return off(i.triple[0] @ i.T, i.v) / float(np.linalg.norm(i.triple[0] @ i.M))


def claim(relation, measured, bound, *, tight: bool = False) -> Claim[Instance]:
    return Claim(relation, lambda i: Sides.exact(measured(i), bound(i)), tight)


STATEMENT = Statement(
    key="whitened-angle",
    kind="tight",
    law="dW S = [M S]_r for S Sᵀ = Sigma and any r; sin ∠(û_i,u), sin ∠(v̂_i,Sᵀv) <= ‖T S‖/ŝ_i",
    basis="proved here",
    assumptions={
        "the decomposed matrix is dW S after convergence": lambda i: np.allclose(
            i.X, optimum(i.M, i.S, i.r) @ i.S, rtol=0, atol=1e-10 * np.linalg.norm(i.X, 2)
        ),
        "Sigma ≻ 0": lambda i: bool(np.linalg.cond(i.S) < 1e6),
        "ŝ_i > 0": lambda i: bool(i.triple[1] > 1e-6 * (np.linalg.norm(i.X, 2) + i.tau)),
    },
    draw=draw,
    claims={
        "left": claim("<=", left, lambda i: i.tau / i.triple[1], tight=True),
        "right": claim("<=", lambda i: sine(i.triple[2], i.S.T @ i.v), lambda i: i.tau / i.triple[1], tight=True),
        "left identity": claim("=", left, lambda i: off(i.T @ i.S @ i.triple[2], i.u) / i.triple[1]),
        "the rank does not matter": Claim(
            "=", lambda i: Sides.exact(i.triple[1], np.linalg.svd(i.M @ i.S)[1][i.index], scale=i.tau)
        ),
        "read functional": claim("=", lambda i: sine(read(i), i.v), read_law),
    },
    extremal=extremal,
    violators={
        "the decomposed matrix is dW S after convergence": lambda rng: replace(
            i := extremal(rng), X=optimum(i.M, i.S, i.r)
        ),
        "Sigma ≻ 0": singular,
        "ŝ_i > 0": lambda rng: extremal(rng, r=1, index=1),  # what is called û there is arbitrary
    },
    route=route,
    rates=(Rate("û₁ of an always-on factor", (32, 128, 512, 1024), _always_on, -1.0, 0.15, (2048,)),),
)
