"""ablation-cost (identity). What ablating the factor at inference costs a naively tuned model.

Statement. Naive fine-tuning (full rank: M, for Sigma ≻ 0) followed by x -> P x at inference, P = P_v. The error is
−(W0 + T) v vᵀ, so for every Sigma and Sigma_t

    excess risk = ‖(W0 + T) v‖² vᵀ Sigma_t v:

no trace of beta and **no leak term** (ell enters if the model was trained ablated, caft-gap); but the pretrained
content along v goes with the shortcut. Against GRASP-read, with t = ‖(W0 + T) v‖²:

    Sigma v ∥ v, any Sigma_t:   R(ablation) − R(GRASP) = (t − ‖T v‖²) vᵀ Sigma_t v,
    Sigma_t = Sigma:            R(ablation) − R(GRASP) = (t − ‖T v‖²) kappa + (t − beta²) L,

kappa = 1/(vᵀ Sigma⁻¹ v), L = vᵀ Sigma v − kappa. So in the first case GRASP wins iff ‖T v‖ < ‖(W0 + T) v‖; with
correlated inputs ablation may win all the same, if beta² > t: GRASP leaks beta. Against naive
fine-tuning itself ablation wins iff ‖(W0 + T) v‖ < beta, for every Sigma and Sigma_t with vᵀ Sigma_t v > 0.

Assumes: Sigma ≻ 0.

Proof (here). (W0 + M) P − W0 − T = −(W0 + T) v vᵀ since u vᵀ P = 0. GRASP-read has the error −T v vᵀ for ell = 0, and
the risk ‖T v‖² kappa + beta² L for Sigma_t = Sigma (read-removal). ∎ Symbolic twin: the error and both risks, 2 x 2.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from ...linear.problem import LinearProblem, draw_problem
from ...linear.regimes import excess_risk
from ...linear.solutions import ablation_risk, grasp_read, naive_ablated
from ..shared.maps import definite, exact_samples, same, singular
from ..statement import Claim, Relation, Route, Sides, Statement


@dataclass(frozen=True, eq=False)
class Instance:
    """A problem and a probe matrix Z."""

    problem: LinearProblem
    Z: Float[ndarray, "m d"]

    def aligned(self) -> LinearProblem:
        """The same problem with Sigma v ∥ v."""
        p = self.problem
        return replace(p, Sigma=p.P_v @ p.Sigma @ p.P_v + (p.v @ p.Sigma @ p.v) * np.outer(p.v, p.v))

    def unshifted(self) -> LinearProblem:
        """The same problem with Sigma_t = Sigma."""
        return replace(self.problem, Sigma_t=self.problem.Sigma)


def draw(rng: np.random.Generator) -> Instance:
    """Sigma and Sigma_t generic and different; W0 v of any size."""
    p = draw_problem(rng, sizes=(2, 7))
    p = replace(p, W0=p.W0 * np.exp(rng.uniform(-2, 1)))
    return Instance(p, rng.standard_normal(p.shape))


def lost(p: LinearProblem) -> float:
    """‖(W0 + T) v‖²."""
    return float(np.sum(((p.W0 + p.T) @ p.v) ** 2))


def task(p: LinearProblem) -> float:
    """‖T v‖²."""
    return float(np.sum((p.T @ p.v) ** 2))


def row(p: LinearProblem) -> float:
    """vᵀ Sigma_t v."""
    return float(p.v @ p.Sigma_t @ p.v)


def _scale(p: LinearProblem) -> float:
    return float(np.linalg.norm(p.Sigma_t, 2) * (np.sum(p.M**2) + np.sum(p.W0**2)) * (1 + np.sum(p.ell**2)))


def risk(bound, *, of=lambda i: i.problem, less=lambda p: 0.0, relation: Relation = "=") -> Claim[Instance]:
    """R(ablation), less another risk, on the problem that ``of`` makes of the instance."""

    def sides(i: Instance) -> Sides:
        p = of(i)
        return Sides.exact(excess_risk(p, naive_ablated(p)) - less(p), bound(p), scale=_scale(p))

    return Claim(relation, sides)


def against_grasp(of, bound) -> Claim[Instance]:
    return risk(bound, of=of, less=lambda p: excess_risk(p, grasp_read(p)))


def against_naive(bound, relation: Relation = "=") -> Claim[Instance]:
    return risk(bound, less=lambda p: excess_risk(p, p.M), relation=relation)


def kappa(p: LinearProblem) -> float:
    """1/(vᵀ Sigma⁻¹ v), by a Schur complement."""
    return 1 / float(p.v @ np.linalg.solve(p.Sigma, p.v))


def variance(p: LinearProblem) -> float:
    """vᵀ Sigma v."""
    return float(p.v @ p.Sigma @ p.v)


def correlated(p: LinearProblem) -> float:
    """(t − ‖T v‖²) kappa + (t − beta²) L."""
    return (lost(p) - task(p)) * kappa(p) + (lost(p) - p.beta**2) * (variance(p) - kappa(p))


def by_samples(i: Instance) -> float:
    """Least squares on curated samples, then the ablated model's mean squared error on deployment samples."""
    p, rng = i.problem, np.random.default_rng(0)
    X, X_t = (exact_samples(rng, Sigma, 2 * len(p.v)) for Sigma in (p.Sigma, p.Sigma_t))
    W = np.linalg.lstsq(X.T, ((p.W0 + p.M) @ X).T, rcond=None)[0].T
    ablated = X_t - np.outer(p.v, p.v @ X_t)
    error = W @ ablated - (p.W0 + p.T) @ X_t
    return float(np.mean(np.sum(error**2, axis=0)))


STATEMENT = Statement(
    key="ablation-cost",
    kind="identity",
    law="naive + ablation at inference: excess risk ‖(W0 + T) v‖² vᵀ Sigma_t v for every Sigma",
    basis="proved here",
    assumptions={"Sigma ≻ 0": lambda i: definite(i.problem.Sigma, len(i.problem.v))},
    draw=draw,
    always=frozenset({"against GRASP, Sigma v ∥ v"}),
    claims={
        "error": same(
            lambda i: naive_ablated(i.problem) - i.problem.T,
            lambda i: -np.outer((i.problem.W0 + i.problem.T) @ i.problem.v, i.problem.v),
        ),
        "risk": risk(ablation_risk),
        "against GRASP, Sigma v ∥ v": against_grasp(Instance.aligned, lambda p: (lost(p) - task(p)) * row(p)),
        "against GRASP, no shift": against_grasp(Instance.unshifted, correlated),
        "against naive": against_naive(lambda p: (lost(p) - p.beta**2) * row(p)),
    },
    violators={"Sigma ≻ 0": lambda rng: singular(draw(rng), rng, "Sigma")},
    regimes={"‖(W0 + T) v‖ = beta": lambda i: np.sqrt(lost(i.problem)) / i.problem.beta - 1},
    route=Route("risk", by_samples, lambda i: 1e-9 * _scale(i.problem), "measured", ("LinearProblem.M",)),
)
