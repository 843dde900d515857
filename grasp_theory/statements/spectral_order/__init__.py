"""spectral-order (identity). In which order descent learns the modes of M: Saxe's order is not LoRA's.

Statement. Gradient flow on ½‖M − B A‖_F² (Sigma = H = I), M = U diag(s) Vᵀ of rank k; BᵀB − AAᵀ is conserved. (i)
Balanced, aligned start B = U √a(0) Gᵀ, A = G √a(0) Vᵀ: modes do not interact, da/dt = 2a (s − a) (Saxe). (ii)
LoRA's start B = 0, A0 A0ᵀ = alpha² I, v_i in row(A0): **da/dt = √(alpha⁴ + 4a²) (s − a)**, solved in closed form
by kappa = √(alpha⁴/4 + s²), S, C = sinh, cosh(kappa t):
    a(t) = alpha² (s/kappa) S (C + alpha² S/(2 kappa)) / (1 + alpha² S (C/kappa + alpha² S/(2 kappa²))).
(iii) The same with v_i anywhere, so *every A0 at rank one*: K = [[−alpha²/2 I, M], [Mᵀ, alpha²/2 I]], Q0 = [0;
A0ᵀ],
    dW(t) = upper right block of e^{Kt} Q0 (I + Q0ᵀ (∫₀ᵗ e^{2Ks} ds) Q0)⁻¹ Q0ᵀ e^{Kt};
with q rows, σ_q > σ_{q+1} or σ_{q+1} = 0, **dW -> [M]_q iff A0 is injective on the right singular vectors kept**.
(iv) No order at high rank: progress x = a/s obeys 1 − x_weak <= (1 − x_strong)^{alpha²/√(alpha⁴ + 4 s_strong²)}:
for alpha² >> s all modes grow alike; alpha -> 0 is Saxe. (v) Any A0, while ‖BA‖ << s: B = U sinh(St) Vᵀ A0ᵀ, A =
A0 (V cosh(St) Vᵀ + I − VVᵀ), of relative error O(‖A0‖²) (the rate). With inputs the modes are those of M Sigma.

Assumes: Sigma = I; B0 = 0; A0 A0ᵀ = alpha² I; modes inside row(A0); balanced; aligned; A0 meets the modes to keep.

Proof (here; (i) Saxe, McClelland, Ganguli 2014; (ii) is the lambda-balanced case of Dominé et al. 2025). The flow
B' = (M − BA) Aᵀ, A' = Bᵀ(M − BA) conserves BᵀB − AAᵀ. In one mode a = b·g: a' = (s − a)(b² + g²), and g² − b² =
alpha² gives (b² + g²)² = alpha⁴ + 4a². (iii) Q = [B; Aᵀ], BᵀB − AAᵀ = −alpha² I: Q' = K Q − ½ Q QᵀQ, so P = QQᵀ
solves the Riccati equation P' = KP + PK − P², with the solution above; one row has a scalar AAᵀ. K's largest
eigenvalues are kappa_i, with eigenvectors e_i = (s_i u_i, (kappa_i + alpha²/2) v_i): P tends to the sum of 2
kappa e eᵀ over the q leading ones iff Q0 meets them all, i.e. A0 (v_1 .. v_q) has full rank; the upper right
block of 2 kappa e eᵀ is s_i u_i v_iᵀ. (iv) −d log(1−x)/dt = √(alpha⁴ + 4 s²x²) is between alpha² and √(alpha⁴ +
4s²). (v) drop BA. ∎  Adam does otherwise.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy import ndarray

from ...linear.problem import LinearProblem
from ...linear.training import flow, lora_curve, riccati_flow, saxe_curve, train
from ..shared.draws import covariance, orthonormal, unit
from ..statement import Claim, Rate, Sides, Statement
from .instances import Instance, draw, make


def extremal(rng: np.random.Generator) -> Instance:
    """alpha² = 64 s: both modes 90% learnt at once."""
    i = make(rng, 4, 3, np.array([1.0, 0.4]), 3, 2, 8.0)
    return replace(i, t=np.log(10) / 64)


def balanced_flow(i: Instance) -> ndarray:
    return flow(i.M, i.Sigma, *i.balanced, i.t)


def seen(measured, bound, slack: float = 1e-7) -> Claim[Instance]:
    """Two updates as the probe sees them; the integrator is good to 1e-7."""

    return Claim("=", lambda i: Sides(float(np.sum(i.probe * measured(i))), float(np.sum(i.probe * bound(i))), slack))


def mode(law) -> Claim[Instance]:
    return seen(lambda i: i.at_inside, lambda i: i.U * law(i.s, i.alpha, i.t) @ i.V.T)


def ended(i: Instance) -> ndarray:
    """dW when the slowest mode to be kept has had time to win."""
    q, kappa = min(len(i.anywhere), len(i.s)), np.sqrt(i.alpha**4 / 4 + np.append(i.s, 0.0) ** 2)
    return i.from_lora(i.anywhere, 16 / float(kappa[q - 1] - kappa[q]))


def kept(i: Instance) -> ndarray:
    """[M]_q."""
    q = len(i.anywhere)
    return i.U[:, :q] * i.s[:q] @ i.V[:, :q].T


def weakest(power) -> Claim[Instance]:
    """Progress of the weakest mode, given that of the strongest."""

    def sides(i: Instance) -> Sides:
        progress = np.einsum("mk,md,dk->k", i.U, i.at_inside, i.V) / i.s
        return Sides(float(progress[-1]), float(1 - (1 - progress[0]) ** power(i)), 1e-7)

    return Claim(">=", sides, tight=True)


def by_steps(i: Instance) -> Sides:
    """Two routes: plain descent with two small steps, extrapolated to none, against (iii)."""
    (m, d), n = i.M.shape, 400
    u, v = unit(np.random.default_rng(0), m), unit(np.random.default_rng(1), d)
    problem = LinearProblem(np.zeros((m, d)), i.M - np.outer(u, v), 1.0, u, v, i.Sigma)
    # the loss of ``train`` has no ½
    coarse, fine = (train(problem, i.anywhere, lr=i.t / (2 * k), steps=k, every=0).dW for k in (n, 2 * n))
    closed = riccati_flow(i.M, i.anywhere, i.t)
    return Sides(float(np.sum(i.probe * (2 * fine - coarse))), float(np.sum(i.probe * closed)), 1e-3 * i.s[0])


def _early_error(size: int, rng: np.random.Generator) -> float:
    """Relative error of (v) at ‖A0‖ ~ 1/size; the same Gaussian A0 at each size, so that only its length varies."""
    fixed = np.random.default_rng(0)
    i, errors = make(fixed, 4, 5, np.array([1.2, 0.8, 0.5]), 3, 3, 1.0), []
    sinh, cosh = np.sinh(i.s), np.cosh(i.s)
    for A0 in fixed.standard_normal((10, 3, 5)) / size:
        early = i.U * sinh @ i.V.T @ A0.T @ A0 @ (np.eye(5) + i.V * (cosh - 1) @ i.V.T)
        exact = flow(i.M, i.Sigma, np.zeros((4, 3)), A0, 1.0)
        errors.append(np.linalg.norm(early - exact) / np.linalg.norm(exact))
    return float(np.sqrt(np.mean(np.square(errors))))


def _isotropic(A0: ndarray, alpha: float) -> bool:
    return np.allclose(A0 @ A0.T, alpha**2 * np.eye(len(A0)), atol=1e-9)


def _met(i: Instance) -> bool:
    return bool(np.linalg.svd(i.anywhere @ i.V[:, : len(i.anywhere)], compute_uv=False)[-1] > 1e-3 * i.alpha)


def _violator(change):
    def violate(rng: np.random.Generator) -> Instance:
        i = make(rng, 4, 5, np.array([1.5, 0.9, 0.5]), 4, 2, 0.8)
        return replace(i, t=1.0, **change(i, rng))

    return violate


def _blind(i: Instance, rng: np.random.Generator) -> dict:
    """Rows of length alpha that miss v_1, in its axis-aligned frame: rounding would otherwise grow."""
    I4, I5 = np.eye(4), np.eye(5)
    A0 = np.zeros((2, 5))
    A0[:, 1:] = 0.8 * orthonormal(rng, 4, 2).T
    B, A = I4[:, :3] * np.sqrt(i.a0) @ np.eye(3, 4), np.eye(4, 3) * np.sqrt(i.a0) @ I5[:, :3].T
    return {"U": I4[:, :3], "V": I5[:, :3], "anywhere": A0, "inside": 0.8 * I5[:4], "balanced": (B, A)}


STATEMENT = Statement(
    key="spectral-order",
    kind="identity",
    law="LoRA's start: da/dt = √(alpha⁴ + 4a²)(s − a), not 2a(s − a); the flow ends in [M]_q iff A0 V_q is regular",
    basis="proved here; (i) in Saxe et al. 2014",
    assumptions={
        "Sigma = I": lambda i: np.allclose(i.Sigma, np.eye(len(i.Sigma)), atol=1e-9),
        "B0 = 0": lambda i: i.lora_B == 0,
        "A0 A0ᵀ = alpha² I": lambda i: _isotropic(i.anywhere, i.alpha) and _isotropic(i.inside, i.alpha),
        "modes inside row(A0)": lambda i: np.allclose(i.inside.T @ (i.inside @ i.V), i.alpha**2 * i.V, atol=1e-9),
        "balanced": lambda i: np.allclose(i.balanced[0].T @ i.balanced[0], i.balanced[1] @ i.balanced[1].T, atol=1e-9),
        "aligned": lambda i: np.allclose(i.balanced[0] @ i.balanced[1], i.U * i.a0 @ i.V.T, atol=1e-9),
        "A0 meets the modes to keep": _met,
    },
    draw=draw,
    claims={
        "Saxe": seen(balanced_flow, lambda i: i.U * saxe_curve(i.s, i.a0, i.t) @ i.V.T),
        "LoRA": mode(lora_curve),
        "Riccati": seen(lambda i: i.from_lora(i.anywhere), lambda i: riccati_flow(i.M, i.anywhere, i.t)),
        "end": seen(ended, kept, 1e-3),
        "no order": weakest(lambda i: i.alpha**2 / np.hypot(i.alpha**2, 2 * i.s[0])),
    },
    extremal=extremal,
    violators={
        "Sigma = I": _violator(lambda i, rng: {"Sigma": covariance(rng, 5)}),
        "B0 = 0": _violator(lambda i, rng: {"lora_B": 0.3}),
        "A0 A0ᵀ = alpha² I": _violator(lambda i, rng: {"anywhere": np.diag([1.0, 2.0]) @ i.anywhere}),
        "modes inside row(A0)": _violator(lambda i, rng: {"inside": 0.8 * orthonormal(rng, 5, 4).T}),
        "balanced": _violator(lambda i, rng: {"balanced": (2 * i.balanced[0], i.balanced[1] / 2)}),
        "aligned": _violator(lambda i, rng: {"balanced": (orthonormal(rng, 4, 4) @ i.balanced[0], i.balanced[1])}),
        "A0 meets the modes to keep": _violator(_blind),
    },
    route=by_steps,
    rates=(Rate("early", (8, 16, 32, 64), _early_error, -2.0, 0.1, deep_sizes=(128, 256)),),
    draws=30,
)
