"""What a spectrum says of its own top direction: right beside random tasks, too sure at the border of noise."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from grasp_theory import InputError, linalg

from ..experiment import Experiment, Prediction
from ..fields import require_known, require_not_negative
from ..generators.task_updates import TaskSpec, draw_task, haar

Panel = Literal["strength", "own input"]
Task = Literal["gaussian", "flat", "power"]


@dataclass(frozen=True)
class Cell:
    """M = T + beta u vᵀ, T (m x d) of norm 1, drawn from a law that turns with nothing, u and v uniform.

    Attributes:
        task: gaussian, independent entries; flat, m equal singular values; power, singular values j^(−1/2), whose
            first stands alone as a factor would.
        aside: sigma of a part sigma e vᵀ of the task, e ⟂ u: it writes elsewhere what it reads from the factor's input.
    """

    panel: str
    task: str
    beta: float
    aside: float = 0.0
    m: int = 100
    d: int = 140

    def __post_init__(self) -> None:
        require_known(self, panel=get_args(Panel), task=get_args(Task))
        require_not_negative(self, "beta", "aside")
        if min(self.m, self.d) < 3 or self.beta == 0:
            raise InputError(f"m and d must be at least 3 and beta positive, got {self.m}, {self.d} and {self.beta}")

    @property
    def border(self) -> float:
        """beta_c/‖T‖ of independent entries; none of a flat task; of a power, 1: below, component 0 is the task's."""
        if self.task == "gaussian":
            return (self.m * self.d) ** 0.25 / (self.m**0.5 + self.d**0.5)
        return float(self.task == "power")


def cells(quick: bool) -> list[Cell]:
    """beta from below the border of a Gaussian task to four times its norm; sigma up to twice beta."""
    strengths = (0.35, 0.45, 0.5, 0.55, 0.6, 0.7, 0.8, 1.0, 1.3, 1.7, 2.2, 3.0, 4.0)[:: 3 if quick else 1]
    found = [Cell("strength", task, beta) for task in get_args(Task) for beta in strengths]
    return found + [Cell("own input", "gaussian", 3.0, x) for x in (0.0, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0)[:: 1 + quick]]


def measure(cell: Cell, rngs: Sequence[np.random.Generator]) -> dict[str, Float[ndarray, " trials"]]:
    """overlap: ⟨û,u⟩². estimate: of it, from the singular values; gap: estimate − overlap.

    standard errors: |gap| in units of the error stated. promised: what ``posterior-angle`` says, with tau = ŝ₂ as a
    reader of the spectrum might assert, and with the true ‖T‖ (promised, true tau).
    """
    from grasp_theory.identification.self_certificate import estimate

    found = []
    for rng in rngs:
        u, v = (haar((n, 2), rng=rng) for n in (cell.m, cell.d))
        T = _task(cell, rng) + cell.aside * np.outer(u[:, 1], v[:, 0])
        U, S, _ = linalg.svd(T + cell.beta * np.outer(u[:, 0], v[:, 0]), full_matrices=False)
        overlap, told = float((U[:, 0] @ u[:, 0]) ** 2), estimate(S[0], S[1:], (cell.m, cell.d))
        gap = told.left - overlap
        taus = S[1], float(linalg.spectral_norm(T))
        promises = [max(0.0, 1 - (tau / S[0]) ** 2) for tau in taus]
        found.append((overlap, told.left, gap, abs(gap) / told.left_error, *promises))
    names = ("overlap", "estimate", "gap", "standard errors", "promised", "promised, true tau")
    return dict(zip(names, np.array(found).T, strict=True))


def _task(cell: Cell, rng: np.random.Generator) -> Float[ndarray, "m d"]:
    shape = cell.m, cell.d
    if cell.task == "gaussian":
        return draw_task(TaskSpec("gaussian", norm="spectral"), shape, rng=rng)
    if cell.task == "power":
        return draw_task(TaskSpec("power", exponent=0.5, norm="spectral"), shape, rng=rng)
    return draw_task(TaskSpec("haar", rank=min(shape), norm="spectral"), shape, rng=rng)


def theory(cell: Cell) -> dict[str, Prediction]:
    """``self-certificate``: the gap's mean is 0 above the border for tasks random beside the factor, but for the
    finite size measured there. Beside a task that reads the factor's input, cos² is beta²/(beta² + sigma²) but for the
    rest of the task, whatever the estimate says.
    """
    n = min(cell.m, cell.d)
    if cell.panel == "own input":
        return {"overlap": Prediction(cell.beta**2 / (cell.beta**2 + cell.aside**2), "~")}
    q = cell.border / cell.beta
    if q >= 1:
        return {}
    finite = min((1 + 2 * q * q) / (n * (1 - q * q) ** 2), 2 * n ** (-1 / 3))
    return {"gap": Prediction(0.0, "=", finite)}


EXPERIMENT = Experiment(name="self-certificate", cells=cells, measure=measure, theory=theory, trials=(40, 12))
