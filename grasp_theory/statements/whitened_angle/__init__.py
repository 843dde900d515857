"""whitened-angle (tight). The posterior certificate for a rank-r fit: any rank, input covariance and output metric.

Statement. Loss E‖y − ŷ‖²_H with one metric H = GᵀG for all inputs (squared loss: G = I), Sigma = S Sᵀ for any G, S
(S = Sigma^½, or X/√n with the inputs as columns), dW the optimum of rank r >= 1 and X = G dW S, (ŝ_i, û_i, v̂_i) a
triple of X with ŝ_i > 0, tau_X = ‖G T S‖₂ (asserted, as in ``posterior-angle``). Then

    X = [G M S]_r: its r triples are the first r of G M S, whatever r is;
    sin ∠(û_i, G u) = ‖P_{Gu} G T S v̂_i‖/ŝ_i <= tau_X/ŝ_i,      sin ∠(v̂_i, Sᵀv) <= tau_X/ŝ_i.

û estimates G u and v̂ Sᵀv. Of the directions themselves, the written one is G⁺û_i, with sin ∠(G⁺û_i, u) = ‖P_u T S v̂_i‖/
‖M S v̂_i‖, and the read functional (S⁺)ᵀv̂_i, with sin ∠((S⁺)ᵀv̂_i, v) = ‖P_v TᵀGᵀû_i‖/‖MᵀGᵀû_i‖; the pattern of
activations S v̂_i estimates Sigma v. The promise before looking is ``prior-angle`` with G T S and beta‖G u‖‖Sᵀv‖.
If w, M w ≠ 0, is an eigenvector of Sigma whose variance lambda → ∞ (G = I), û₁ → M w/‖M w‖ at the rate 1/lambda: an
always-on factor, w = v, is found up to sin = ‖P_u T v‖/‖M v‖, but another w that dominates (a mean of the activations)
leads to T w + beta (vᵀw) u, at any angle to u.

The metric must be known: with G = I where the loss has another H, sin ∠(v̂,v) is 0.545 against "0.145" (the violator).
Softmax has another H for every input, so it has no such G: there the certificate holds for a quadratic model only.

Assumes: the decomposed matrix is G dW S after convergence; H ≻ 0; Sigma ≻ 0; ŝ_i > 0.

Proof (here). min ‖G (D − M) S‖_F over rank D <= r: G D S ranges over the matrices of rank <= r with columns in range(G)
and rows in that of Sᵀ, where [G M S]_r lies, so G D S = [G M S]_r (Eckart–Young). Then ``posterior-angle`` for G M S =
G T S + beta (G u)(Sᵀv)ᵀ. ŝ_i û_i = G M S v̂_i and G⁺G = I for H ≻ 0, so G⁺û_i ∝ M S v̂_i = T S v̂_i + beta (vᵀS v̂_i) u;
the read functional is the transpose. Limit: M Sigma Mᵀ = lambda M w (M w)ᵀ + M Sigma' Mᵀ, perturbed by O(1) against a
gap ~ lambda. Tight: the extremal T of ``posterior-angle``, between G⁻¹ and S⁻¹. ∎ Source: proved here.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from ..shared.draws import Planted, covariance, flip, log_uniform, orthonormal, sine, unit
from ..shared.maps import truncated
from ..statement import Claim, Rate, Route, Statement, exact


@dataclass(frozen=True, eq=False)
class Instance(Planted):
    """X, which should be G dW S for the rank-r optimum dW; triple ``index`` of it."""

    G: Float[ndarray, "k m"]
    S: Float[ndarray, "d n"]
    r: int
    X: Float[ndarray, "k n"]
    index: int

    @cached_property
    def tau(self) -> float:
        """‖G T S‖₂."""
        return float(np.linalg.norm(self.G @ self.T @ self.S, 2))

    @cached_property
    def triple(self) -> tuple[ndarray, float, ndarray]:
        """(û_i, ŝ_i, v̂_i)."""
        U, values, Vh = np.linalg.svd(self.X, full_matrices=False)
        return U[:, self.index], float(values[self.index]), Vh[self.index]


def optimum(M: Float[ndarray, "m d"], G: Float[ndarray, "k m"], S: Float[ndarray, "d n"], r: int) -> ndarray:
    """The minimiser of ‖G (D − M) S‖_F of rank r (of least norm where H or Sigma is singular)."""
    return np.linalg.pinv(G, rcond=1e-10) @ truncated(G @ M @ S, r) @ np.linalg.pinv(S, rcond=1e-10)


def make(
    T: ndarray, u: ndarray, v: ndarray, beta: float, G: ndarray, S: ndarray, *, r: int, index: int = 0
) -> Instance:
    """The instance after training."""
    return Instance(T, u, v, beta, G, S, r, G @ optimum(T + beta * np.outer(u, v), G, S, r) @ S, index)


def draw(rng: np.random.Generator) -> Instance:
    """Roots of any shape; a dominating direction of the inputs, v or another; near-extremal T; H = I or not."""
    m, d = (int(n) for n in rng.integers(2, 8, 2))
    u, v, beta = unit(rng, m), unit(rng, d), log_uniform(rng, 0.2, 5)
    Sigma = covariance(rng, d, condition=30)
    H = np.eye(m) if rng.random() < 0.3 else covariance(rng, m, condition=30)
    if rng.random() < 0.5:  # a mean of the activations: the factor's direction (always on) or another one
        w = v if rng.random() < 0.5 else unit(rng, d)
        Sigma = Sigma + log_uniform(rng, 10, 4000) * np.outer(w, w)
    S = np.linalg.cholesky(Sigma) @ orthonormal(rng, d + int(rng.integers(0, 4)), d).T
    G = orthonormal(rng, m + int(rng.integers(0, 2)), m) @ np.linalg.cholesky(H).T
    r = int(rng.integers(1, min(m, d) + 1))
    T = rng.standard_normal((m, d)) * log_uniform(rng, 0.05, 1) * beta
    if rng.random() < 0.3:
        roots = np.linalg.cholesky(H).T, np.linalg.cholesky(Sigma)
        return make(*_worst(rng, *roots, beta, rng.uniform(0.1, 0.9), rng.normal() / 20), r=r)
    return make(T, u, v, beta, G, S, r=r, index=int(rng.integers(r)))


def extremal(rng: np.random.Generator, r: int = 2, index: int = 0) -> Instance:
    """rho = ‖G T S‖/(beta‖G u‖‖Sᵀv‖) = 0.4 in R⁵ x R⁴."""
    G, S = (np.linalg.cholesky(covariance(rng, n)) for n in (5, 4))
    return make(*_worst(rng, G, S, 2.0, 0.4), r=r, index=index)


def _worst(rng: np.random.Generator, G: ndarray, S: ndarray, beta: float, rho: float, tilt: float = 0.0):
    """(T, u, v, beta, G, S) with G T S the extremal task of ``posterior-angle`` for G u, Sᵀv; G and S square."""
    whitened, x, y = flip(rng, len(G), len(S), 1.0, rho, tilt=tilt)
    u, v = np.linalg.solve(G, x), np.linalg.solve(S.T, y)
    strength = beta / np.linalg.norm(u) / np.linalg.norm(v)
    T = strength * np.linalg.solve(G, whitened) @ np.linalg.inv(S)
    return T, u / np.linalg.norm(u), v / np.linalg.norm(v), beta, G, S


def other_metric(rng: np.random.Generator) -> Instance:
    """G = I is taken where the loss had H = [[1, −4], [−4, 24]]: sin ∠(v̂,v) 0.545 where tau/ŝ₁ = 0.145."""
    left, right = orthonormal(rng, 2, 2), orthonormal(rng, 4, 2)
    T, e = 0.1 * left @ np.array([[1.0, 1.0], [1.0, -1.0]]) @ right.T, np.eye(2)[0]
    G = np.linalg.cholesky(left @ np.array([[1.0, -4.0], [-4.0, 24.0]]) @ left.T).T
    i = make(T, left @ e, right @ e, 1.0, np.eye(2), np.eye(4), r=1)
    return replace(i, X=optimum(i.M, G, i.S, 1))


def singular(rng: np.random.Generator, side: int) -> Instance:
    """Outputs seen (side 0) or inputs (side 1) in a hyperplane that u or v is not in: the bounds still hold."""
    G, S = np.eye(4), np.eye(4)
    cut = orthonormal(rng, 4, 3) * np.array([2.0, 1.0, 0.5]) @ orthonormal(rng, 4, 3).T
    G, S = (cut, S) if side == 0 else (G, cut)
    return make(0.1 * rng.standard_normal((4, 4)), unit(rng, 4), unit(rng, 4), 1.0, G, S, r=2)


def _alternating(i: Instance) -> tuple[float, float]:
    """sin ∠(û_i, G u) after fitting B, A in turn by least squares from a random start, and how accurate it is."""
    B: ndarray
    A: ndarray
    dW: ndarray
    M, change, steps = i.T + i.beta * np.outer(i.u, i.v), np.inf, 0
    dW, A = np.zeros_like(M), np.random.default_rng(0).standard_normal((i.r, len(i.v)))
    while change > 1e-14 and steps < 2000:
        B = np.linalg.lstsq(i.S.T @ A.T, i.S.T @ M.T, rcond=1e-12)[0].T
        A = np.linalg.lstsq(i.G @ B, i.G @ M, rcond=1e-12)[0]
        change, dW, steps = np.abs(B @ A - dW).max(), B @ A, steps + 1
    X = i.G @ dW @ i.S
    values, Q = np.linalg.eigh(X @ X.T)
    k = len(values) - 1 - i.index
    gap = np.abs(np.delete(values, k) - values[k]).min(initial=values[-1]) / values[-1]
    # where the fit is still moving (σ_r ~ σ_{r+1}) or û_i is nearly tied, the vector is known that much less well
    w = i.G @ i.u / np.linalg.norm(i.G @ i.u)
    return float(np.linalg.norm(Q[:, k] - w * (w @ Q[:, k]))), float((1e-7 + 100 * change) / gap)


def _dominated() -> list[tuple[ndarray, ndarray, ndarray, ndarray]]:
    """Fixed (M, u, w, Sigma'), the covariance off w, every other w being v; G = I."""
    rng, made = np.random.default_rng(0), []
    for k in range(20):
        u, v, T = unit(rng, 5), unit(rng, 4), 0.1 * rng.standard_normal((5, 4))
        w = v if k % 2 else unit(rng, 4) + v
        w = w / np.linalg.norm(w)
        P = np.eye(4) - np.outer(w, w)
        made.append((T + np.outer(u, v), u, w, P @ covariance(rng, 4) @ P))
    return made


def _error(size: int, _: np.random.Generator) -> float:
    """rms of sin ∠(û₁,u) − sin ∠(M w,u) at variance lambda = size along w."""
    errors = []
    for M, u, w, rest in _dominated():
        top = np.linalg.svd(M @ np.linalg.cholesky(rest + size * np.outer(w, w)))[0][:, 0]
        errors.append(sine(top, u) - off(M @ w, u) / np.linalg.norm(M @ w))
    return float(np.sqrt(np.mean(np.square(errors))))


def _slope() -> float:
    """rms of its derivative by 1/lambda: û₁ = p + P_p M Sigma' Mᵀp/(lambda ‖M w‖²), p = M w/‖M w‖."""
    slopes = []
    for M, u, w, rest in _dominated():
        length = np.linalg.norm(M @ w)
        p = M @ w / length
        moved = M @ rest @ M.T @ p / length**2
        slopes.append((u @ p) * (u @ moved - (u @ p) * (p @ moved)) / off(p, u))
    return float(np.sqrt(np.mean(np.square(slopes))))


def left(i: Instance) -> float:
    return sine(i.triple[0], i.G @ i.u)


def certificate(i: Instance) -> float:
    return i.tau / i.triple[1]


def value(matrix) -> Claim[Instance]:
    """ŝ_i against the same value of another matrix."""
    return exact(
        "=",
        lambda i: i.triple[1],
        lambda i: np.linalg.svd(matrix(i), compute_uv=False)[i.index],
        scale=lambda i: i.tau,
    )


def off(x: Float[ndarray, " n"], w: Float[ndarray, " n"]) -> float:
    """Length of x off the line of w."""
    w = w / np.linalg.norm(w)
    return float(np.linalg.norm(x - w * (w @ x)))


def written(i: Instance) -> Float[ndarray, " m"]:
    return np.linalg.pinv(i.G, rcond=1e-10) @ i.triple[0]


def written_law(i: Instance) -> float:
    x = i.S @ i.triple[2]
    return off(i.T @ x, i.u) / float(np.linalg.norm(i.M @ x))


def read(i: Instance) -> Float[ndarray, " d"]:
    return i.triple[2] @ np.linalg.pinv(i.S, rcond=1e-10)


def read_law(i: Instance) -> float:
    x = i.triple[0] @ i.G
    return off(x @ i.T, i.v) / float(np.linalg.norm(x @ i.M))


def _converged(i: Instance) -> bool:
    return bool(np.abs(i.X - i.G @ optimum(i.M, i.G, i.S, i.r) @ i.S).max() <= 1e-10 * np.linalg.norm(i.X, 2))


STATEMENT = Statement(
    key="whitened-angle",
    kind="tight",
    law="G dW S = [G M S]_r for GᵀG = H, S Sᵀ = Sigma, any r; sin ∠(û_i,G u), sin ∠(v̂_i,Sᵀv) <= ‖G T S‖/ŝ_i",
    basis="proved here",
    assumptions={
        "the decomposed matrix is G dW S after convergence": _converged,
        "H ≻ 0": lambda i: bool(np.linalg.cond(i.G) < 1e6),
        "Sigma ≻ 0": lambda i: bool(np.linalg.cond(i.S) < 1e6),
        "ŝ_i > 0": lambda i: bool(i.triple[1] > 1e-6 * (np.linalg.norm(i.X, 2) + i.tau)),
    },
    draw=draw,
    claims={
        "left": exact("<=", left, certificate, tight=True),
        "right": exact("<=", lambda i: sine(i.triple[2], i.S.T @ i.v), certificate, tight=True),
        "left identity": exact("=", left, lambda i: off(i.G @ i.T @ i.S @ i.triple[2], i.G @ i.u) / i.triple[1]),
        "the rank does not matter": value(lambda i: i.G @ i.M @ i.S),
        "written direction": exact("=", lambda i: sine(written(i), i.u), written_law),
        "read functional": exact("=", lambda i: sine(read(i), i.v), read_law),
    },
    extremal=extremal,
    violators={
        "the decomposed matrix is G dW S after convergence": other_metric,
        "H ≻ 0": lambda rng: singular(rng, 0),
        "Sigma ≻ 0": lambda rng: singular(rng, 1),
        "ŝ_i > 0": lambda rng: extremal(rng, r=1, index=1),  # what is called û there is arbitrary
    },
    route=Route("left identity", lambda i: _alternating(i)[0], lambda i: _alternating(i)[1], "measured"),
    rates=(
        Rate(
            "û₁ where one input dominates",
            (1024, 4096, 16384, 65536),
            _error,
            -1.0,
            0.05,
            _slope(),
            (262144,),
            exact=True,
        ),
    ),
)
