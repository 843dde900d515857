"""A constant vector added: to the naive model's input at inference, or to input or output while training."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from .. import linalg
from .problem import LinearProblem

Mean = Float[ndarray, " d"]


def inference_strength(problem: LinearProblem, mean_t: Mean) -> float:
    """The best a for x -> (W0 + M)(x − a v): a = beta (E z) uᵀg/‖g‖², g = (W0 + M) v, E z = vᵀmean_t; 0 if g = 0."""
    g = _response(problem)
    return float(problem.beta * (problem.v @ mean_t) * (problem.u @ g) / (g @ g)) if g.any() else 0.0


def inference_risk(problem: LinearProblem, mean_t: Mean, a: float) -> float:
    """Excess risk of the naive model steered by −a v: E‖beta u z − a g‖²; Sigma_t is the second moment about 0.

    Law: at the best a it is beta² Var z + beta² (E z)² sin² ∠(u, g) (g = 0: sin = 1).
    """
    g, z, beta = _response(problem), float(problem.v @ mean_t), problem.beta
    second = float(problem.v @ problem.Sigma_t @ problem.v)
    return float(beta**2 * second - 2 * a * beta * z * (problem.u @ g) + a**2 * (g @ g))


def preventative(problem: LinearProblem, mean: Mean, a: float) -> Float[ndarray, "m d"]:
    """What training on (W0 + D)(x + a v) = (W0 + M) x leaves once the vector is dropped.

    Law: D = M − a (W0 + M) v m'ᵀ Sigma'⁻¹ with m' = mean + a v, Sigma' = E[(x + a v)(x + a v)ᵀ]. For a constant factor
    z = z0 it is M − a/(z0 + a) (W0 + M) v vᵀ: the *pretrained* response has to supply the shift.
    """
    shifted = mean + a * problem.v
    moment = problem.Sigma + a * (np.outer(problem.v, shifted) + np.outer(mean, problem.v))
    return problem.M - a * np.outer(_response(problem), linalg.pinv(moment, 1e-12, hermitian=True) @ shifted)


def output_side(problem: LinearProblem, mean: Mean, a: float) -> Float[ndarray, "m d"]:
    """What training on (W0 + D) x + a u = (W0 + M) x leaves once the vector is dropped: M − a u meanᵀ Sigma⁻¹."""
    return problem.M - a * np.outer(problem.u, linalg.pinv(problem.Sigma, 1e-12, hermitian=True) @ mean)


def output_strength(problem: LinearProblem, mean: Mean) -> float:
    """The best a for ``output_side`` on the curated inputs: beta (E z)/(meanᵀ Sigma⁻¹ mean); beta z0 if z = z0 always.

    It leaves beta² (E z² − (E z)²/(meanᵀ Sigma⁻¹ mean)) there: 0 iff Sigma⁻¹ mean ∥ v.
    """
    return float(problem.beta * (problem.v @ mean) / (mean @ linalg.pinv(problem.Sigma, 1e-12, hermitian=True) @ mean))


def _response(problem: LinearProblem) -> Float[ndarray, " m"]:
    """g = (W0 + M) v, what steering along v moves at the output of the naive model."""
    return (problem.W0 + problem.M) @ problem.v
