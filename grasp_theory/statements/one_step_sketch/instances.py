"""The instances of one-step-sketch: a small layer with a LoRA start, and sketches of a wider one."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Literal

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from ...linear.problem import LinearProblem, draw_problem
from ...linear.training import Optimizer, train
from ..shared.draws import log_uniform, unit

SAMPLED = 300_000  # entries of A0 drawn for one mean


@dataclass(frozen=True, eq=False)
class Instance:
    """A layer and a LoRA start; and, for the law of the angle, a sketch of a wider layer, many times.

    spread : (wide,) standard deviations of the columns of A0 there. seed : of those sketches. rows, law : of H u there.
    """

    problem: LinearProblem
    A0: Float[ndarray, "r d"]
    B0: Float[ndarray, "m r"]
    scaling: float
    lr: float
    optimizer: Optimizer
    probe: Float[ndarray, "m d"]
    wide_rank: int
    spread: Float[ndarray, " wide"]
    w: Float[ndarray, " wide"]
    seed: int
    rows: int
    law: Literal["uniform", "flat"] = "uniform"

    @property
    def G(self) -> Float[ndarray, "m d"]:
        """H M Sigma."""
        return self.problem.H @ self.problem.M @ self.problem.Sigma

    @property
    def K(self) -> Float[ndarray, "d d"]:
        """A0ᵀA0."""
        return self.A0.T @ self.A0

    def first(self, problem: LinearProblem | None = None, optimizer: Optimizer | None = None) -> ndarray:
        """dW after one step."""
        options = {"lr": self.lr, "scaling": self.scaling, "B0": self.B0, "eps": 1e-300}
        return train(problem or self.problem, self.A0, steps=1, optimizer=optimizer or self.optimizer, **options).dW

    @cached_property
    def seen(self) -> Float[ndarray, " trials"]:
        """|cos| of the right vector in the wider layer."""
        trials = int(np.clip(SAMPLED / (self.wide_rank * len(self.w)), 100, 3000))
        return cosines(self.wide_rank, self.spread, self.w, trials, np.random.default_rng(self.seed))

    @cached_property
    def seen_by_adam(self) -> Float[ndarray, " trials"]:
        """|cos| of Adam's left vector with H u in the wider layer."""
        trials = int(np.clip(20_000 / self.rows, 500, 8000))
        return adam_cosines(self.rows, self.law, trials, np.random.default_rng(self.seed))


def draw(rng: np.random.Generator) -> Instance:
    """Small layers with a metric and coloured inputs; the law of the angle at 2 to 60 inputs, r/d from 1/20 to 3."""
    problem = draw_problem(rng, sizes=(3, 8), metric=True)
    m, d = problem.shape
    r, wide = int(rng.integers(1, d + 3)), round(log_uniform(rng, 2, 60))
    return Instance(
        problem=problem,
        A0=rng.standard_normal((r, d)) * log_uniform(rng, 0.1, 3),
        B0=np.zeros((m, r)),
        scaling=log_uniform(rng, 0.3, 3),
        lr=log_uniform(rng, 1e-3, 1),
        optimizer="sgd",
        probe=rng.standard_normal((m, d)),
        wide_rank=max(1, round(wide * log_uniform(rng, 0.05, 3))),
        spread=np.full(wide, log_uniform(rng, 0.1, 10)),
        w=unit(rng, wide),
        seed=int(rng.integers(2**31)),
        rows=round(log_uniform(rng, 2, 60)),
    )


def cosines(rank: int, spread: ndarray, w: ndarray, trials: int, rng: np.random.Generator) -> Float[ndarray, " trials"]:
    """|cos ∠(A0ᵀA0 w, w)| over Gaussian A0."""
    A0 = rng.standard_normal((trials, rank, len(w))) * spread
    seen = np.einsum("tr,trd->td", A0 @ w, A0)
    return np.abs(seen @ w) / np.linalg.norm(seen, axis=1)


def adam_cosines(
    m: int, law: Literal["uniform", "flat"], trials: int, rng: np.random.Generator
) -> Float[ndarray, " trials"]:
    """|cos ∠(left vector of sign(a cᵀ) A0, a)| for a uniform on the sphere of R^m, or of equal coordinates."""
    a = rng.standard_normal((trials, m)) if law == "uniform" else rng.choice([-1.0, 1.0], (trials, m))
    c, A0 = rng.standard_normal((trials, 1, 2)), rng.standard_normal((trials, 2, 3))
    left = np.sign(a[:, :, None] * c) @ A0 @ rng.standard_normal(3)  # of rank one: any combination of its columns
    return np.abs(np.einsum("tm,tm->t", left, a)) / np.linalg.norm(left, axis=1) / np.linalg.norm(a, axis=1)
