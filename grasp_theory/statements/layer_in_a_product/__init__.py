"""layer-in-a-product (tight). Where the factor of the whole shows in one layer, early and late.

Statement. y = R (W0 + dW) L x, Sigma = E[x xᵀ] ≻ 0, and the target is M = T + beta u vᵀ beyond the pretrained product;
R and L are frozen. One step of gradient descent on the whole matrix from dW = 0 (not on LoRA's factors, whose first
step is ``one-step-sketch``) gives dW ∝ Rᵀ M Sigma Lᵀ, convergence R⁻¹ M L⁻¹. Their top singular vectors obey

    early  sin ∠(û, Rᵀu), sin ∠(v̂, L Sigma v) <= ‖Rᵀ T Sigma Lᵀ‖₂/ŝ₁
    late   sin ∠(û, R⁻¹u), sin ∠(v̂, L⁻ᵀv) <= ‖R⁻¹ T L⁻¹‖₂/ŝ₁

These are different directions:

    cos² ∠(Rᵀu, R⁻¹u) = 1/((uᵀRRᵀu)(uᵀ(RRᵀ)⁻¹u)),   sin ∠(Rᵀu, R⁻¹u) = ‖R⁻¹ P_u RRᵀu‖/(uᵀRRᵀu ‖R⁻¹u‖),
    cos² ∠(L Sigma v, L⁻ᵀv) = (vᵀSigma v)²/(‖L Sigma v‖² vᵀ(LᵀL)⁻¹v).

The direction to project is the early one: uᵀR dW = 0 iff dW is orthogonal to Rᵀu; the one that a converged dW carries,
and that deletion after training removes, is R⁻¹u. All agree iff u is an eigenvector of RRᵀ; sin² is its
``rerouting-share``, at most ((κ−1)/(κ+1))² with κ = cond(R)².

Assumes: R is invertible; L is invertible; Sigma ≻ 0.

Proof (here). Gradient at dW = 0: −Rᵀ M Sigma Lᵀ; at convergence R dW L = M. Both are a task plus a rank-one factor, so
``posterior-angle`` applies. ⟨Rᵀu, R⁻¹u⟩ = uᵀu = 1 gives cos². With k = uᵀRRᵀu: Rᵀu − k R⁻¹u = R⁻¹(RRᵀ − k)u =
R⁻¹ P_u RRᵀ u, which is orthogonal to Rᵀu, as ⟨Rᵀu, Rᵀu⟩ = k: it is the opposite side of the triangle with hypotenuse
k R⁻¹u, and 0 iff P_u RRᵀu = 0. Right side: ⟨L Sigma v, L⁻ᵀv⟩ = vᵀSigma v. ∎

Tight: R, L orthogonal, Sigma = I and the extremal T of ``posterior-angle``. Source: proved here.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from ..shared.draws import Planted, covariance, flip, log_uniform, orthonormal, sine, unit
from ..statement import Claim, Relation, Route, Statement, exact


@dataclass(frozen=True, eq=False)
class Instance(Planted):
    """The product and its target; R and L square. What descent from 0 reaches is defined for singular ones as well."""

    R: Float[ndarray, "m m"]
    L: Float[ndarray, "d d"]
    Sigma: Float[ndarray, "d d"]

    @property
    def inverses(self) -> tuple[ndarray, ndarray]:
        """R⁻¹ and L⁻¹."""
        return np.linalg.pinv(self.R, rcond=1e-10), np.linalg.pinv(self.L, rcond=1e-10)

    def seen(self, X: Float[ndarray, "m d"], late: bool) -> Float[ndarray, "m d"]:
        """What X at the output is in the layer: Rᵀ X Sigma Lᵀ early, R⁻¹ X L⁻¹ late (R⁺ X S (L S)⁺, S Sᵀ = Sigma)."""
        if not late:
            return self.R.T @ X @ self.Sigma @ self.L.T
        values, Q = np.linalg.eigh(self.Sigma)
        root = Q * np.sqrt(values.clip(0))
        return self.inverses[0] @ X @ root @ np.linalg.pinv(self.L @ root, rcond=1e-7)

    def direction(self, late: bool, side: int = 0) -> Float[ndarray, " n"]:
        """Rᵀu or R⁻¹u for side 0, L Sigma v or L⁻ᵀv for side 1."""
        Ri, Li = self.inverses
        if side == 0:
            return Ri @ self.u if late else self.R.T @ self.u
        return Li.T @ self.v if late else self.L @ self.Sigma @ self.v

    def sine(self, late: bool, side: int = 0, target: bool | None = None) -> float:
        """Sine between the layer's top singular vector and its (or the other: ``target``) direction, left or right."""
        U, _, Vh = np.linalg.svd(self.seen(self.M, late))
        return sine(U[:, 0] if side == 0 else Vh[0], self.direction(late if target is None else target, side))

    def certificate(self, late: bool) -> float:
        """‖task as seen‖₂/ŝ₁."""
        return float(np.linalg.norm(self.seen(self.T, late), 2) / np.linalg.norm(self.seen(self.M, late), 2))


