"""spectral-order (identity). In which order descent learns the modes of M: Saxe's order is not LoRA's.

Statement. Gradient flow on ½‖M − B A‖_F² (Sigma = H = I), M = U diag(s) Vᵀ of rank k; BᵀB − AAᵀ is conserved. (i)
Balanced, aligned start B = U √a(0) Gᵀ, A = G √a(0) Vᵀ: modes do not interact, da/dt = 2a (s − a) (Saxe). (ii)
LoRA's start B = 0, A0 A0ᵀ = alpha² I, v_i in row(A0): **da/dt = √(alpha⁴ + 4a²) (s − a)**, solved in closed form
by kappa = √(alpha⁴/4 + s²), S, C = sinh, cosh(kappa t):
    a(t) = alpha² (s/kappa) S (C + alpha² S/(2 kappa)) / (1 + alpha² S (C/kappa + alpha² S/(2 kappa²))).
(iii) The same with v_i anywhere, so *every A0 at rank one*: K = [[−alpha²/2 I, M], [Mᵀ, alpha²/2 I]], Q0 = [0;
A0ᵀ],
    dW(t) = upper right block of e^{Kt} Q0 (I + Q0ᵀ (∫₀ᵗ e^{2Ks} ds) Q0)⁻¹ Q0ᵀ e^{Kt};
with q rows and no tie (σ_q > σ_{q+1} or σ_{q+1} = 0), **dW -> [M]_q iff A0 is injective on the right singular
vectors kept**.
(iv) No order at high rank: progress x = a/s obeys 1 − x_weak <= (1 − x_strong)^{alpha²/√(alpha⁴ + 4 s_strong²)}:
for alpha² >> s all modes grow alike; alpha -> 0 is Saxe. (v) Any A0: B_1 = U sinh(St) Vᵀ A0ᵀ, A_1 =
A0 (V cosh(St) Vᵀ + I − VVᵀ) have ‖dW − B_1 A_1‖_F <= ‖A0‖_F⁴ e^x √cosh(2x) sinh²(x)/(2 s_1), x = s_1 t, attained by
A0 ∥ v_1ᵀ as t → 0: a relative error of order ‖A0‖² (the rate; its constant is measured).

Assumes: Sigma = I; B0 = 0; A0 A0ᵀ = alpha² I; modes inside row(A0); balanced; aligned; A0 meets the modes to
keep; no tie with the next mode.

Proof (here; (i) Saxe, McClelland, Ganguli 2014; (ii) is the lambda-balanced case of Dominé et al. 2025). The flow
B' = (M − BA) Aᵀ, A' = Bᵀ(M − BA) conserves BᵀB − AAᵀ. In one mode a = b·g: a' = (s − a)(b² + g²), and g² − b² =
alpha² gives (b² + g²)² = alpha⁴ + 4a². (iii) Q = [B; Aᵀ], BᵀB − AAᵀ = −alpha² I: Q' = K Q − ½ Q QᵀQ, so P = QQᵀ
solves the Riccati equation P' = KP + PK − P², with the solution above; one row has a scalar AAᵀ. K's largest
eigenvalues are kappa_i, with eigenvectors e_i = (s_i u_i, (kappa_i + alpha²/2) v_i): P tends to the sum of 2
kappa e eᵀ over the q leading ones iff Q0 meets them all, i.e. A0 (v_1 .. v_q) has full rank; the upper right
block of 2 kappa e eᵀ is s_i u_i v_iᵀ. (iv) −d log(1−x)/dt = √(alpha⁴ + 4 s²x²) is between alpha² and √(alpha⁴ +
4s²). (v) Q' = F Q − N(Q), F = [[0, M], [Mᵀ, 0]], N(Q) = (B AAᵀ, (BᵀB A)ᵀ). y = ‖Q‖_F², a = ‖A0‖_F:
‖A‖² − ‖B‖² = a² is conserved, so y' = 4⟨M − BA, BA⟩ <= 4 s_1 ‖B‖‖A‖ = 2 s_1 √(y² − a⁴), y <= a² cosh 2x, and
‖N‖ <= ‖B‖‖A‖√y <= ½ a³ sinh(2x) √cosh(2x). Duhamel, with e^{−x} √cosh(2x) <= 1 under the integral: ‖Q − Q_1‖ <=
a³ e^x sinh²(x)/(2 s_1). BA − B_1 A_1 = (B − B_1) A + B_1 (A − A_1) is at most √(‖A‖² + ‖B_1‖²) <= a √cosh(2x) times
that. Attained: there it is −a⁴ s_1 t²/2 to leading order. ∎
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy import ndarray

from ...linear.training import flow, lora_curve, riccati_flow, saxe_curve
from ..shared.draws import covariance, orthonormal
from ..statement import Claim, Rate, Route, Sides, Statement
from .instances import Instance, draw, make


def extremal(rng: np.random.Generator) -> Instance:
    """alpha² = 64 s: both modes 90% learnt at once; A0 ∥ v_1ᵀ, just after the start."""
    i = make(rng, 4, 3, np.array([1.0, 0.4]), 3, 2, 8.0)
    return replace(i, t=np.log(10) / 64, small=i.V[:, :1].T, soon=5e-4)


def balanced_flow(i: Instance) -> ndarray:
    return flow(i.M, i.Sigma, *i.balanced, i.t)


def seen(measured, bound) -> Claim[Instance]:
    """Two updates as the probe sees them; the integrator is good to 1e-10 a step."""

    def sides(i: Instance) -> Sides:
        scale = float(np.linalg.norm(i.probe) * np.linalg.norm(i.M))
        return Sides.exact(np.sum(i.probe * measured(i)), np.sum(i.probe * bound(i)), scale=scale)

    return Claim("=", sides)


def mode(law) -> Claim[Instance]:
    return seen(lambda i: i.at_inside, lambda i: i.U * law(i.s, i.alpha, i.t) @ i.V.T)


END = 10.0  # the flow is looked at when the slowest mode to be kept leads the next by e^10


def ended(i: Instance) -> ndarray:
    """dW when the slowest mode to be kept has had time to win."""
    return i.from_lora(i.anywhere, END / (_kappas(i)[1] or _kappas(i)[0]))


def _kappas(i: Instance) -> tuple[float, float]:
    """(kappa_q, kappa_q − kappa_{q+1})."""
    q, kappa = min(len(i.anywhere), len(i.s)), np.hypot(i.alpha**2 / 2, np.append(i.s, 0.0))
    return float(kappa[q - 1]), float(kappa[q - 1] - kappa[q])


def kept(i: Instance) -> ndarray:
    """[M]_q."""
    q = len(i.anywhere)
    return i.U[:, :q] * i.s[:q] @ i.V[:, :q].T


def end(bound) -> Claim[Instance]:
    """The end of the flow, seen by the probe."""

    def sides(i: Instance) -> Sides:
        measured, value = (float(np.sum(i.probe * D(i))) for D in (ended, bound))
        return Sides(measured, value, left_over(i) + 1e-9 * float(np.linalg.norm(i.probe) * np.linalg.norm(i.M)))

    return Claim(
        "=",
        sides,
        slack="three standard deviations of what the probe sees of K's other eigenvectors, to first order in e^-10",
    )


def left_over(i: Instance) -> float:
    """Three standard deviations of what a Gaussian probe sees of dW's distance to its end, at most √6 kappa_1 share.

    share = e^-10 alpha ‖c⁻¹‖, c the coordinates of Q0 in the q leading eigenvectors e_i of K: the others have at most
    ‖Q0‖ = alpha. K's largest 2 kappa_1 meets it from either side, once through the upper part of e_i, below 1/√2.
    """
    q, half = min(len(i.anywhere), len(i.s)), i.alpha**2 / 2
    kappa = np.hypot(half, i.s[:q])
    c = (kappa + half) / np.hypot(i.s[:q], kappa + half) * (i.anywhere @ i.V[:, :q])
    share = np.exp(-END) * i.alpha * np.linalg.norm(np.linalg.pinv(c))
    return float(3 * np.sqrt(6) * kappa[0] * share)


def weakest(power) -> Claim[Instance]:
    """Progress of the weakest mode, given that of the strongest."""

    def sides(i: Instance) -> Sides:
        progress = np.einsum("mk,md,dk->k", i.U, i.at_inside, i.V) / i.s
        return Sides.exact(progress[-1], 1 - (1 - progress[0]) ** power(i))

    return Claim(">=", sides, tight=True)


def by_steps(i: Instance) -> float:
    """Plain descent on the factors with small steps and half as small ones, extrapolated to none."""
    ends = []
    for steps in (400, 800):
        B, A, h = np.zeros((len(i.M), len(i.anywhere))), i.anywhere, i.t / steps
        for _ in range(steps):
            E = i.M - B @ A
            B, A = B + h * E @ A.T, A + h * B.T @ E
        ends.append(float(np.sum(i.probe * (B @ A))))
    return 2 * ends[1] - ends[0]


def early(i: Instance, A0: ndarray, t: float, turned: float = 1.0) -> ndarray:
    """B_1 A_1 of (v)."""
    grown = i.V * (turned * (np.cosh(i.s * t) - 1)) @ i.V.T
    return i.U * np.sinh(i.s * t) @ i.V.T @ A0.T @ A0 @ (np.eye(len(i.V)) + grown)


def early_bound(i: Instance) -> float:
    """‖A0‖_F⁴ e^x √cosh(2x) sinh²(x)/(2 s_1)."""
    s1, x = float(i.s[0]), float(i.s[0] * i.soon)
    return float(np.linalg.norm(i.small) ** 4 * np.exp(x) * np.sqrt(np.cosh(2 * x)) * np.sinh(x) ** 2 / (2 * s1))


def early_claim(predicted, bound=early_bound) -> Claim[Instance]:
    """‖dW − predicted(i, A0, t)‖_F from a small A0 of no particular shape, or along v_1, against the bound of (v)."""

    def sides(i: Instance) -> Sides:
        dW = i.from_lora(i.small, i.soon)
        off = dW - predicted(i, i.small, i.soon)
        return Sides.exact(float(np.linalg.norm(off)), bound(i), scale=float(np.linalg.norm(dW)))

    return Claim("<=", sides, tight=True)


def _early_error(size: int, rng: np.random.Generator) -> float:
    """Relative error of (v) at ‖A0‖ ~ 1/size; the same Gaussian A0 at each size, so that only its length varies."""
    fixed = np.random.default_rng(0)
    i, errors = make(fixed, 4, 5, np.array([1.2, 0.8, 0.5]), 3, 3, 1.0), []
    for A0 in fixed.standard_normal((10, 3, 5)) / size:
        exact = flow(i.M, i.Sigma, np.zeros((4, 3)), A0, 1.0)
        errors.append(np.linalg.norm(early(i, A0, 1.0) - exact) / np.linalg.norm(exact))
    return float(np.sqrt(np.mean(np.square(errors))))


def _isotropic(A0: ndarray, alpha: float) -> bool:
    return np.allclose(A0 @ A0.T, alpha**2 * np.eye(len(A0)), atol=1e-9)


def _met(i: Instance) -> bool:
    return bool(np.linalg.svd(i.anywhere @ i.V[:, : len(i.anywhere)], compute_uv=False)[-1] > 1e-3 * i.alpha)


def _violator(change):
    def violate(rng: np.random.Generator) -> Instance:
        while not _met(i := make(rng, 4, 5, np.array([1.5, 0.9, 0.5]), 4, 2, 0.8)):
            pass
        return replace(i, t=1.0, **change(i, rng))

    return violate


def _blind(i: Instance, rng: np.random.Generator) -> dict:
    """Rows of length alpha that miss v_1, in its axis-aligned frame: rounding would otherwise grow."""
    I4, I5 = np.eye(4), np.eye(5)
    A0 = np.zeros((2, 5))
    A0[:, 1:] = 0.8 * orthonormal(rng, 4, 2).T
    B, A = I4[:, :3] * np.sqrt(i.a0) @ np.eye(3, 4), np.eye(4, 3) * np.sqrt(i.a0) @ I5[:, :3].T
    return {"U": I4[:, :3], "V": I5[:, :3], "anywhere": A0, "inside": 0.8 * I5[:4], "balanced": (B, A)}


def tied(rng: np.random.Generator) -> Instance:
    """Two modes of one strength and a single row half way between them: the mean of the two is kept, not the first."""
    i = make(rng, 4, 5, np.array([1.2, 1.2, 0.5]), 4, 1, 0.8)
    row = i.alpha * (i.V[:, 0] + i.V[:, 1]) / np.sqrt(2)
    return replace(i, t=1.0, anywhere=row[None], probe=np.outer(i.U[:, 0], i.V[:, 1]))


STATEMENT = Statement(
    key="spectral-order",
    kind="identity",
    law="LoRA's start: da/dt = √(alpha⁴ + 4a²)(s − a), not 2a(s − a); the flow ends in [M]_q iff A0 V_q is regular",
    basis="proved here, (i) first by Saxe et al. 2014; the constant of the early rate is measured",
    assumptions={
        "Sigma = I": lambda i: np.allclose(i.Sigma, np.eye(len(i.Sigma)), atol=1e-9),
        "B0 = 0": lambda i: i.lora_B == 0,
        "A0 A0ᵀ = alpha² I": lambda i: _isotropic(i.anywhere, i.alpha) and _isotropic(i.inside, i.alpha),
        "modes inside row(A0)": lambda i: np.allclose(i.inside.T @ (i.inside @ i.V), i.alpha**2 * i.V, atol=1e-9),
        "balanced": lambda i: np.allclose(i.balanced[0].T @ i.balanced[0], i.balanced[1] @ i.balanced[1].T, atol=1e-9),
        "aligned": lambda i: np.allclose(i.balanced[0] @ i.balanced[1], i.U * i.a0 @ i.V.T, atol=1e-9),
        "A0 meets the modes to keep": _met,
        "no tie with the next mode": lambda i: _kappas(i)[1] > 1e-3,
    },
    draw=draw,
    fixed=frozenset({"lora_B", "Sigma"}),
    claims={
        "Saxe": seen(balanced_flow, lambda i: i.U * saxe_curve(i.s, i.a0, i.t) @ i.V.T),
        "LoRA": mode(lora_curve),
        "Riccati": seen(lambda i: i.from_lora(i.anywhere), lambda i: riccati_flow(i.M, i.anywhere, i.t)),
        "end": end(kept),
        "no order": weakest(lambda i: i.alpha**2 / np.hypot(i.alpha**2, 2 * i.s[0])),
        "early": early_claim(early),
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
        "no tie with the next mode": tied,
    },
    route=Route(
        "Riccati",
        by_steps,
        lambda i: 2e-6 * float(np.linalg.norm(i.probe) * np.linalg.norm(i.M)),
        given=("Instance.M",),
    ),
    rates=(Rate("early", (8, 16, 32, 64), _early_error, -2.0, 0.1, 8.361, deep_sizes=(128, 256), exact=True),),
    draws=30,
)
