"""The instances of optimizer-leak: LoRA runs in which only the gradients are projected."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from ...linear.problem import LinearProblem, draw_problem
from ...linear.training import Optimizer, Run, stable_step, train
from ..shared.draws import log_uniform, unit, with_spectrum

STEPS = 20


@dataclass(frozen=True, eq=False)
class Instance:
    """A layer and two LoRA starts.

    plain : sgd or momentum. coordinatewise : adam or sign. A0 : of any rank, from B0. tall : of r >= d rows, for (v).
    a, b : where dW is looked at.
    """

    problem: LinearProblem
    plain: Optimizer
    coordinatewise: Optimizer
    lr: float
    scaling: float
    A0: Float[ndarray, "r d"]
    B0: Float[ndarray, "m r"]
    tall: Float[ndarray, "rr d"]
    a: Float[ndarray, " d"]
    b: Float[ndarray, " m"]

    def run(self, optimizer: Optimizer, side: str, steps: int = STEPS) -> Run:
        """Training with the gradient projected on that side (or on none)."""
        lr = self.lr * (0.03 if optimizer == self.coordinatewise else 0.2 * stable_step(self.problem, self.A0))
        write = self.problem.u[:, None] if side == "write" else None
        read = self.problem.v[:, None] if side == "read" else None
        options = {"lr": lr, "steps": steps, "scaling": self.scaling, "B0": self.B0, "eps": 1e-300}
        return train(self.problem, self.A0, optimizer=optimizer, write=write, read=read, stage="gradient", **options)

    @property
    def delta(self) -> float:
        """min |Σ ±|u_i|| over signs not all equal; the first may be taken +. 0 for m = 1: u is a coordinate vector."""
        size = np.abs(self.problem.u)
        signs = (e for e in product((1, -1), repeat=len(size) - 1) if -1 in e)
        return min((abs(size[0] + np.dot(e, size[1:])) for e in signs), default=0.0)


def draw(rng: np.random.Generator) -> Instance:
    """Dense u, v; any rank for one start, d to 2d for the other."""
    problem = draw_problem(rng, sizes=(3, 6), condition=4.0, metric=True)
    m, d = problem.shape
    r = int(rng.integers(1, d + 2))
    plain: tuple[Optimizer, ...] = ("sgd", "momentum")
    coordinatewise: tuple[Optimizer, ...] = ("adam", "sign")
    rows = int(rng.integers(d, 2 * d + 1))
    return Instance(
        problem,
        plain=plain[int(rng.integers(2))],
        coordinatewise=coordinatewise[int(rng.integers(2))],
        lr=log_uniform(rng, 0.3, 1),
        scaling=log_uniform(rng, 0.5, 1),
        A0=rng.standard_normal((r, d)) / np.sqrt(d),
        B0=np.zeros((m, r)),
        tall=with_spectrum(rng, rows, d, rng.uniform(0.7, 1.4, d)),
        a=unit(rng, d),
        b=unit(rng, m),
    )
