"""angle-forgiveness (identity). What an edit leaves when its direction is off by an angle: three different things.

Statement. Sigma = Sigma_t = I, full rank; unit û, v̂ fixed in advance, θ_u = ∠(û, u), θ_v = ∠(v̂, v), P_û = I − û ûᵀ.
Training behind the projection gives D = M P_v̂ (read), P_û M (write) or P_û M P_v̂ (both), as editing M afterwards does.
Let F = D(beta) − D(0) be what the shortcut put into D (all of beta u vᵀ without projection). Then

                        read                      write                     both
    response uᵀF v      beta sin²θ_v              beta sin²θ_u              beta sin²θ_u sin²θ_v
    norm ‖F‖₂           beta sin θ_v              beta sin θ_u              beta sin θ_u sin θ_v
    excess risk         beta² sin²θ_v + ‖T v̂‖²    beta² sin²θ_u + ‖ûᵀT‖²    beta² sin²θ_u sin²θ_v + ‖T − P_û T P_v̂‖²

Second order in the angle is the response alone; the norm is first order. Projecting both sides multiplies the factors,
so that the norm becomes second order as well. Not to be confused with the response of the whole error,
uᵀ(D − T) v = beta sin²θ_v − cos θ_v · uᵀT v̂ on the read side, cos θ_v = v̂ᵀv of either sign: the task lost along (u, v̂)
enters it at order 0 (false variant).

Assumes: Sigma = I; Sigma_t = I; full rank.

Proof (here). F = beta (P_û u)(P_v̂ v)ᵀ, with P_û (P_v̂) replaced by I on a side not projected; uᵀP_û u = ‖P_û u‖² =
sin²θ_u. The error is F plus the task part P_û T P_v̂ − T; F lives on the range of the projectors, the task part
on its complement, so their squares add. ∎

Derived symbolically in the plane. With Sigma ≠ I the input correlations bring the shortcut back (read-removal:
D = M P_v̂ + (M v̂) ell), with Sigma_t ≠ I the risk weighs directions, and under a rank limit, one below full rank
already, the shortcut competes with the task for ranks: the violators.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from ...linear.problem import psd_root
from ..shared.draws import Planted, covariance, log_uniform, orthonormal
from ..shared.maps import truncated
from ..statement import Claim, Route, Sides, Statement, exact

Side = Literal["read", "write", "both"]
SIDES: tuple[Side, ...] = ("read", "write", "both")


@dataclass(frozen=True, eq=False)
class Instance(Planted):
    """Problem (T, beta, u, v, Sigma, Sigma_t), rank r of the update and the directions û, v̂ used in place of u, v."""

    Sigma: Float[ndarray, "d d"]
    Sigma_t: Float[ndarray, "d d"]
    r: int
    u_hat: Float[ndarray, " m"]
    v_hat: Float[ndarray, " d"]

    def projectors(self, side: Side) -> tuple[Float[ndarray, "m m"], Float[ndarray, "d d"]]:
        """(P_û or I, P_v̂ or I)."""
        left, right = np.eye(len(self.u)), np.eye(len(self.v))
        if side != "read":
            left = left - np.outer(self.u_hat, self.u_hat)
        if side != "write":
            right = right - np.outer(self.v_hat, self.v_hat)
        return left, right

    def trained(self, side: Side, beta: float | None = None) -> Float[ndarray, "m d"]:
        """The best D = P_û D P_v̂ of rank r: [P_û M Sigma K⁺]_r K⁺ with K = (P_v̂ Sigma P_v̂)^½."""
        left, right = self.projectors(side)
        M = self.T + (self.beta if beta is None else beta) * np.outer(self.u, self.v)
        inverse = np.linalg.pinv(psd_root(right @ self.Sigma @ right), rcond=1e-6)
        return truncated(left @ M @ self.Sigma @ inverse, self.r) @ inverse

    def left_by_shortcut(self, side: Side) -> Float[ndarray, "m d"]:
        """F = D(beta) − D(0)."""
        return self.trained(side) - self.trained(side, 0.0)

    def sines(self, side: Side) -> float:
        """sin θ_v, sin θ_u or their product."""
        read = float(np.linalg.norm(self.v - self.v_hat * (self.v_hat @ self.v)))
        write = float(np.linalg.norm(self.u - self.u_hat * (self.u_hat @ self.u)))
        return {"read": read, "write": write, "both": read * write}[side]

    def task_lost(self, side: Side) -> float:
        """‖T v̂‖², ‖ûᵀT‖² or their sum less (ûᵀT v̂)², which they share."""
        read, write = float(np.sum((self.T @ self.v_hat) ** 2)), float(np.sum((self.u_hat @ self.T) ** 2))
        return {"read": read, "write": write, "both": read + write - float(self.u_hat @ self.T @ self.v_hat) ** 2}[side]

    @property
    def scale(self) -> float:
        """‖T‖_F + beta."""
        return float(np.linalg.norm(self.T)) + self.beta


def draw(rng: np.random.Generator) -> Instance:
    """Angles from 0.01 to 90° on either side, drawn apart; T from negligible to ten times beta."""
    m, d = (int(n) for n in rng.integers(2, 9, 2))
    left, right, beta = orthonormal(rng, m, 2), orthonormal(rng, d, 2), log_uniform(rng, 0.1, 10)
    a, b = log_uniform(rng, 0.01, 1.5), log_uniform(rng, 0.01, 1.5)
    return Instance(
        T=rng.standard_normal((m, d)) * beta * log_uniform(rng, 0.01, 3),
        u=left[:, 0],
        v=right[:, 0],
        beta=beta,
        Sigma=np.eye(d),
        Sigma_t=np.eye(d),
        r=min(m, d),
        u_hat=np.cos(a) * left[:, 0] + np.sin(a) * left[:, 1],
        v_hat=-np.cos(b) * right[:, 0] + np.sin(b) * right[:, 1],
    )


def one_rank_less(rng: np.random.Generator) -> Instance:
    """r one below full with m > d, so that projecting off û alone leaves a target of full rank."""
    i = draw(rng)
    while i.T.shape[0] <= i.T.shape[1]:
        i = draw(rng)
    return replace(i, r=i.T.shape[1] - 1)


def response(side: Side, value) -> Claim[Instance]:
    return exact("=", lambda i: i.u @ i.left_by_shortcut(side) @ i.v, value, scale=lambda i: i.scale)


def norm(side: Side, value) -> Claim[Instance]:
    return exact("=", lambda i: np.linalg.norm(i.left_by_shortcut(side), 2), value, scale=lambda i: i.scale)


def risk_claim(side: Side, value) -> Claim[Instance]:
    def sides(i: Instance) -> Sides:
        E = i.trained(side) - i.T
        return Sides.exact(float(np.trace(E @ i.Sigma_t @ E.T)), value(i), scale=i.scale**2)

    return Claim("=", sides)


def error_response(value) -> Claim[Instance]:
    return exact("=", lambda i: i.u @ (i.trained("read") - i.T) @ i.v, value, scale=lambda i: i.scale)


def simulated(i: Instance) -> float:
    """Risk, both sides: least squares on sampled inputs in a basis off v̂, outputs off û."""
    rng, d = np.random.default_rng(0), len(i.v)
    X = np.linalg.qr(rng.standard_normal((3 * d, d)))[0] * np.sqrt(3 * d)  # rows are inputs, second moment exactly I
    Y = X @ i.T.T + i.beta * np.outer(X @ i.v, i.u)
    off_v, off_u = np.linalg.svd(i.v_hat[None])[2][1:].T, np.linalg.svd(i.u_hat[None])[2][1:].T
    W = np.linalg.lstsq(X @ off_v, Y @ off_u, rcond=None)[0]
    fitted = X @ off_v @ W @ off_u.T
    return float(np.sum((fitted - X @ i.T.T) ** 2)) / (3 * d)


STATEMENT = Statement(
    key="angle-forgiveness",
    kind="identity",
    law="off by θ: response left beta sin²θ, norm left beta sin θ, risk beta² sin²θ + ‖T v̂‖²; both sides: products",
    basis="proved here",
    assumptions={
        "Sigma = I": lambda i: np.array_equal(i.Sigma, np.eye(len(i.v))),
        "Sigma_t = I": lambda i: np.array_equal(i.Sigma_t, np.eye(len(i.v))),
        "full rank": lambda i: i.r >= min(i.T.shape),
    },
    draw=draw,
    fixed=frozenset({"Sigma", "Sigma_t"}),
    claims={
        **{f"response, {s}": response(s, lambda i, s=s: i.beta * i.sines(s) ** 2) for s in SIDES},
        **{f"norm, {s}": norm(s, lambda i, s=s: i.beta * i.sines(s)) for s in SIDES},
        **{f"risk, {s}": risk_claim(s, lambda i, s=s: i.beta**2 * i.sines(s) ** 2 + i.task_lost(s)) for s in SIDES},
        "response of the whole error": error_response(
            lambda i: i.beta * i.sines("read") ** 2 - (i.v @ i.v_hat) * (i.u @ i.T @ i.v_hat)
        ),
    },
    violators={
        "Sigma = I": lambda rng: replace(i := draw(rng), Sigma=covariance(rng, len(i.v))),
        "Sigma_t = I": lambda rng: replace(i := draw(rng), Sigma_t=covariance(rng, len(i.v))),
        "full rank": one_rank_less,
    },
    route=Route("risk, both", simulated, lambda i: 1e-12 * i.scale**2, "measured"),
)