def draw(rng: np.random.Generator) -> Instance:
    """R, L of condition up to 30; u an eigenvector of RRᵀ, the worst case between two of them, or neither."""
    m, d = (int(n) for n in rng.integers(2, 7, 2))
    u, v, beta = unit(rng, m), unit(rng, d), log_uniform(rng, 0.2, 5)
    left, values = orthonormal(rng, m, m), np.exp(rng.uniform(-1.7, 1.7, m))
    kind = rng.integers(4)
    if kind == 0:
        u = left[:, 0]
    elif kind == 1:
        u = (left[:, np.argmax(values)] + left[:, np.argmin(values)]) / np.sqrt(2)
    R = left * values @ orthonormal(rng, m, m).T
    L = orthonormal(rng, d, d) * np.exp(rng.uniform(-1.7, 1.7, d)) @ orthonormal(rng, d, d).T
    T = rng.standard_normal((m, d)) * log_uniform(rng, 0.02, 0.5) * beta
    if kind == 2:
        return _aligned(rng, m, d, beta, rng.uniform(0.1, 0.9), rng.normal() / 20)
    return Instance(T, u, v, beta, R, L, covariance(rng, d))


def extremal(rng: np.random.Generator) -> Instance:
    """Orthogonal R, L, Sigma = I, rho = 0.4 in R⁵ x R⁴."""
    return _aligned(rng, 5, 4, 2.0, 0.4, 0.0)


def _aligned(rng: np.random.Generator, m: int, d: int, beta: float, rho: float, tilt: float) -> Instance:
    T, u, v = flip(rng, m, d, beta, rho, tilt=tilt)
    return Instance(T, u, v, beta, orthonormal(rng, m, m), orthonormal(rng, d, d), np.eye(d))


def singular(rng: np.random.Generator, side: int) -> Instance:
    """R (side 0) or L (side 1) with one direction cut off, u or v not in what is left."""
    R, L = orthonormal(rng, 5, 5), orthonormal(rng, 5, 5)
    R, L = (R[:, :4] @ orthonormal(rng, 5, 4).T, L) if side == 0 else (R, L[:, :4] @ orthonormal(rng, 5, 4).T)
    return Instance(0.1 * rng.standard_normal((5, 5)), unit(rng, 5), unit(rng, 5), 1.0, R, L, np.eye(5))


def unseen_input(rng: np.random.Generator) -> Instance:
    """Inputs in a hyperplane at 45° to v."""
    Q = orthonormal(rng, 5, 5)
    v, seen = (Q[:, 0] + Q[:, 4]) / np.sqrt(2), Q[:, :4] @ Q[:, :4].T
    R, L = (orthonormal(rng, 5, 5) * [2.0, 1.5, 1.0, 1.0, 0.5] @ orthonormal(rng, 5, 5).T for _ in range(2))
    return Instance(0.005 * rng.standard_normal((5, 5)), unit(rng, 5), v, 1.0, R, L, seen)


def _trained(i: Instance) -> tuple[float, float]:
    """Late sine by training dW from 0 by conjugate gradients on E‖(M − R dW L) x‖² (W0 cancels), and ŝ₂/ŝ₁."""
    A, B = i.R.T @ i.R, i.L @ i.Sigma @ i.L.T
    residual = i.R.T @ (i.T + i.beta * np.outer(i.u, i.v)) @ i.Sigma @ i.L.T
    first, dW, step = residual, np.zeros_like(i.T), residual
    for _ in range(500):
        size = float(np.sum(residual**2))
        if size <= 1e-28 * float(np.sum(first**2)):
            break
        moved = A @ step @ B
        rate = size / float(np.sum(step * moved))
        dW, residual = dW + rate * step, residual - rate * moved
        step = residual + float(np.sum(residual**2)) / size * step
    U, S, _ = np.linalg.svd(dW)
    return sine(U[:, 0], np.linalg.solve(i.R, i.u)), float(S[1:2].sum() / S[0])


