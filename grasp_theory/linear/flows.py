"""Learning curves of gradient flow on LoRA's factors, loss ½‖(M − B A) Sigma^½‖_F²: closed forms and an integrator."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float
from numpy import ndarray
from scipy.integrate import solve_ivp

from .. import linalg


def saxe_curve(s: Float[ndarray, " k"], a0: Float[ndarray, " k"], t: float) -> Float[ndarray, " k"]:
    """Strength at time t of modes of final strength s that start balanced and aligned, from a0; Sigma = I.

    Law: a' = 2a (s − a).
    """
    return s / (1 + (s / a0 - 1) * np.exp(-2 * s * t))


def lora_curve(s: Float[ndarray, " k"], alpha: float, t: float) -> Float[ndarray, " k"]:
    """The same from LoRA's start B = 0, A0 A0ᵀ = alpha² I, for modes inside row(A0).

    Law: a' = √(alpha⁴ + 4a²) (s − a).
    """
    kappa, squared = np.sqrt(alpha**4 / 4 + s**2), alpha**2
    S, C = np.sinh(kappa * t), np.cosh(kappa * t)
    return (
        squared
        * s
        / kappa
        * S
        * (C + squared * S / (2 * kappa))
        / (1 + squared * S * (C / kappa + squared * S / (2 * kappa**2)))
    )


def riccati_flow(M: Float[ndarray, "m d"], A0: Float[ndarray, "q d"], t: float) -> Float[ndarray, "m d"]:
    """dW at time t from B = 0 and an A0 with A0 A0ᵀ = alpha² I; Sigma = I.

    Law: P = [B; Aᵀ][B; Aᵀ]ᵀ solves P' = K P + P K − P² with K = [[−alpha²/2 I, M], [Mᵀ, alpha²/2 I]]; dW is its upper
    right block. Any other A0 gives nonsense. Loses digits as e^(2 kappa t), kappa the largest eigenvalue of K, grows
    (seen from t ≈ 15 at strengths of order 1).
    """
    m, d = M.shape
    shift = 0.5 * float(A0[0] @ A0[0])
    values, E = linalg.eigh(np.block([[-shift * np.eye(m), M], [M.T, shift * np.eye(d)]]))
    seen = E.T @ np.vstack([np.zeros((m, len(A0))), A0.T])
    # ∫₀ᵗ e^{2Ks} ds; sinh(x)/x is smooth at K's zero eigenvalues, which a left null space has at alpha = 0
    x = values * t
    integral = t * np.exp(x) * np.where(x == 0, 1.0, np.sinh(x) / np.where(x == 0, 1.0, x))
    inner = np.eye(len(A0)) + seen.T * integral @ seen
    grown = E * np.exp(values * t) @ seen
    return (grown @ linalg.solve(inner, grown.T))[:m, m:]


def flow(
    M: Float[ndarray, "m d"], Sigma: Float[ndarray, "d d"], B: Float[ndarray, "m r"], A: Float[ndarray, "r d"], t: float
) -> Float[ndarray, "m d"]:
    """B A at time t from any start, by an eighth-order integrator (relative 1e-10 a step)."""
    n = B.size

    def slope(_: float, x: ndarray) -> ndarray:
        B_, A_ = x[:n].reshape(B.shape), x[n:].reshape(A.shape)
        E = (M - B_ @ A_) @ Sigma
        return np.concatenate([(E @ A_.T).ravel(), (B_.T @ E).ravel()])

    x = solve_ivp(slope, (0, t), np.concatenate([B.ravel(), A.ravel()]), method="DOP853", rtol=1e-10, atol=1e-12).y[
        :, -1
    ]
    return x[:n].reshape(B.shape) @ x[n:].reshape(A.shape)
