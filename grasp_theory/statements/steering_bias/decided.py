"""steering-bias: both parabolas over every strength, and least squares on steered inputs, for two inputs.

v = e₁, u = e₁ and beta = 1.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import z3
from numpy import ndarray

from ...linear.problem import LinearProblem
from ...linear.solutions import inference_strength, output_strength
from ..derivations import Core
from ..shared.reals import Values, definite, equal, every, numbers, outer, reals, square, symmetric, symmetric_numbers
from .instances import Instance, draw

C, mean = symmetric("C"), reals("m", 2)
a, z, variance = z3.Reals("a z variance")


def cores() -> list[Core[Instance]]:
    """At inference (z, Var z, g) are all that counts; otherwise the covariance and the mean of two inputs."""
    return [_inference(), _output(), _preventative()]


def _inference() -> Core[Instance]:
    """E‖u z − a g‖², g = (W0 + M) v ≠ 0 in the plane of u; the variance is E z² − (E z)², ‖g‖ sin ∠(u, g) is |g₁|."""
    g, (sine, second) = reals("g", 2), z3.Reals("sine second")
    size2 = square(g)
    risk = second - 2 * a * z * g[0] + a * a * size2
    return Core(
        "any strength at inference",
        "any strength",
        "all reals",
        (variance == second - z * z, variance >= 0, size2 > 0, sine >= 0, sine * sine * size2 == g[1] * g[1]),
        risk >= variance + z * z * sine * sine,
        {
            "square of the sine forgotten": risk >= variance + z * z * sine,
            "nothing of E z² goes": risk >= variance + z * z,
        },
        _steered,
    )


def _output() -> Core[Instance]:
    """D − T = u (v − a k)ᵀ with Sigma k = mean, Sigma = C + mean meanᵀ."""
    k = reals("k", 2)
    Sigma = C + outer(mean, mean)
    left = np.array([1, 0], object) - k * a
    risk, share = left @ Sigma @ left, mean @ k
    return Core(
        "any output strength",
        "any output strength",
        "d = 2",
        (*definite(C), mean[0] != 0, *equal(Sigma @ k, mean)),
        risk * share >= Sigma[0, 0] * share - mean[0] * mean[0],
        {
            "no output strength gets below Var z": risk >= C[0, 0],
            # at its best a share = E z the risk is E z² − (E z)²/share
            "only the mean goes at the output: Var z is left": z3.Implies(a * share == mean[0], risk == C[0, 0]),
            # share = q/(1 + q) for q = meanᵀCov⁻¹mean
            "covariance for second moment in meanᵀSigma⁻¹mean": z3.Implies(
                a * share == mean[0], risk * share == Sigma[0, 0] * share - mean[0] * mean[0] * (1 - share)
            ),
        },
        _at_output,
    )


def _preventative() -> Core[Instance]:
    """A row r of D − M with r Sigma' = −b m'ᵀ, b = a g: the normal equations; C k = m' for the inverse."""
    r, k, l, b = reals("r", 2), reals("k", 2), reals("l", 2), z3.Real("b")
    shifted, back = (mean + np.array([sign * a, 0], object) for sign in (1, -1))

    def row(k: ndarray, one: int = 1) -> z3.BoolRef:
        """D = M − b kᵀ/(one + m'·k)."""
        return every(r * (one + shifted @ k), -k * b)

    return Core(
        "preventative",
        "preventative",
        "m x 2",
        (
            *(*definite(C), mean[0] != 0, a != 0, *equal((C + outer(shifted, shifted)) @ r, -shifted * b)),
            *equal(C @ k, shifted),
        ),
        row(k),
        {
            "the 1 of Sherman–Morrison forgotten": row(k, 0),
            "shift of the other sign": z3.Implies(every(C @ l, back), every(r * (1 + back @ l), l * b)),
        },
        lambda values: _instance(values, np.array([values["b"] / values["a"], 0.0]), values["a"], 0.0),
    )


def _instance(values: Values, g: ndarray, a: float, offset: float) -> Instance:
    """W0 v = g − u and T = 0, Sigma of the model or I."""
    C, mean = symmetric_numbers(values, "C"), numbers(values, "m", 2)
    C, mean = (C, mean) if C.any() else (np.eye(2), np.array([1.0, 0.5]))
    z, spread = values.get("z", 0.0), values.get("variance", 1.0)
    W0 = np.column_stack([g - np.eye(2)[0], [1.0, 2.0]])
    deployed = np.diag([z * z + spread, 1.0])
    e = np.eye(2)[0]
    p = LinearProblem(W0, np.zeros((2, 2)), 1.0, e, e, C + np.outer(mean, mean), deployed)
    z0 = 1.0 if a > 0 else -1.0
    given = {"problem": p, "mean": mean, "mean_t": np.array([z, 0.0]), "a": a, "z0": z0, "offset": offset}
    return replace(draw(np.random.default_rng(0)), **given, Z=np.array([[1.0, 0.3], [0.7, 0.2]]))


def _steered(values: Values) -> Instance:
    i = _instance(values, numbers(values, "g", 2), 1.0, 0.0)
    return _instance(values, numbers(values, "g", 2), 1.0, values["a"] - inference_strength(i.problem, i.mean_t))


def _at_output(values: Values) -> Instance:
    i = _instance(values, np.array([1.0, 1.0]), 1.0, 0.0)
    return _instance(values, np.array([1.0, 1.0]), 1.0, values["a"] - output_strength(i.problem, i.mean))
