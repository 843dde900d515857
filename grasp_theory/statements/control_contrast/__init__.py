"""control-contrast (tight + converse). What a second fine-tune that shares the task buys: its difference's norm.

Statement. Gradient flow from 0 on quadratic loss, inputs of second moment Sigma, H = I, for a time t: with
E_k = e^(−t_k Sigma), lambda = ‖Sigma‖, a task T shared with the control and contents C_k of each run's own,

    dW₁ = (T + C₁ + beta u vᵀ)(I − E₁),   dW₀ = (T + C₀)(I − E₀),   dW₁ − dW₀ = beta' u v'ᵀ + Delta,

beta' v' = beta (I − E₁) v, Delta = T (E₀ − E₁) + C₁ (I − E₁) − C₀ (I − E₀), delta = ‖Delta‖₂. Its top triple (ŝ, û, v̂):

    sin ∠(û,u) = ‖P_u Delta v̂‖/ŝ <= delta/ŝ,     sin 2θ <= 2 delta/beta' for θ = ∠(û,u) and for θ = ∠(v̂,v'),

whatever ‖T‖ is; and for m >= 2 and Sigma of rank >= 2 no map of the two updates (dW₁, dW₀) to a direction does better
in the worst case over all of these delta and beta'. What it buys:

  length     ‖T (E₀ − E₁)‖ <= g(κ) ‖T‖, g = (1 − κ) κ^(κ/(1−κ)), κ = min t/max t: a control half as long leaves a
             quarter of the task at most, whatever Sigma is; g ~ (1 − κ)/e at κ → 1, and 1 without a control (κ = 0);
  budget     delta <= g(κ) ‖T‖ + (1 − e^(−t₁ lambda)) ‖C₁‖ + (1 − e^(−t₀ lambda)) ‖C₀‖: what is shared, such as a
             format, cancels; what is each run's own adds up. A control with ‖C₀‖ > ‖T + C₁‖ + ‖C₁‖ (t = ∞) leaves
             more than there was;
  sample     t = ∞ and C_k the errors of least squares on X_k (d x n_k, noise s N(0, I), independent samples):
             E‖Delta‖_F² = s² m tr K, E‖Delta‖₂ <= s (√m ‖K‖₂^½ + √tr K), K = (X₁X₁ᵀ)⁻¹ + (X₀X₀ᵀ)⁻¹, and T is gone.

Assumes: the control is free of the factor; delta < beta'/2; both runs have one Sigma; independent samples; the answer
depends on the two updates alone.

Proof (here). The flow dW' = (G − dW) Sigma, dW(0) = 0 is solved by G (I − e^(−t Sigma)); subtract. So dW₁ − dW₀ is one
factor plus Delta: ``posterior-angle`` and ``prior-angle`` with Delta for T. *Converse*: (dW₁, dW₀) ↦ (dW₁ − dW₀, dW₀)
is a bijection, and with every dW₀ the two worlds of ``minimax-angle`` for beta', delta are possible, C₁ making up the
difference, with v'₁, v'₂ = q cos θ ± q' sin θ for eigenvectors q, q' of Sigma of positive eigenvalues, so that ‖v₁‖ =
‖v₂‖ at one beta: Delta₁ = −Delta₂, one difference, angle 2θ between u₁ and u₂. *Length*: ‖T f(Sigma)‖ <= ‖T‖ max |f|,
and with y = e^(−t lambda) for the longer t, f = y^κ − y on [0, 1] is largest at y = κ^(1/(1−κ)), where it is g(κ);
attained for the top right singular vector of T along an eigenvector with that eigenvalue. *Budget*: ‖I − E_k‖ = 1 −
e^(−t_k lambda) and the triangle inequality; attained where all parts are multiples of one. *Sample*: the error N_k = s
G_k X_k⁺ has rows of covariance s² (X_kX_kᵀ)⁻¹, independent ones add to s² K, and E‖G K^½‖ <= √m ‖K^½‖ + ‖K^½‖_F
(Chevet). ∎

A control with the factor leaves beta' less its own share; one with other inputs leaves T where the two Sigma differ; on
the same samples the errors cancel too, which is more than two samples can: the violators.

Source: proved here, from ``posterior-angle``, ``prior-angle``, ``minimax-angle``; Chevet 1978 for the norm.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
from jaxtyping import Float
from numpy import ndarray
from scipy.integrate import solve_ivp

from ..shared.draws import covariance, sharp, sine
from ..statement import Border, Claim, Route, Search, Sides, Statement, exact
from . import instances as made
from .instances import Instance, budget, kappa, learned, left_over, norm, share, size


def angle(side: int, bound: Callable[[Instance], float], *, tight: bool = False) -> Claim[Instance]:
    return exact("<=", lambda i: sine(i.top[2], i.right) if side else sine(i.top[0], i.u), bound, tight=tight)


def pushed(bound: Callable[[Instance], float]) -> Claim[Instance]:
    return exact("=", lambda i: sine(i.top[0], i.u), bound, scale=lambda i: size(i) / i.top[1])


def of_task(measured, bound, *, tight: bool = False) -> Claim[Instance]:
    return exact("<=", measured, bound, scale=size, tight=tight)


def sampled(relation, power: int, bound: Callable[[Instance], float]) -> Claim[Instance]:
    """The mean of ‖Delta‖_F² (power 2) or of ‖Delta‖₂ over the estimates."""

    def sides(i: Instance) -> Sides:
        x = np.sum(i.estimates**2, axis=(1, 2)) if power == 2 else np.linalg.norm(i.estimates, 2, axis=(1, 2))
        return Sides(float(x.mean()), float(bound(i)), float(5 * x.std(ddof=1) / np.sqrt(len(x))) + 1e-9 * size(i))

    return Claim(relation, sides, slack="five standard errors of the mean over 400 pairs of samples, and rounding")


def converse(bound: Callable[[Instance], float], *, tight: bool = False) -> Claim[Instance]:
    return exact(">=", Instance.missed, bound, tight=tight)


def _tail(i: Instance) -> float:
    P = i.Delta @ i.top[2]
    return float(np.linalg.norm(P - i.u * (i.u @ P))) / i.top[1]


CLAIMS: dict[str, Claim[Instance]] = {
    "left": angle(0, lambda i: sharp(i.rho), tight=True),
    "right": angle(1, lambda i: sharp(i.rho), tight=True),
    "what pushes it": pushed(_tail),
    "certificate": angle(0, lambda i: i.delta / i.top[1]),
    "length": of_task(share, lambda i: left_over(kappa(i)) * norm(i.T), tight=True),
    "budget": of_task(lambda i: i.delta, budget, tight=True),
    "sample": sampled("=", 2, lambda i: i.samples.s**2 * len(i.T) * float(np.trace(i.K))),
    "sample, norm": sampled(
        "<=", 1, lambda i: i.samples.s * float(np.sqrt(len(i.T) * norm(i.K)) + np.sqrt(np.trace(i.K)))
    ),
    "nobody": converse(lambda i: sharp(i.rho), tight=True),
}


def trained(i: Instance) -> float:
    """sin ∠(û,u) of two runs by an ordinary differential equation solver, decomposed by a Gram matrix."""
    factor = np.outer(i.u, i.v)

    def run(target: ndarray, Sigma: ndarray, t: float) -> ndarray:
        def flow(_: float, w: ndarray) -> ndarray:
            return ((target - w.reshape(target.shape)) @ Sigma).ravel()

        start = np.zeros(target.size)
        return solve_ivp(flow, (0, t), start, method="DOP853", rtol=1e-11, atol=1e-12 * i.beta).y[:, -1]

    one, nought = i.T + i.C1 + i.beta * factor, i.T + i.C0 + i.beta0 * factor
    D = (run(one, i.Sigma, i.t1) - run(nought, i.Sigma0, i.t0)).reshape(i.T.shape)
    return sine(np.linalg.eigh(D @ D.T)[1][:, -1], i.u)


def moved(i: Instance) -> float:
    """How far the solver's error moves that sine: its size over the gap of the squared singular values."""
    S = np.linalg.svd(i.difference, compute_uv=False)
    gap = float(S[0] ** 2 - S[1] ** 2) / S[0] ** 2
    return 1e-11 * (1 + size(i) / S[0]) / gap


