"""How many samples show the factor: in the weights, in the outputs, and in fits of low rank."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal, get_args

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from grasp_theory import InputError, linalg

from ..experiment import Experiment, Prediction
from ..fields import require_known, require_not_negative, require_positive
from ..generators.inputs import InputSpec
from ..generators.linear import ProblemSpec, draw_data, draw_problem, least_squares
from ..generators.task_updates import TaskSpec, haar
from .phase_diagram import top_pair

Inputs = Literal["isotropic", "uneven"]
QUIET = 0.1  # variance of the quieter half of the directions of uneven inputs


@dataclass(frozen=True)
class Cell:
    """dW, the least-squares fit of n samples Y = (W0 + u vᵀ) X + noise (beta = 1, no task: what hides u is noise).

    Attributes:
        inputs: isotropic, or uneven: a Haar half of the d directions has a tenth of the variance.
        noise: standard deviation of each output's noise.
        common: that of a noise they have in common, along a Haar direction (times √m: so much for each output), in
            units of ``noise``.
        rank: ranks of the low-rank fits that are measured too, if any.
    """

    m: int
    d: int
    n: int
    noise: float
    inputs: str = "isotropic"
    common: float = 0.0
    rank: tuple[int, ...] = ()

    def __post_init__(self) -> None:
        if min(self.m, self.d, self.n) < 2:
            raise InputError(f"m, d and n must be at least 2, got {self.m}, {self.d} and {self.n}")
        require_positive(self, "noise")
        require_not_negative(self, "common")
        require_known(self, inputs=get_args(Inputs))
        if self.rank and not all(1 <= r <= min(self.m, self.d, self.n) for r in self.rank):
            raise InputError(f"ranks must be 1 to {min(self.m, self.d, self.n)}, the smallest size, got {self.rank}")

    @property
    def variance(self) -> float:
        """tr Sigma/d."""
        return 1.0 if self.inputs == "isotropic" else 1 - (1 - QUIET) * (self.d // 2) / self.d


def cells(quick: bool) -> list[Cell]:
    """n from d/2 to 40 d at two levels of noise, for uneven inputs and for common noise; ranks at three n."""
    m, d = 80, 100
    sizes = [int(n) for n in np.geomspace(50, 4000, 22).round()[:: 3 if quick else 1]]
    found = [Cell(m, d, n, noise) for noise in (1.4, 0.5) for n in sizes]
    found += [Cell(m, d, n, 1.0, "uneven") for n in sizes] + [Cell(m, d, n, 1.4, common=1.0) for n in sizes]
    ranks = (1, 2, 3, 4, 6, 8, 12, 16, 24, 32, 48, 64, 80)
    return found + [Cell(m, d, n, 1.4, rank=ranks) for n in (300, 600, 1200)]


def measure(cell: Cell, rngs: Sequence[np.random.Generator]) -> dict[str, Float[ndarray, "trials *points"]]:
    """⟨û,u⟩² of each trial for the SVD of dW (raw) and of dW X (whitened), ⟨v̂,v⟩² of raw (raw right).

    fit: the former for the best fit of each rank r, [dW X]_r X⁺ = Û_r Û_rᵀ dW with Û_r of dW X.
    """
    found = [_overlaps(cell, rng) for rng in rngs]
    values = {name: np.array([f[name] for f in found]) for name in ("raw", "raw right", "whitened")}
    return {"fit": np.array([f["fit"] for f in found])} | values if cell.rank else values


def _overlaps(cell: Cell, rng: np.random.Generator) -> dict[str, Any]:
    uneven = InputSpec("spiked", strength=QUIET - 1, spikes=cell.d // 2)
    inputs = InputSpec() if cell.inputs == "isotropic" else uneven
    problem = draw_problem(ProblemSpec(cell.m, cell.d, 1.0, TaskSpec(size=0.0), inputs), rng=rng)
    X, Y = draw_data(problem, cell.n, noise=cell.noise, rng=rng)
    if cell.common:
        w = np.sqrt(cell.m) * haar((cell.m, 1), rng=rng)
        Y = Y + cell.noise * cell.common * w * rng.standard_normal(cell.n)
    dW = least_squares(X, Y, W0=problem.W0)
    outputs = dW @ X
    left, right = top_pair(dW)
    cosines = {"raw": left @ problem.u, "raw right": right @ problem.v, "whitened": top_pair(outputs)[0] @ problem.u}
    found: dict[str, Any] = {name: float(cosine) ** 2 for name, cosine in cosines.items()}
    if cell.rank:
        U = linalg.eigh(outputs @ outputs.T)[1][:, ::-1]
        fits = [(U[:, :r], U[:, :r].T @ dW) for r in cell.rank]
        found["fit"] = np.array([(B @ linalg.svd(A, full_matrices=False)[0][:, 0] @ problem.u) ** 2 for B, A in fits])
    return found


def theory(cell: Cell) -> dict[str, Prediction]:
    """Statement ``sample-threshold``: raw for n > d, whitened for any n; nothing for noise that outputs share.

    Uneven inputs: the factor has strength √(n tr Sigma/d) in dW X; the noise of dW has the right covariance
    noise² (XXᵀ)⁻¹, the mean spectrum of ten draws of X. A fit of rank 1 has the left vector of dW X, a fit of full rank
    is dW: the two laws at the ends; no law between. finite: those of ``phase-transition`` for each SVD.
    """
    from grasp_theory.identification.spectra import critical_strength, finite_size, spike
    from grasp_theory.statements.shared.spiked import anisotropic_law, sample_law

    if cell.common:
        return {}
    size, white = min(cell.m, cell.d), min(cell.n, cell.d)
    strength = (cell.n * cell.variance) ** 0.5
    ratio = strength / critical_strength(cell.m, white, s=cell.noise)
    lines = {
        "whitened": Prediction(
            spike(strength, cell.m, white, s=cell.noise).left, "=", finite_size(min(size, white), ratio)
        )
    }
    if cell.n <= cell.d:
        return lines
    if cell.inputs == "isotropic":
        left, right, border = sample_law(cell.n, cell.m, cell.d, 1.0, cell.noise)
    else:
        l = cell.noise**2 / _spectrum(cell)
        left, right, border = anisotropic_law(l, cell.m, 1.0, (np.full(len(l), 1 / len(l)), 1 / cell.d))
    finite = finite_size(size, 1 / border)
    lines |= {"raw": Prediction(left, "=", finite), "raw right": Prediction(right, "=", finite)}
    if cell.rank:
        ends = {1: lines["whitened"], size: lines["raw"]}
        laws = [ends.get(r, Prediction(np.nan)) for r in cell.rank]
        lines["fit"] = Prediction(np.array([p.value for p in laws]), "=", np.array([p.finite for p in laws]))
    return lines


def _spectrum(cell: Cell) -> Float[ndarray, " k"]:
    """Eigenvalues of XXᵀ for ten draws of uneven inputs."""
    rng = np.random.default_rng(0)
    scale = np.where(np.arange(cell.d) < cell.d // 2, QUIET, 1.0)[:, None] ** 0.5
    draws = (scale * rng.standard_normal((cell.d, cell.n)) for _ in range(10))
    return np.concatenate([linalg.eigvalsh(X @ X.T) for X in draws])


EXPERIMENT = Experiment(name="samples", cells=cells, measure=measure, theory=theory, trials=(30, 8), along="rank")
