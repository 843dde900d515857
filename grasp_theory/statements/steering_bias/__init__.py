"""steering-bias (identity). What a constant vector can and cannot remove, added at inference or while training.

Statement. z = vᵀx is the factor, g = (W0 + M) v, Sigma = E[x xᵀ] about 0, mean = E x (index t: at deployment).

Inference, x -> x − a v in the naive model: excess risk(a) >= beta² Var z + beta² (E z)² sin² ∠(u, g), attained at
a = beta (E z) uᵀg/‖g‖². The variance stays whatever is done; the mean goes only as far as g points along u
(g = 0: sin = 1).

Preventative, x + a v in the input while training: D = M − a g m'ᵀ Sigma'⁻¹ = M − a g m'ᵀ C⁻¹/(1 + m'ᵀ C⁻¹ m'), with
m' = mean + a v, Sigma' = C + m' m'ᵀ, C = Cov x. For a constant factor z = z0 (C v = 0)

    D − T = (beta z0 u − a (W0 + T) v) vᵀ/(z0 + a):

exact iff a (W0 + T) v = beta z0 u. The *pretrained* response has to supply the shift; being constant is not enough.

Output side, + a u in the output while training: D = M − a u meanᵀ Sigma⁻¹, of curated excess risk
>= beta² (E z² − (E z)²/(meanᵀ Sigma⁻¹ mean)), attained at a = beta (E z)/(meanᵀ Sigma⁻¹ mean); 0 iff Sigma⁻¹ mean ∥ v.
That covers a constant factor, at a = beta z0, and also a *varying* one uncorrelated with centred other inputs, at
a = beta E z²/E z, larger in size than beta E z: the layer has no intercept of its own, and the vector is what it lacks.

Assumes: Cov x ≻ 0; z0 + a ≠ 0; E z ≠ 0.

Proof (here). Inference: the error is beta u z − a g, a parabola in a; (uᵀg)²/‖g‖² = cos². Preventative: least squares
of (W0 + M) x − W0 x' = M x' − a g on x' = x + a v, then Sherman–Morrison; for C v = 0, Sigma' v = (z0 + a) m', so
m'ᵀ Sigma'⁻¹ = vᵀ/(z0 + a), and M v − T v = beta u. Output: least squares of M x − a u on x, D − T =
u (beta v − a Sigma⁻¹ mean)ᵀ, a parabola in a again; Cauchy–Schwarz in the metric Sigma. ∎ Symbolic twin: the plane.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from ...linear.regimes import excess_risk
from ...linear.solutions import inference_risk, inference_strength, output_side, output_strength, preventative
from ..shared.maps import definite, descend, exact_samples, same
from ..statement import Claim, Relation, Route, Sides, Statement
from .instances import Instance, cancelling, draw, singular_covariance, without_mean


def inference(relation: Relation, bound) -> Claim[Instance]:
    """Excess risk at the best strength, or (">=") off it."""

    def sides(i: Instance) -> Sides:
        p, a = i.problem, inference_strength(i.problem, i.mean_t) + i.offset * (relation == ">=")
        scale = p.beta**2 * float(np.trace(p.Sigma_t))
        return Sides.exact(inference_risk(p, i.mean_t, a), p.beta**2 * bound(*i.moments()), scale=scale)

    return Claim(relation, sides, relation == ">=")


def output(relation: Relation, bound) -> Claim[Instance]:
    """Curated excess risk of output-side steering at the best strength, or (">=") off it."""

    def sides(i: Instance) -> Sides:
        p = replace(i.problem, Sigma_t=i.problem.Sigma)
        D = output_side(p, i.mean, output_strength(p, i.mean) + i.offset * (relation == ">="))
        return Sides.exact(excess_risk(p, D), p.beta**2 * bound(i), scale=p.beta**2 * float(np.trace(p.Sigma)))

    return Claim(relation, sides, relation == ">=")


def constant(right) -> Claim[Instance]:
    """(z0 + a)(D − T) of preventative steering with a constant factor."""

    def left(i: Instance) -> Float[ndarray, "m d"]:
        p, mean = i.constant()
        return (i.z0 + i.a) * (preventative(p, mean, i.a) - p.T)

    return same(left, right)


def preventative_claim(right) -> Claim[Instance]:
    return same(lambda i: preventative(i.problem, i.mean, i.a), right)


def by_inverse(i: Instance, a: float, C: Float[ndarray, "d d"]) -> Float[ndarray, "m d"]:
    """M − a g m'ᵀ C⁻¹/(1 + m'ᵀ C⁻¹ m')."""
    p, shifted = i.problem, i.mean + a * i.problem.v
    k = np.linalg.pinv(C, 1e-9, hermitian=True) @ shifted
    return p.M - a * np.outer((p.W0 + p.M) @ p.v, k) / (1 + shifted @ k)


