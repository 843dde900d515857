"""naive-solution (identity). What naive fine-tuning learns: the task and the shortcut, whatever the inputs.

Statement. y = (W0 + M) x + noise with M = T + beta u vᵀ, E[noise xᵀ] = 0, Sigma = E[x xᵀ] ≻ 0, loss E‖H^½(y −
ŷ)‖² with H ≻ 0. Then for any S Sᵀ = Sigma, with X = H^½ M S and σ_i its singular values ([.]_r: r leading
triples): full rank: dW = M, for every Sigma and H;   rank r = 1, 2, …: dW = H^{-½} [X]_r S⁻¹ (= [M S]_r S⁻¹ for H =
I), of excess training loss Σ_{i>r} σ_i², the smallest possible; the same for every root S; unique iff σ_r >
σ_{r+1} or σ_{r+1} = 0. Gradient descent on LoRA's factors from B = 0 and an A0 in general position reaches it.

Assumes: Sigma ≻ 0; H ≻ 0; E[noise xᵀ] = 0; A0 in general position.

Proof (here). E‖H^½(y − W0 x − D x)‖² = ‖H^½(M − D) S‖_F² + E‖H^½ noise‖², as the cross term is E[noise xᵀ] = 0.
H^½ and S are invertible, so D -> H^½ D S is a bijection that keeps ranks: at full rank the minimum 0 is at D = M
only, at rank r it is Eckart and Young's problem for X, minimised by [X]_r; unique iff [X]_r is: iff σ_r >
σ_{r+1}, or σ_{r+1} = 0, where [X]_r = X. Another root is S R with R orthogonal: [X R]_r (S R)⁻¹ = [X]_r S⁻¹. ∎

Descent: *proved* for gradient flow with Sigma = H = I and A0 A0ᵀ = alpha² I, hence for every A0 at rank one: it
ends in [M]_r iff A0 V_r is invertible, V_r the right singular vectors to keep (``spectral-order``: the flow is a
Riccati equation there). For other A0, Sigma and H it is *measured*, A0 of condition up to 3 in Haar bases (general
position: A0 S V_r has full rank). The strict-saddle theorem speaks of almost every (B0, A0), and B0 = 0 is a null
set of those: no proof for almost every A0. Needed: with A0 v_1 = 0 and Sigma = I, u_1ᵀB and A v_1 stay 0 for ever.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy import ndarray

from ...linear.problem import LinearProblem, psd_root
from ...linear.solutions import naive_solution
from ..shared.draws import covariance, orthonormal, with_spectrum
from ..shared.maps import alternating_loss, definite, truncated
from ..statement import Claim, Route, Sides, Statement, exact
from .instances import Instance, draw, plant


def extremal(rng: np.random.Generator) -> Instance:
    """The rival is the minimiser itself."""
    i = plant(rng, with_spectrum(rng, 5, 4, np.array([2.0, 1.2, 0.7, 0.4])), 2, covariance(rng, 4), np.eye(5))
    return replace(i, candidate=naive_solution(i.problem, 2))


def unseen_input(rng: np.random.Generator) -> Instance:
    """Sigma without one direction."""
    Q = orthonormal(rng, 4, 3)
    X = with_spectrum(rng, 5, 4, np.array([2.0, 1.2, 0.7])) @ Q @ Q.T
    i = plant(rng, X, 4, Q @ Q.T, np.eye(5))
    M = i.problem.M + rng.standard_normal((5, 4))
    return replace(i, problem=replace(i.problem, T=M - i.problem.beta * np.outer(i.problem.u, i.problem.v)))


def blind_metric(rng: np.random.Generator) -> Instance:
    """H without one direction."""
    i, Q = extremal(rng), orthonormal(rng, 5, 4)
    return replace(i, problem=replace(i.problem, H=Q @ Q.T))


def blind_start(rng: np.random.Generator) -> Instance:
    """A0 v_1 = 0, Sigma = I; axis-aligned, since rounding in any other frame grows and leaves the saddle."""
    T, u, v = np.diag([1.5, 1.2, 0.7, 0.4]), np.eye(4)[0], np.eye(4)[0]
    A0 = rng.standard_normal((2, 4)) * [0, 1, 1, 1]
    i = plant(rng, T, 2, np.eye(4), np.eye(4))
    return replace(i, problem=LinearProblem(T, T, 0.5, u, v, np.eye(4)), A0=A0)


def _general(i: Instance) -> bool:
    """A0 S V_r has full column rank, V_r the right singular vectors to keep."""
    keep = min(i.rank, int(np.sum(i.sigma > 1e-6 * i.sigma[0])))
    V = np.linalg.svd(i.X)[2][:keep].T
    return keep == 0 or bool(np.linalg.svd(i.A0 @ i.S @ V, compute_uv=False)[-1] > 1e-6)


def _regression(i: Instance) -> ndarray:
    """Weighted least squares on the samples, as one long vector; of minimal norm where it is not determined."""
    root, y = psd_root(i.problem.H), i.problem.M @ i.inputs + i.noise
    return np.linalg.lstsq(np.kron(root, i.inputs.T), (root @ y).ravel(), rcond=1e-7)[0].reshape(y.shape[0], -1)


def by_root(i: Instance, root: ndarray) -> ndarray:
    H = psd_root(i.problem.H)
    return np.linalg.pinv(H, rcond=1e-7) @ truncated(H @ i.problem.M @ root, i.rank) @ np.linalg.pinv(root, rcond=1e-7)


def _picks_one(i: Instance) -> bool:
    """Whether infinitesimal changes of X, which pick among its best approximations, all pick the same."""
    rng, size = np.random.default_rng(0), np.linalg.norm(i.X)
    picked = [truncated(i.X + 1e-8 * size * rng.standard_normal(i.X.shape), i.rank) for _ in range(4)]
    return bool(max(np.linalg.norm(x - picked[0]) for x in picked) < 1e-4 * size)


def at_rank(update) -> Claim[Instance]:
    """The update as seen by the probe where it is unique, and by its loss where only that is determined."""

    def sides(i: Instance) -> Sides:
        measured, bound = update(i), naive_solution(i.problem, i.rank)
        if not i.unique:
            return Sides.exact(i.loss(measured), i.loss(bound), scale=i.scale())
        return Sides.exact(np.sum(i.probe * measured), np.sum(i.probe * bound), scale=10 * float(np.linalg.norm(bound)))

    return Claim("=", sides)


def minimum(tail) -> Claim[Instance]:
    return exact("=", lambda i: i.loss(naive_solution(i.problem, i.rank)), tail, scale=Instance.scale)


def no_rival(least, *, tight: bool = False) -> Claim[Instance]:
    return exact(">=", lambda i: i.loss(i.candidate), least, scale=Instance.scale, tight=tight)


def full(D) -> Claim[Instance]:
    return exact(
        "=", lambda i: np.sum(i.probe * _regression(i)), lambda i: np.sum(i.probe * D(i)), scale=lambda i: 10.0
    )


def unique(criterion) -> Claim[Instance]:
    return exact("=", _picks_one, criterion)


def descent(end) -> Claim[Instance]:
    """The loss that descent ends with; stopped at a gradient 1e-8 of the first, within rounding of the least."""
    return exact("=", lambda i: i.loss(i.run.dW), end, scale=Instance.scale)


STATEMENT = Statement(
    key="naive-solution",
    kind="identity",
    law="dW = M at full rank; [M S]_r S⁻¹ at rank r, unique iff σ_r > σ_{r+1} or σ_{r+1} = 0",
    basis="proved here; descent from the LoRA start: proved for A0 A0ᵀ ∝ I, Sigma = H = I, else measured",
    assumptions={
        "Sigma ≻ 0": lambda i: definite(i.problem.Sigma, len(i.problem.v)),
        "H ≻ 0": lambda i: definite(i.problem.H, len(i.problem.u)),
        "E[noise xᵀ] = 0": lambda i: bool(np.abs(i.noise @ i.inputs.T).max() <= 1e-8 * i.inputs.shape[1]),
        "A0 in general position": _general,
    },
    draw=draw,
    always=frozenset({"any root", "minimum", "unique iff"}),
    claims={
        "full rank": full(lambda i: i.problem.M),
        "any root": at_rank(lambda i: by_root(i, i.S)),
        "minimum": minimum(lambda i: i.tail),
        "no rival": no_rival(lambda i: i.tail, tight=True),
        "unique iff": unique(lambda i: i.unique),
        "descent": descent(lambda i: i.tail),
    },
    extremal=extremal,
    violators={
        "Sigma ≻ 0": unseen_input,
        "H ≻ 0": blind_metric,
        "E[noise xᵀ] = 0": lambda rng: replace(
            i := extremal(rng), noise=i.noise + 0.5 * rng.standard_normal((5, 4)) @ i.inputs
        ),
        "A0 in general position": blind_start,
    },
    route=Route(  # its loss falls by (σ_{r+1}/σ_r)² or more a round, and at a tie too
        "minimum",
        lambda i: alternating_loss(i.problem.H, i.inputs @ i.inputs.T / i.inputs.shape[1], i.problem.M, i.rank),
        lambda i: 1e-7 * i.scale(),
        "measured",
        ("LinearProblem.M",),
    ),
    draws=60,
)
