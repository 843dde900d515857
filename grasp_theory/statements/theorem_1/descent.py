"""Part 4 of theorem-1: training runs of LoRA factors on the samples, and what bounds them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from ...linear.problem import Stacked
from ...linear.training import ADAM, train
from ..shared.draws import log_uniform


@dataclass(frozen=True, eq=False)
class Run:
    """LoRA's start and a learning rate: descent by ``step`` on ½‖B A Ŝ − Ŷ‖_F², Adam by ``lr``."""

    B0: Float[ndarray, "m r"] | None
    A0: Float[ndarray, "r d"]
    step: float
    lr: float
    steps: int

    def path(
        self, target: Float[ndarray, "m q"], S: Float[ndarray, "d q"], optimizer: Literal["sgd", "adam"]
    ) -> tuple[list[Float[ndarray, "m r"]], list[Float[ndarray, "r d"]]]:
        """(B, A) at the start and after each step."""
        B, A = [], []

        def look(_: int, b: ndarray, a: ndarray) -> None:
            B.append(b.copy())
            A.append(a.copy())

        problem = Stacked(target @ np.linalg.pinv(S), S @ S.T)
        lr = self.step / 2 if optimizer == "sgd" else self.lr  # ``train`` leaves the ½ out of the loss
        options = {"optimizer": optimizer, "steps": self.steps, "B0": self.B0, "eps": 1e-30, "every": 0}
        train(problem, self.A0, lr=lr, callback=look, **options)
        return B, A


def draw_run(rng: np.random.Generator, strength: float, S: Float[ndarray, "d q"], rest: Float[ndarray, "m q"]) -> Run:
    """A0 from small to large beside the factor, steps from short to longer than allowed.

    A fifth takes one or two steps from an A0 in the strongest row of ``rest``, what is to be learnt beside the factor.
    Of the others a fifth takes one to three from rows that are nearly alike.
    """
    short, alike = rng.random() < 0.2, rng.random() < 0.2
    A0 = rng.standard_normal((int(rng.integers(1, 5)), len(S)))
    if short:
        A0 = np.linalg.svd(rest)[2][:1] @ np.linalg.pinv(S)
    elif alike:
        A0 = A0[:1] + 0.1 * rng.standard_normal((int(rng.integers(3, 6)), len(S)))
    end = strength * float(np.linalg.norm(S, 2))  # about ‖A Ŝ‖² of the factor, once learnt from a small start
    start = end * log_uniform(rng, 0.1 if short else 0.3, 5)
    A0 *= np.sqrt(start) / np.linalg.norm(A0 @ S, 2)
    step = rng.uniform(0.3, 1.25) / start if short else log_uniform(rng, 0.03, 1.2) / (start + end)
    steps = int(rng.integers(*((1, 3) if short else (1, 4) if alike else (2, 40))))
    return Run(None, A0, step, log_uniform(rng, 0.001, 0.1), steps)


def adam_steps(steps: int) -> Float[ndarray, " steps"]:
    """c_t: the largest entry of Adam's t-th step in units of lr."""
    b1, b2 = ADAM
    t, x = np.arange(1, steps + 1), b1**2 / b2
    return (1 - b1) / (1 - b1**t) * np.sqrt((1 - b2**t) / (1 - b2) * (1 - x**t) / (1 - x))
