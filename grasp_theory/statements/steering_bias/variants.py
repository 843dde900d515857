"""False variants of steering-bias: its author's own, and those written blind."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from ..statement import Claim, Sides
from . import STATEMENT, Instance, by_inverse, constant, exact_output, inference, output, preventative_claim, quotient


def _pretrained_angle(i: Instance) -> Sides:
    """The best strength, with sin² ∠(u, (W0 + T) v)."""
    p, (z, variance, _) = i.problem, i.moments()
    g = (p.W0 + p.T) @ p.v
    bound = p.beta**2 * (variance + z * z * (1 - (p.u @ g) ** 2 / (g @ g)))
    return replace(STATEMENT.claims["best at inference"].sides(i), bound=float(bound))


def _without_one(i: Instance):
    """Sherman–Morrison without the 1: M − a g m'ᵀC⁻¹/(m'ᵀC⁻¹m')."""
    p, shifted = i.problem, i.mean + i.a * i.problem.v
    k = np.linalg.pinv(i.Cov, 1e-9, hermitian=True) @ shifted
    return p.M - i.a * np.outer((p.W0 + p.M) @ p.v, k) / (shifted @ k)


def _z(i: Instance) -> float:
    return float(i.problem.v @ i.mean)


def _second(i: Instance) -> float:
    """E z²."""
    return float(i.problem.v @ i.problem.Sigma @ i.problem.v)


OWN: dict[str, Claim[Instance]] = {
    "steering removes the mean": inference("=", lambda z, variance, sin2: variance),
    "preventative is exact for a constant factor": constant(lambda i: 0 * i.Z),
    "cos for sin": inference("=", lambda z, variance, sin2: variance + z * z * (1 - sin2)),
    "sin for sin²": inference("=", lambda z, variance, sin2: variance + z * z * np.sqrt(sin2)),
    "shift of the other sign": preventative_claim(lambda i: by_inverse(i, -i.a, i.Cov)),
}

BLIND: dict[str, Claim[Instance]] = {
    "angle to (W0 + T) v": Claim("=", _pretrained_angle),
    "square of the sine forgotten": inference(">=", lambda z, var, sin2: var + z * z * np.sqrt(sin2)),
    "nothing of E z² goes": inference(">=", lambda z, var, sin2: var + z * z),
    "the 1 of Sherman–Morrison forgotten": preventative_claim(_without_one),
    "second moment for covariance": preventative_claim(lambda i: by_inverse(i, i.a, i.problem.Sigma)),
    "constant factor: (W0 + M) v for (W0 + T) v": constant(
        lambda i: np.outer(
            i.problem.beta * i.z0 * i.problem.u - i.a * (i.problem.W0 + i.problem.M) @ i.problem.v, i.problem.v
        )
    ),
    "only the mean goes at the output: Var z is left": output("=", lambda i: _second(i) - _z(i) ** 2),
    "covariance for second moment in meanᵀSigma⁻¹mean": output("=", lambda i: _second(i) - _z(i) ** 2 / quotient(i)),
    "no output strength gets below Var z": output(">=", lambda i: _second(i) - _z(i) ** 2),
    "sign of z0 forgotten": exact_output(Instance.constant, lambda i: i.problem.beta * abs(i.z0)),
    "uncorrelated factor: beta E z as for a constant one": exact_output(
        Instance.uncorrelated, lambda i: i.problem.beta * _z(i)
    ),
    "beta E z²/E z for correlated inputs too": exact_output(
        lambda i: (i.problem, i.mean), lambda i: i.problem.beta * _second(i) / _z(i)
    ),
}
