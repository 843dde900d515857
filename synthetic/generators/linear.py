"""Problems of one layer drawn from a specification, samples of them, and least squares on samples."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from grasp_theory import InputError, linalg
from grasp_theory.linear.problem import LinearProblem

from .inputs import InputSpec, draw_inputs, second_moment
from .task_updates import TaskSpec, draw_task, haar


@dataclass(frozen=True, eq=False)
class ProblemSpec:
    """A law of :class:`~grasp_theory.linear.LinearProblem`; u and v are uniform unit vectors, so dense.

    Attributes:
        m, d: sizes of output and input.
        beta: strength of the spurious correlation, > 0.
        task: law of T.
        inputs, deployment: laws of Sigma and Sigma_t; without the second Sigma_t = Sigma.
        condition: condition number >= 1 of the output metric H, exact; its eigenvalues are spaced evenly on a log scale
            around 1, its basis is uniform. 1 is the identity.
        alignment: ‖W0 v‖ exactly, >= 0; None leaves it as drawn. W0 has independent N(0, 1/d) entries, so ‖W0 x‖ is
            about √(m/d) ‖x‖ (‖W0 v‖ too, if left as drawn); a prescribed alignment rescales W0 v and leaves W0 P_v as
            it is.

    Raises InputError for sizes below 1, beta <= 0, condition < 1 (or > 1 with m = 1), a negative alignment.
    """

    m: int
    d: int
    beta: float
    task: TaskSpec = field(default_factory=TaskSpec)
    inputs: InputSpec = field(default_factory=InputSpec)
    deployment: InputSpec | None = None
    condition: float = 1.0
    alignment: float | None = None

    def __post_init__(self) -> None:
        if min(self.m, self.d) < 1:
            raise InputError(f"m and d must be at least 1, got {self.m} and {self.d}")
        if not (np.isfinite(self.beta) and self.beta > 0):
            raise InputError(f"beta must be a finite positive number, got {self.beta}")
        if not (np.isfinite(self.condition) and self.condition >= 1):
            raise InputError(f"condition must be a finite number >= 1, got {self.condition}")
        if self.condition > 1 and self.m == 1:
            raise InputError(f"the metric of one output has condition number 1, got {self.condition}")
        if self.alignment is not None and not (np.isfinite(self.alignment) and self.alignment >= 0):
            raise InputError(f"alignment must be a finite number >= 0 or None, got {self.alignment}")


def draw_problem(spec: ProblemSpec, *, rng: np.random.Generator) -> LinearProblem:
    """A problem of this law.

    u, v, W0 and T are drawn first, in this order: one seed gives the same ones for any beta, inputs, deployment and
    condition (and the same W0 P_v for any alignment).
    """
    u, v = haar((spec.m, 1), rng=rng)[:, 0], haar((spec.d, 1), rng=rng)[:, 0]
    W0 = rng.standard_normal((spec.m, spec.d)) / np.sqrt(spec.d)
    if spec.alignment is not None:
        response = W0 @ v
        W0 = W0 + np.outer((spec.alignment / np.linalg.norm(response) - 1) * response, v)
    T = draw_task(spec.task, (spec.m, spec.d), rng=rng)
    Sigma = second_moment(spec.inputs, v, rng=rng)
    Sigma_t = Sigma if spec.deployment is None else second_moment(spec.deployment, v, rng=rng)
    H = np.eye(spec.m)
    if spec.condition > 1:
        Q = haar((spec.m, spec.m), rng=rng)
        H = Q * spec.condition ** np.linspace(-0.5, 0.5, spec.m) @ Q.T
        H = 0.5 * (H + H.T)
    return LinearProblem(W0=W0, T=T, beta=spec.beta, u=u, v=v, Sigma=Sigma, Sigma_t=Sigma_t, H=H)


def draw_data(
    problem: LinearProblem, n: int, *, noise: float, rng: np.random.Generator
) -> tuple[Float[ndarray, "d n"], Float[ndarray, "m n"]]:
    """n Gaussian samples (X, Y), one a column: Y = (W0 + M) X + noise N, N of independent standard normal entries.

    Args:
        noise: standard deviation >= 0 of each entry, else InputError.
    """
    if not (np.isfinite(noise) and noise >= 0):
        raise InputError(f"noise must be a finite number >= 0, got {noise}")
    X = draw_inputs(problem.Sigma, n, rng=rng)
    return X, (problem.W0 + problem.M) @ X + noise * rng.standard_normal((problem.shape[0], n))


def least_squares(
    X: Float[ndarray, "d n"], Y: Float[ndarray, "m n"], *, W0: Float[ndarray, "m d"]
) -> Float[ndarray, "m d"]:
    """dW of least norm among those minimising ‖Y − (W0 + dW) X‖_F; the full-rank naive fine-tune on samples.

    With n >= d generic inputs it is the only one, M + noise N X⁺ on data of :func:`draw_data`. With n < d the fit is
    exact, dW = (Y − W0 X) X⁺, and dW is 0 off the span of the inputs: M shows only as M X X⁺ = M times a projector of
    rank n. Singular values of X below max(d, n) eps of the largest count as 0. Cost O(d n min(d, n)). Raises InputError
    for shapes that do not fit and for samples that are not finite.
    """
    for name, array in (("X", X), ("Y", Y)):
        if not array.size or not np.isfinite(array).all():
            raise InputError(f"{name} must be finite and hold at least one sample a column, got shape {array.shape}")
    if W0.shape != (len(Y), len(X)) or X.shape[1] != Y.shape[1]:
        raise InputError(f"W0 {W0.shape}, X {X.shape} and Y {Y.shape} do not fit: expected (m, d), (d, n) and (m, n)")
    return linalg.lstsq(X.T, (Y - W0 @ X).T, rcond=max(X.shape) * float(np.finfo(float).eps)).T