def quotient(i: Instance) -> float:
    """meanᵀ Cov⁻¹ mean."""
    return float(i.mean @ np.linalg.pinv(i.Cov, 1e-9, hermitian=True) @ i.mean)


def unexplained(i: Instance) -> float:
    """E z² − (E z)²/(meanᵀ Sigma⁻¹ mean), with meanᵀ Sigma⁻¹ mean = q/(1 + q), q = meanᵀ Cov⁻¹ mean."""
    q, z = quotient(i), float(i.problem.v @ i.mean)
    return float(i.problem.v @ i.problem.Sigma @ i.problem.v) - z * z * (1 + q) / q


def exact_output(of, strength) -> Claim[Instance]:
    """Output-side steering leaves T at this strength, on the problem that ``of`` makes of the instance."""
    return same(lambda i: output_side(of(i)[0], of(i)[1], strength(i)), lambda i: i.problem.T)


def varying(i: Instance) -> float:
    """beta E z²/E z."""
    p, mean = i.uncorrelated()
    z = float(p.v @ mean)
    return p.beta * float(p.v @ p.Sigma @ p.v) / z if abs(z) > 1e-9 else 0.0


def simulated(i: Instance) -> float:
    """⟨Z, D⟩ by descent on samples with the steered input."""
    p, d = i.problem, len(i.mean)
    mean, centred = i.mean[:, None], exact_samples(np.random.default_rng(0), p.Sigma - np.outer(i.mean, i.mean), d + 2)
    X = np.hstack([mean + centred, mean - centred])
    steered = X + i.a * p.v[:, None]
    Y = (p.W0 + p.T) @ X + p.beta * np.outer(p.u, p.v @ X)
    return float(np.sum(i.Z * descend(p.H, steered, Y - p.W0 @ steered, steps=100_000)))


STATEMENT = Statement(
    key="steering-bias",
    kind="identity",
    law="inference: beta² Var z + beta² (E z)² sin²∠(u, (W0+M)v); preventative: M − a (W0+M)v m'ᵀ Sigma'⁻¹",
    basis="proved here",
    assumptions={
        "Cov x ≻ 0": lambda i: definite(i.Cov, len(i.problem.v)),
        "z0 + a ≠ 0": lambda i: abs(i.z0 + i.a) > 1e-3,
        "E z ≠ 0": lambda i: bool(abs(i.problem.v @ i.mean) > 1e-3),
    },
    draw=draw,
    always=frozenset({"best at inference"}),
    claims={
        "best at inference": inference("=", lambda z, variance, sin2: variance + z * z * sin2),
        "any strength": inference(">=", lambda z, variance, sin2: variance + z * z * sin2),
        "preventative": preventative_claim(lambda i: by_inverse(i, i.a, i.Cov)),
        "constant factor": constant(
            lambda i: np.outer(
                i.problem.beta * i.z0 * i.problem.u - i.a * (i.problem.W0 + i.problem.T) @ i.problem.v, i.problem.v
            )
        ),
        "best at the output": output("=", unexplained),
        "any output strength": output(">=", unexplained),
        "output, constant factor": exact_output(Instance.constant, lambda i: i.problem.beta * i.z0),
        "output, uncorrelated factor": exact_output(Instance.uncorrelated, varying),
    },
    extremal=lambda rng: replace(draw(rng), offset=0.0),
    violators={"Cov x ≻ 0": singular_covariance, "z0 + a ≠ 0": cancelling, "E z ≠ 0": without_mean},
    route=Route("preventative", simulated, lambda i: 1e-8 * float(np.linalg.norm(i.Z) * np.linalg.norm(i.problem.M))),
)
