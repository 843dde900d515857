"""caft-gap (identity). How training with the factor ablated (CAFT) differs from projecting the update (GRASP-read).

Statement. CAFT trains (W0 + D) P x on (W0 + M) x, P = P_v, and is deployed as (W0 + D) x. At full rank

    off v   D P = (W0 + M) Sigma P (P Sigma P)⁺ − W0 P = GRASP-read + W0 v · ell:

the ablation also hides the pretrained response W0 v from the model, which learns to imitate it from the rest of x.

    on v    A v never changes: with LoRA from B = 0, D v = scaling B A0 v at every step of plain descent or momentum.

D v itself moves, as B does, from 0 to a random read of the factor, carried at deployment unless A0 is projected. B and
A P do not depend on A0 v at all. Hence for A0 v independent of A0 P, of uncorrelated entries of mean 0 and variance s²,
the read has E[‖D v‖² | A0 P] = s² scaling² ‖B‖_F² (and is N(0, s² scaling² B Bᵀ) if it is Gaussian, as A0 is then).
Excess risk ‖T v (ell − vᵀ) + (beta u + W0 v) ell + D v vᵀ‖_t². With the ablation kept at inference D v drops out and
(W0 + D) P − W0 − T = (W0 + T) v (ell − vᵀ) + beta u ell. At Sigma_t = Sigma and D v = 0

    R(CAFT) − R(GRASP-read) = (‖beta u + W0 v‖² − beta²) L,      L = ell Sigma ellᵀ.

Assumes: Sigma ≻ 0 on v^⊥; rank >= min(m, d − 1); updates linear in the gradients.

Proof (here). The output to be fitted by D P x is (W0 + M) x − W0 P x = (M + W0 v vᵀ) x: GRASP-read of this target adds
W0 v (vᵀ P + ell) = W0 v ell. The gradient to A is scaling Bᵀ G P, and (Bᵀ G P) v = 0; the gradients see A through A P
only. Adam divides coordinate-wise, its increment of A is not ⟂ v, and A v moves (violator). Cross terms vanish at
Sigma_t = Sigma as in read-removal. ∎

At rank r < min(m, d − 1) the two are truncated differently (violator).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from ...linear.problem import LinearProblem, draw_problem
from ...linear.regimes import excess_risk
from ...linear.solutions import caft, caft_ablated, grasp_read, kept_read
from ..shared.draws import log_uniform
from ..shared.maps import definite, descend, exact_samples, map_risk, same, singular
from ..statement import Border, Claim, Route, Sides, Statement

STEPS = 25


@dataclass(frozen=True, eq=False)
class Instance:
    """A problem, a LoRA start A0, another that differs in A0 v only, an optimiser, the closed forms' rank, a probe.

    scaling : of D = scaling B A. s : root mean square of the entries of A0 v.
    """

    problem: LinearProblem
    A0: Float[ndarray, "r d"]
    other_A0: Float[ndarray, "r d"]
    optimizer: str
    rank: int
    scaling: float
    s: float
    Z: Float[ndarray, "m d"]

    def train(self, A0: Float[ndarray, "r d"]) -> tuple[Float[ndarray, "m r"], Float[ndarray, "r d"]]:
        """(B, A) after a few CAFT steps, from B = 0."""
        p = self.problem
        P, W, c = p.P_v, p.W0 + p.M, self.scaling
        factors = [np.zeros((len(p.u), len(A0))), A0]
        mean, square, kept = [0.0, 0.0], [0.0, 0.0], 0.0 if self.optimizer == "sgd" else 0.9
        curvature = np.linalg.norm(p.H, 2) * np.linalg.norm(p.Sigma, 2)
        rate = 0.05 / (c**2 * curvature * (np.linalg.norm(A0 @ P, 2) ** 2 + np.linalg.norm(W, 2) / c))
        for t in range(1, STEPS + 1):
            B, A = factors
            G = c * p.H @ ((p.W0 + c * B @ A) @ P - W) @ p.Sigma @ P
            for k, g in enumerate((G @ A.T, B.T @ G)):
                mean[k] = kept * mean[k] + g
                square[k] = 0.999 * square[k] + 0.001 * g**2
                adam = 0.1 * mean[k] / (1 - 0.9**t) / (np.sqrt(square[k] / (1 - 0.999**t)) + 1e-8)
                factors[k] = factors[k] - (0.02 * adam if self.optimizer == "adam" else rate * mean[k])
        return factors[0], factors[1]

    @cached_property
    def trained(self) -> tuple[Float[ndarray, "m r"], Float[ndarray, "r d"]]:
        """(B, A) from A0."""
        return self.train(self.A0)


def draw(rng: np.random.Generator, smallest: int = 2) -> Instance:
    """Half plain descent, half momentum."""
    p = draw_problem(rng, sizes=(smallest, 6), metric=True)
    (m, d), r = p.shape, int(rng.integers(1, 5))
    A0 = rng.uniform(-1, 1, (r, d)) * np.sqrt(3 / d)
    other = A0 + np.outer(rng.standard_normal(r), p.v)
    optimizer = str(rng.choice(["sgd", "momentum"]))
    rank = max(min(m, d - 1) + int(rng.integers(-1, 2)), 1)
    scaling, s = log_uniform(rng, 0.5, 2), log_uniform(rng, 0.3, 3)
    return Instance(p, A0, other, optimizer, rank, scaling, s, rng.standard_normal((m, d)))


def W0v(i: Instance) -> Float[ndarray, " m"]:
    """W0 v."""
    return i.problem.W0 @ i.problem.v


def off_v(pretrained) -> Claim[Instance]:
    """CAFT off v = GRASP-read + this multiple of ell."""
    return same(
        lambda i: caft(i.problem, i.rank),
        lambda i: grasp_read(i.problem, i.rank) + np.outer(pretrained(i), i.problem.ell),
    )


def on_v(i: Instance) -> Float[ndarray, "m d"]:
    """D v vᵀ after training."""
    B, A = i.trained
    return np.outer(i.scaling * B @ A @ i.problem.v, i.problem.v)


def kept(i: Instance) -> Float[ndarray, "m d"]:
    """B A0 v vᵀ."""
    return np.outer(kept_read(i.trained[0], i.A0, i.problem.v, scaling=i.scaling), i.problem.v)


def risk(error) -> Claim[Instance]:
    """Excess risk of CAFT with the read it keeps, against ‖error‖_t²."""

    def sides(i: Instance) -> Sides:
        p, E = i.problem, error(i)
        measured = excess_risk(p, caft(p, i.rank, on_v=kept_read(i.trained[0], i.A0, p.v, scaling=i.scaling)))
        return Sides.exact(measured, map_risk(p, E), scale=measured + float(np.sum(p.M**2)))

    return Claim("=", sides)


def deployed(i: Instance) -> Float[ndarray, "m d"]:
    """T v (ell − vᵀ) + (beta u + W0 v) ell + D v vᵀ."""
    p = i.problem
    E = np.outer(p.T @ p.v, p.ell - p.v) + np.outer(p.beta * p.u + W0v(i), p.ell)
    return E + on_v(i)


def ablated_error(i: Instance) -> Float[ndarray, "m d"]:
    """(W0 + T) v (ell − vᵀ) + beta u ell."""
    p = i.problem
    return np.outer(W0v(i) + p.T @ p.v, p.ell - p.v) + p.beta * np.outer(p.u, p.ell)


def gain(i: Instance) -> float:
    """‖beta u + W0 v‖² − beta²."""
    return float(np.sum((i.problem.beta * i.problem.u + W0v(i)) ** 2)) - i.problem.beta**2


def difference(bound, *, shift: bool = False) -> Claim[Instance]:
    """R(CAFT) − R(GRASP-read) at D v = 0; without ``shift`` at Sigma_t = Sigma."""

    def sides(i: Instance) -> Sides:
        p = i.problem if shift else replace(i.problem, Sigma_t=i.problem.Sigma)
        high, low = excess_risk(p, caft(p, i.rank)), excess_risk(p, grasp_read(p, i.rank))
        return Sides.exact(high - low, bound(i) * float(p.ell @ p.Sigma_t @ p.ell), scale=high + low)

    return Claim("=", sides)


def mean_read(share) -> Claim[Instance]:
    """Mean ‖D v‖² over the r starts A0 P + s √r e_k vᵀ, which have the second moments of A0 v exactly."""

    def sides(i: Instance) -> Sides:
        A0, r = i.A0 @ i.problem.P_v, len(i.A0)
        runs = [i.train(A0 + i.s * np.sqrt(r) * np.outer(e, i.problem.v)) for e in np.eye(r)]
        found = [float(np.sum((i.scaling * B @ A @ i.problem.v) ** 2)) for B, A in runs]
        return Sides.exact(float(np.mean(found)), share(i, float(np.sum(i.trained[0] ** 2))))

    return Claim("=", sides)


def by_descent(i: Instance) -> float:
    """Descent from 0 on samples with ablated inputs, which leaves D v = 0."""
    p = i.problem
    X = exact_samples(np.random.default_rng(0), p.Sigma, 2 * len(p.v))
    Y = (p.W0 + p.M) @ X - p.W0 @ (p.P_v @ X)
    return float(np.sum(i.Z * descend(p.H, p.P_v @ X, Y)))


def needed(i: Instance) -> int:
    """min(m, d − 1)."""
    return min(i.problem.shape[0], i.problem.shape[1] - 1)


STATEMENT = Statement(
    key="caft-gap",
    kind="identity",
    law="CAFT = GRASP-read + W0 v ell off v; on v LoRA-CAFT keeps B A0 v",
    basis="proved here",
    assumptions={
        "Sigma ≻ 0 on v^⊥": lambda i: definite(i.problem.P_v @ i.problem.Sigma @ i.problem.P_v, len(i.problem.v) - 1),
        "rank >= min(m, d − 1)": Border(lambda i: (i.rank + 0.5) / max(needed(i), 0.5) - 1),
        "updates linear in the gradients": lambda i: i.optimizer in ("sgd", "momentum"),
    },
    draw=draw,
    always=frozenset({"independent of A0 v"}),
    claims={
        "off v": off_v(W0v),
        "on v": same(on_v, kept),
        "on v, mean": mean_read(lambda i, B2: i.s**2 * i.scaling**2 * B2),
        "independent of A0 v": same(
            lambda i: np.linalg.multi_dot([*i.trained, i.problem.P_v]),
            lambda i: np.linalg.multi_dot([*i.train(i.other_A0), i.problem.P_v]),
        ),
        "risk": risk(deployed),
        "CAFT + ablation": same(lambda i: caft_ablated(i.problem, i.rank) - i.problem.T, ablated_error),
        "against GRASP": difference(gain),
    },
    violators={
        "Sigma ≻ 0 on v^⊥": lambda rng: singular(replace(i := draw(rng, 3), rank=needed(i)), rng, "Sigma", "v"),
        "rank >= min(m, d − 1)": lambda rng: replace(draw(rng, 4), rank=1),
        "updates linear in the gradients": lambda rng: replace(i := draw(rng), optimizer="adam", rank=needed(i)),
    },
    route=Route(
        "off v",
        by_descent,
        lambda i: 1e-9 * float(np.linalg.norm(i.Z) * np.linalg.norm(i.problem.W0 + i.problem.M)),
        "measured",
        ("LinearProblem.M", "LinearProblem.P_v"),
    ),
)