def _ratio(x):
    """What is left of T over g(κ) ‖T‖ for 2 x 2 T, Sigma = exp(S) with S symmetric, t = (1, 0.4)."""
    import torch

    S = torch.stack([torch.stack([x[4], x[5]]), torch.stack([x[5], x[6]])])
    Sigma = torch.linalg.matrix_exp(S)
    T = x[:4].reshape(2, 2)
    T = T / torch.linalg.svdvals(T)[0]
    left = T @ (torch.linalg.matrix_exp(-0.4 * Sigma) - torch.linalg.matrix_exp(-Sigma))
    return torch.linalg.svdvals(left)[0] / left_over(0.4)


def _searched(x: Float[ndarray, " 7"]) -> Instance:
    """The same with a factor far stronger than what is left."""
    values, Q = np.linalg.eigh(np.array([[x[4], x[5]], [x[5], x[6]]]))
    Sigma, T = Q * np.exp(values) @ Q.T, x[:4].reshape(2, 2)
    base, none = made.extremal(np.random.default_rng(0)), np.zeros((2, 2))
    changed = {"T": T / np.linalg.norm(T, 2), "C1": none, "C0": none, "u": np.eye(2)[0], "v": np.eye(2)[0]}
    strong = 100 / float(np.linalg.norm(learned(Sigma, 1.0)[:, 0]))
    return replace(
        base, **changed, beta=strong, Sigma=Sigma, Sigma0=Sigma, t1=1.0, t0=0.4, frames=(np.eye(2), np.eye(2))
    )