def cos2(i: Instance, side: int) -> float:
    return 1 - sine(i.direction(False, side), i.direction(True, side)) ** 2


def left_law(i: Instance, K: Float[ndarray, "m m"]) -> float:
    """1/((uᵀKu)(uᵀK⁻¹u))."""
    return 1 / float((i.u @ K @ i.u) * (i.u @ np.linalg.pinv(K, rcond=1e-10, hermitian=True) @ i.u))


def right_law(i: Instance, Sigma: Float[ndarray, "d d"], gram: Float[ndarray, "d d"]) -> float:
    """(vᵀ Sigma v)²/(‖L Sigma v‖² vᵀ gram⁻¹ v)."""
    inverse = np.linalg.pinv(gram, rcond=1e-10, hermitian=True)
    return float((i.v @ Sigma @ i.v) ** 2 / (np.sum((i.L @ Sigma @ i.v) ** 2) * (i.v @ inverse @ i.v)))


def opposite(i: Instance) -> float:
    """‖R⁻¹ P_u RRᵀu‖/(uᵀRRᵀu ‖R⁻¹u‖)."""
    Ku, Ri = i.R @ i.R.T @ i.u, i.inverses[0]
    k = float(i.u @ Ku)
    return float(np.linalg.norm(Ri @ (Ku - k * i.u)) / (k * np.linalg.norm(Ri @ i.u)))


def spread(kappa: float) -> float:
    return (kappa - 1) / (kappa + 1)


def between(relation: Relation, law) -> Claim[Instance]:
    """sin ∠(Rᵀu, R⁻¹u)."""
    return exact(relation, lambda i: sine(i.R.T @ i.u, i.direction(True)), law)


def left_over(i: Instance, late: bool) -> float:
    """‖uᵀ R P dW‖/‖uᵀ R dW‖ for the converged dW and P = I − the early (or late) direction."""
    a, dW = i.direction(late), i.seen(i.M, True)
    a = a / np.linalg.norm(a)
    return float(np.linalg.norm(i.u @ i.R @ (dW - np.outer(a, a @ dW))) / np.linalg.norm(i.u @ i.R @ dW))


STATEMENT = Statement(
    key="layer-in-a-product",
    kind="tight",
    law="one step shows Rᵀu, convergence R⁻¹u, cos² = 1/((uᵀRRᵀu)(uᵀ(RRᵀ)⁻¹u)); posterior-angle holds for both",
    basis="proved here",
    assumptions={
        "R is invertible": lambda i: bool(np.linalg.cond(i.R) < 1e6),
        "L is invertible": lambda i: bool(np.linalg.cond(i.L) < 1e6),
        "Sigma ≻ 0": lambda i: bool(np.linalg.cond(i.Sigma) < 1e6),
    },
    draw=draw,
    always=frozenset({"the early direction is the one to project"}),
    claims={
        "early": exact("<=", lambda i: i.sine(False), lambda i: i.certificate(False), tight=True),
        "late": exact("<=", lambda i: i.sine(True), lambda i: i.certificate(True), tight=True),
        "early, right": exact("<=", lambda i: i.sine(False, 1), lambda i: i.certificate(False), tight=True),
        "late, right": exact("<=", lambda i: i.sine(True, 1), lambda i: i.certificate(True), tight=True),
        "cos² left": exact("=", lambda i: cos2(i, 0), lambda i: left_law(i, i.R @ i.R.T)),
        "cos² right": exact("=", lambda i: cos2(i, 1), lambda i: right_law(i, i.Sigma, i.L.T @ i.L)),
        "agree iff u is an eigenvector": between("=", opposite),
        "they differ by at most": between("<=", lambda i: spread(np.linalg.cond(i.R) ** 2)),
        "the early direction is the one to project": exact("=", lambda i: left_over(i, False), lambda i: 0.0),
    },
    extremal=extremal,
    violators={
        "R is invertible": lambda rng: singular(rng, 0),
        "L is invertible": lambda rng: singular(rng, 1),
        "Sigma ≻ 0": unseen_input,
    },
    route=Route("late", lambda i: _trained(i)[0], lambda i: 1e-5 / (1 - _trained(i)[1]), "measured"),
)
