"""The angle between the top singular vector and the factor: a task that plays against it, and tasks that do not."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from grasp_theory import InputError, linalg

from ..experiment import Experiment, Prediction
from ..fields import require_known, require_positive
from ..generators.task_updates import TaskSpec, draw_task, haar
from .phase_diagram import top_pair

Panel = Literal["angle", "complexity"]
Task = Literal["adversary", "flat", "iid", "shares u"]
STEPS = 300  # of the search; its step shrinks to 1e-4 of tau


@dataclass(frozen=True)
class Cell:
    """M = T + u vᵀ (beta = 1), T (m x d) of rank k, flat: its k singular values are tau.

    Attributes:
        panel: angle, size = tau; complexity, size = ‖T‖_F, so tau = size/√k.
        task: flat, a Haar partial isometry; iid, full-rank Gaussian with ‖T‖₂ = tau; shares u, flat with u among its
            left singular vectors; adversary, the flat task found to turn û furthest from u. In panel angle it is sought
            among all m x d tasks of rank k; in panel complexity in one plane through u and one through v, flat
            elsewhere.
    """

    panel: str
    m: int
    d: int
    rank: int
    size: float
    task: str

    def __post_init__(self) -> None:
        require_known(self, panel=get_args(Panel), task=get_args(Task))
        if min(self.m, self.d) < 2:
            raise InputError(f"m and d must be at least 2, got {self.m} and {self.d}")
        if not 1 <= self.rank <= min(self.m, self.d):
            raise InputError(f"rank must be 1 to {min(self.m, self.d)}, the smaller of m and d, got {self.rank}")
        require_positive(self, "size")
        if self.task == "iid" and (self.panel != "angle" or self.rank != min(self.m, self.d)):
            raise InputError(
                f"an iid task has full rank and belongs to panel angle, got {self.panel}, rank {self.rank}"
            )

    @property
    def tau(self) -> float:
        """‖T‖₂, which is also rho."""
        return self.size if self.panel == "angle" else self.size / self.rank**0.5


def cells(quick: bool) -> list[Cell]:
    """tau from 0.04 to 0.96 of beta, around the border; complexity from 1 to full at two budgets."""
    sizes = np.linspace(0.04, 0.96, 24).round(4)[:: 4 if quick else 1]
    angle = [Cell("angle", 12, 16, rank, float(x), "adversary") for rank in (12, 1) for x in sizes]
    angle += [Cell("angle", 96, 128, 96, float(x), task) for task in ("flat", "iid") for x in sizes]
    ranks = (1, 2, 3, 4, 6, 8, 12, 17, 24, 32, 48, 64, 96, 128)[:: 3 if quick else 1]
    tasks = ("adversary", "flat", "shares u")
    return angle + [Cell("complexity", 128, 192, k, x, task) for x in (0.9, 2.0) for task in tasks for k in ranks]


def measure(cell: Cell, rngs: Sequence[np.random.Generator]) -> dict[str, Float[ndarray, " trials"]]:
    """sin ∠(û,u) and ⟨û,u⟩² of each trial."""
    u, v = (np.stack([haar((n, 1), rng=rng)[:, 0] for rng in rngs]) for n in (cell.m, cell.d))
    if cell.task == "adversary" and cell.panel == "angle":
        sine = worst_task(u, v, tau=cell.tau, rank=cell.rank, rngs=rngs)[1]
        return {"sine": sine, "overlap": 1 - sine**2}
    if cell.task == "adversary":
        T = _in_planes(cell, u, v, rngs)
    else:
        T = (_task(cell, a, rng) for a, rng in zip(u, rngs, strict=True))
    found = np.stack([top_pair(t + np.outer(a, b))[0] for t, a, b in zip(T, u, v, strict=True)])
    cosine = np.sum(found * u, axis=1)
    return {"sine": np.linalg.norm(u - cosine[:, None] * found, axis=1), "overlap": cosine**2}


def worst_task(
    u: Float[ndarray, "trials m"],
    v: Float[ndarray, "trials d"],
    *,
    tau: float,
    rank: int,
    rngs: Sequence[np.random.Generator],
) -> tuple[Float[ndarray, "trials m d"], Float[ndarray, " trials"]]:
    """The flat task of norm tau that turns û furthest from u, and the sine reached; by ascent from a random task.

    T ← tau · (nearest partial isometry of this rank to T + step · gradient), normalised gradients, shrinking steps; the
    best of all iterates. Nothing is assumed about the solution. For M = Σ s_i û_i v̂_iᵀ and first order in E = dM,
    uᵀdû₁ = wᵀE v̂₁ + û₁ᵀE z, w = s₁ K u, z = MᵀK u, K = (s₁² − MMᵀ)⁺ without û₁.
    """
    factor = u[:, :, None] * v[:, None, :]
    start = np.stack([rng.standard_normal(factor.shape[1:]) for rng in rngs])
    T = tau * _flat(start, rank)
    best, reached = T, np.full(len(u), -1.0)
    for step in range(STEPS):
        sine, gradient = _gradient(T + factor, u)
        better = sine > reached
        best, reached = np.where(better[:, None, None], T, best), np.where(better, sine, reached)
        T = tau * _flat(T + tau * 0.97**step * gradient, rank)
    return best, reached


def _gradient(M: ndarray, u: ndarray) -> tuple[Float[ndarray, " trials"], Float[ndarray, "trials m d"]]:
    U, S, Vh = linalg.svd(M, full_matrices=False)
    overlaps = np.einsum("tij,ti->tj", U, u)
    top, first = U[:, :, 0], S[:, :1]
    sine = np.linalg.norm(u - overlaps[:, :1] * top, axis=1)
    gaps = first**2 - S**2
    gaps[:, 0] = np.inf
    K = overlaps / np.maximum(gaps, 1e-9 * first**2)
    outside = u - np.einsum("tij,tj->ti", U, overlaps)
    w = first * np.einsum("tij,tj->ti", U, K) + outside / first
    z = np.einsum("tji,tj->ti", Vh, S * K)
    G = w[:, :, None] * Vh[:, :1] + top[:, :, None] * z[:, None, :]
    downhill = -np.where(overlaps[:, 0] < 0, -1.0, 1.0)[:, None, None]  # of |⟨û,u⟩|
    return sine, downhill * G / np.maximum(np.linalg.norm(G, axis=(1, 2), keepdims=True), np.finfo(float).tiny)


def _flat(T: Float[ndarray, "trials m d"], rank: int) -> Float[ndarray, "trials m d"]:
    U, _, Vh = linalg.svd(T, full_matrices=False)
    return U[:, :, :rank] @ Vh[:, :rank]


def _in_planes(cell: Cell, u: ndarray, v: ndarray, rngs: Sequence[np.random.Generator]) -> list[Float[ndarray, "m d"]]:
    """The worst 2 x 2 task in a plane through u and one through v, and a flat one on what is orthogonal to them."""
    axis = np.tile([1.0, 0.0], (len(rngs), 1))
    small = worst_task(axis, axis, tau=cell.tau, rank=min(cell.rank, 2), rngs=rngs)[0]
    tasks = []
    for t, a, b, rng in zip(small, u, v, rngs, strict=True):
        left, right = (_frame(x, max(cell.rank, 2), rng) for x in (a, b))
        tasks.append(left[:, :2] @ t @ right[:, :2].T + cell.tau * left[:, 2:] @ right[:, 2:].T)
    return tasks


def _task(cell: Cell, u: Float[ndarray, " m"], rng: np.random.Generator) -> Float[ndarray, "m d"]:
    shape = cell.m, cell.d
    if cell.task == "iid":
        return draw_task(TaskSpec("gaussian", norm="spectral", size=cell.tau), shape, rng=rng)
    if cell.task == "shares u":
        return cell.tau * _frame(u, cell.rank, rng) @ haar((cell.d, cell.rank), rng=rng).T
    return draw_task(TaskSpec("haar", rank=cell.rank, norm="spectral", size=cell.tau), shape, rng=rng)


def _frame(x: Float[ndarray, " n"], k: int, rng: np.random.Generator) -> Float[ndarray, "n k"]:
    """k orthonormal columns, x the first, the others uniform."""
    Q = linalg.qr(np.column_stack([x, rng.standard_normal((len(x), k - 1))]))[0]
    Q[:, 0] = x
    return Q


def theory(cell: Cell) -> dict[str, Prediction]:
    """The sine: statements ``minimax-angle`` (rank one too), attained by the adversary, a bound for the others.

    The overlap of flat and iid tasks: ``complexity-law`` with its finite-size term 2(1 + tau)²/min(m, d), and
    ``phase-transition`` with its own, entries scaled by the mean of the edge law of Tracy and Widom, to which the
    task's norm is tied. Nothing for a task that shares u. finite = 1e-8 for the adversary: where the search stops.
    """
    from grasp_theory.identification.floor import white_edge
    from grasp_theory.identification.spectra import critical_strength, finite_size, spike
    from grasp_theory.statements.complexity_law import law
    from grasp_theory.statements.minimax_angle import value

    n, bound = min(cell.m, cell.d), value(cell.tau) if cell.rank > 1 else min(1.0, cell.tau)
    if cell.task == "adversary":
        return {"sine": Prediction(bound, "=", 1e-8), "overlap": Prediction(1 - bound**2, "=", 1e-8)}
    lines = {"sine": Prediction(bound, "<=")}
    if cell.task == "flat":
        limit = float(law(1.0, cell.tau, cell.m, cell.d, cell.rank)[0])
        lines["overlap"] = Prediction(limit, "=", 2 * (1 + cell.tau) ** 2 / n)
    if cell.task == "iid":
        edge = white_edge(cell.m, cell.d)
        s = cell.tau / np.sqrt(edge.centre - 1.2065336 * edge.width)
        finite = finite_size(n, 1 / critical_strength(cell.m, cell.d, s=s))
        lines["overlap"] = Prediction(spike(1.0, cell.m, cell.d, s=s).left, "=", finite)
    return lines


EXPERIMENT = Experiment(name="worst-case", cells=cells, measure=measure, theory=theory, trials=(20, 8))