STATEMENT = Statement(
    key="control-contrast",
    kind="tight",
    law="dW₁ − dW₀ = beta' u v'ᵀ + Delta: all bounds with ‖Delta‖ for ‖T‖; a control half as long leaves ¼ of T",
    basis="proved here",
    assumptions={
        "the control is free of the factor": lambda i: i.beta0 == 0,
        "delta < beta'/2": Border(lambda i: 0.5 / i.rho - 1 if i.rho else 1.0),
        "both runs have one Sigma": lambda i: bool(np.array_equal(i.Sigma, i.Sigma0)),
        "independent samples": lambda i: not i.samples.same,
        "the answer depends on the two updates alone": lambda i: i.estimator != "oracle",
    },
    draw=made.draw,
    always=frozenset({"what pushes it"}),
    claims=CLAIMS,
    extremal=made.extremal,
    violators={
        # all of it is in both, after the same time: nothing of it is left in the difference
        "the control is free of the factor": lambda rng: replace(
            i := made.extremal(rng),
            t0=2.0,
            beta0=i.beta,
            C1=0.1 * rng.standard_normal((5, 4)),
            C0=0.1 * rng.standard_normal((5, 4)),
        ),
        "delta < beta'/2": made.beyond_half,
        # after the same time other inputs leave a part of the task: more than g(1) = 0
        "both runs have one Sigma": lambda rng: replace(
            i := made.extremal(rng),
            t0=2.0,
            T=0.1 * rng.standard_normal((5, 4)),
            C1=0 * i.C1,
            C0=0 * i.C0,
            Sigma0=covariance(rng, 4),
        ),
        # errors that both runs share cancel, and the formula promises less than that
        "independent samples": lambda rng: replace(i := made.extremal(rng), samples=replace(i.samples, same=True)),
        "the answer depends on the two updates alone": lambda rng: replace(made.extremal(rng), estimator="oracle"),
    },
    search=Search("length", 7, _ratio, _searched, restarts=2, steps=200),
    route=Route("left", trained, moved, side="measured"),
)
