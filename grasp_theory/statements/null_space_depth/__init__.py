"""null-space-depth (upper). How far null-space training can move the outputs of a residual net with softmax attention.

Statement. A sequence X (d × n, a token a column) goes through blocks X ← X + O V X Pᵀ, P the row-wise softmax of
(Q X)ᵀ(K X)/√h, with or without a causal mask, then X ← X + W φ(U X), φ acting entrywise. Null-space training adds
Delta_j to Q, K, V, U (site j), Delta_j N_j = 0 for the k leading eigenvectors N_j of Sigma_j, the uncentred second
moment of the *base's* inputs to site j over reference sequences. Norms of streams are root mean squares over the
reference tokens; e the drift ‖X̃ − X‖ of the tuned stream from the base's before a step, rho >= ‖X_s‖₂, ‖X̃_s‖₂ of all
sequences s there. With move_j = ‖Delta_j‖_F √λ_{k+1}(Sigma_j) + ‖Delta_j‖₂ e and Q̃ = Q + Delta_Q, after a step

    e' <= Lip e + Σ_j g_j move_j,   Lip_attention = 1 + ‖O V‖ (√n + rho² ‖QᵀK‖/√h),   Lip_mlp = 1 + ‖W‖‖U‖,
    g_U = ‖W‖,   g_V = √n ‖O‖,   g_K = rho² ‖O V‖ ‖Q̃‖/(2√h),   g_Q = rho² ‖O V‖ ‖K‖/(2√h),

and so at the output Σ_l Lip_{>l} Σ_j g_j move_j, Lip_{>l} the product of Lip over the later steps. rho is what is
measured on the two runs, or any a priori bound; Lip are of the base alone. A pre-norm with gain g is one more step of
Lip max|g|/√ε, which is why its bound says little.

Assumes: Delta_j N_j = 0; Sigma_j is uncentred, of the base's inputs; φ is 1-Lipschitz.

Proof (here). *Site*: ‖Delta X‖² = tr(Delta Sigma Deltaᵀ) <= ‖Delta‖_F² λ_{k+1} of the base's inputs X, as Delta =
Delta (I − N Nᵀ) (``old-inputs``); ‖Delta X̃‖ <= ‖Delta X‖ + ‖Delta‖₂ e. *Step*: X̃' − X' = [F(X̃) − F(X)] + [F̃(X̃) − F(X̃)],
F with the base's weights. First bracket: along the segment between X and X̃, which stays in the ball of radius rho,
dF = dX + O V (dX Pᵀ + X dPᵀ), ‖P‖₂ <= √n (rows sum to 1), ‖dP_i‖ <= ½ ‖dS_i‖ (diag p − p pᵀ has norm <= ½, masked or
not), ‖dS‖_F <= 2 rho ‖QᵀK‖ ‖dX‖_F/√h. Second: exchange V, K, Q one after another: O Delta_V X̃ P̃ᵀ; and O V X̃ times a
change of P by at most ½ that of the logits, ‖(Q̃X̃)ᵀ Delta_K X̃‖_F <= rho ‖Q̃‖ ‖Delta_K X̃‖_F, and the same with K for Q.
MLP: φ 1-Lipschitz, twice. Frobenius norms of sequences add in squares, so all of it holds for root mean squares
(Minkowski). Unroll. ∎ Attained in the limit of small streams by aligned weights; g_Q and g_K by two opposite tokens;
g_V where all tokens attend to one; the logits of Lip by QᵀK = L (b cᵀ + c bᵀ), L → ∞, opposite tokens ±b and drift c.

Not claimed: that the drift is of that size. On generic nets of five dimensions the bound is some 45, 700 and 10⁵ times
the drift at 1, 2 and 3 blocks (medians), in the experiment, where weights have norm 0.4, 13, 27 and 53 times: the Lip
multiply. A bound by the gain along the drift itself is open.

Source: proved here; the Jacobian of softmax attention also in Castin, Ablin and Peyré 2024 (arXiv 2312.14820).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
from numpy import ndarray

from ..statement import Claim, Route, Sides, Statement
from .draws import chain, draw
from .instances import Instance, Step, projected

Terms = Callable[[Step], float]


def site(bound: Callable[[Step, str], float], *, tight: bool = False) -> Claim[Instance]:
    """‖Delta_j X‖ of the base's inputs at the instance's site."""

    def sides(i: Instance) -> Sides:
        step = i.steps[i.site[0]]
        return Sides.exact(step.answered(i.site[1]), bound(step, i.site[1]), scale=step.size)

    return Claim("<=", sides, tight)


def step_claim(bound: Terms, *, tight: bool = False) -> Claim[Instance]:
    """The drift after the instance's step."""

    def sides(i: Instance) -> Sides:
        step = i.steps[i.site[0]]
        return Sides.exact(step.after, bound(step), scale=step.size)

    return Claim("<=", sides, tight)


def output(move: Callable[[Step, str, float], float], lip: Terms, gain: Callable[[Step, str], float], *, tight=False):
    """The drift at the output against the bounds of the steps, unrolled."""

    def sides(i: Instance) -> Sides:
        drift = 0.0
        for step in i.steps:
            drift = lip(step) * drift + sum(gain(step, j) * move(step, j, drift) for j in step.sites)
        return Sides.exact(i.steps[-1].after, drift, scale=i.steps[-1].size)

    return Claim("<=", sides, tight)


def promised(step: Step, j: str) -> float:
    """‖Delta_j‖_F √λ_{k+1}(Sigma_j)."""
    return float(np.linalg.norm(step.deltas[j]) * np.sqrt(step.next_value))


def moved(step: Step, j: str, drift: float) -> float:
    return promised(step, j) + float(np.linalg.norm(step.deltas[j], 2)) * drift


def norm(X: ndarray) -> float:
    return float(np.linalg.norm(X, 2))


def lipschitz(step: Step, spread: float | None = None, logits: float = 1.0) -> float:
    """Of attention with these factors of ‖O V‖, √n by default, and of rho² ‖O V‖‖QᵀK‖/√h; an MLP has its own."""
    w = step.weights
    if "U" in w:
        return 1 + norm(w["W"]) * norm(w["U"])
    slope = step.rho**2 * norm(w["Q"].T @ w["K"]) / np.sqrt(len(w["Q"]))
    return 1 + norm(w["O"] @ w["V"]) * ((np.sqrt(step.tokens) if spread is None else spread) + logits * slope)


def gain(step: Step, j: str) -> float:
    w = step.weights
    if j == "U":
        return norm(w["W"])
    if j == "V":
        return float(np.sqrt(step.tokens)) * norm(w["O"])
    other = w["K"] if j == "Q" else w["Q"] + step.deltas["Q"]
    return step.rho**2 * norm(w["O"] @ w["V"]) * norm(other) / (2 * float(np.sqrt(len(other))))


def one_step(step: Step) -> float:
    return lipschitz(step) * step.before + sum(gain(step, j) * moved(step, j, step.before) for j in step.sites)


CLAIMS: dict[str, Claim[Instance]] = {
    "site": site(promised, tight=True),
    "step": step_claim(one_step, tight=True),
    "output": output(moved, lipschitz, gain, tight=True),
}


def in_torch(i: Instance) -> float:
    """The drift at the output by torch's own softmax and matrix products."""
    import torch

    def run(tuned: bool):
        X = torch.from_numpy(i.inputs)
        for block in i.blocks:
            changed = block.deltas if tuned else {}
            w = {n: torch.from_numpy(x + changed.get(n, 0)) for n, x in block.weights.items()}
            q, k, v = (torch.einsum("ab,sbn->sna", w[n], X) for n in "QKV")
            out = torch.nn.functional.scaled_dot_product_attention(q, k, v, is_causal=i.causal)
            X = X + torch.einsum("ab,snb->san", w["O"], out)
            X = X + torch.einsum("ab,sbn->san", w["W"], i.slope * torch.tanh(torch.einsum("ab,sbn->san", w["U"], X)))
        return X

    gap = (run(True) - run(False)).square().sum(dim=(1, 2)).mean() / i.inputs.shape[2]
    return float(gap.sqrt())


STATEMENT = Statement(
    key="null-space-depth",
    kind="upper",
    law="output drift <= Σ_l Lip_{>l} Σ_j g_j (‖Delta_j‖_F √λ_{k+1}(Sigma_j) + ‖Delta_j‖ drift_{<l}), with softmax",
    basis="proved here",
    assumptions={
        "Delta_j N_j = 0": lambda i: all(step.leak <= 1e-9 for step in i.steps),
        "Sigma_j is uncentred, of the base's inputs": lambda i: not i.centred,
        "φ is 1-Lipschitz": lambda i: i.slope <= 1,
    },
    draw=draw,
    claims=CLAIMS,
    extremal=lambda rng: chain(rng, 2),
    violators={
        "Delta_j N_j = 0": lambda rng: chain(rng, 2, reads=0),
        # the covariance does not see the common token, and the updates read it
        "Sigma_j is uncentred, of the base's inputs": lambda rng: projected(
            replace(chain(rng, 2, reads=0, mean=True), centred=True)
        ),
        "φ is 1-Lipschitz": lambda rng: replace(chain(rng, 1), slope=3.0),
    },
    route=Route("output", in_torch, lambda i: 1e-12 * i.steps[-1].size + 1e-300, side="measured"),
    draws=100,
)
