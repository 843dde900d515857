"""Which removal method leaves the least risk: fits on samples over two knobs, with the risk of every method."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from grasp_theory import InputError, linalg
from grasp_theory.linear import LinearProblem

from ..experiment import Experiment, Prediction
from ..fields import require_known, require_not_negative
from ..generators.inputs import draw_inputs
from ..generators.task_updates import haar

Panel = Literal["content", "shift"]
SHAPE = 10, 12
PROBLEM = 27605  # seed of the one problem whose knobs are turned
ALONG_U, ALONG_V, BESIDE_U, BESIDE_V, REST = 0.5, 0.6, 0.45, 0.6, 0.3  # of the task, beta = 1: see `problem`
TIE = 1e-9  # relative: equal fits up to rounding
METHODS = (  # in the order in which ties are settled
    "naive",
    "post-hoc write",
    "write GRASP",
    "post-hoc read",
    "read GRASP",
    "both GRASP",
    "deletion",
    "CAFT",
    "ablation",
    "CAFT + ablation",
)


@dataclass(frozen=True)
class Cell:
    """A problem of 10 x 12 with beta = 1, and n samples with label noise to fit it on.

    Attributes:
        panel: content, the pretrained layer answers v with W0 v = −response · u; shift, with a vector of that length
            orthogonal to u and the task.
        task: scale of T.
        rho: correlation of vᵀx with another input on curated data; rho_t, at deployment.
    """

    panel: Panel
    response: float
    task: float
    rho: float
    rho_t: float
    n: int = 240
    noise: float = 0.1

    def __post_init__(self) -> None:
        require_known(self, panel=get_args(Panel))
        require_not_negative(self, "response", "task", "noise")
        if not max(abs(self.rho), abs(self.rho_t)) < 1:
            raise InputError(f"rho and rho_t must lie strictly between -1 and 1, got {self.rho} and {self.rho_t}")
        if self.n < SHAPE[1] + 2:
            raise InputError(f"n must be at least {SHAPE[1] + 2}, for a fit of finite mean risk, got {self.n}")


def cells(quick: bool) -> list[Cell]:
    """Content: ‖W0 v‖ against the correlation, nothing shifts. Shift: scale of the task against the new correlation."""
    size = 6 if quick else 18
    middle = [float(x) for x in (np.arange(size) + 0.5) / size]  # of the map's cells
    plane = [(x, y) for x in middle for y in middle]
    content = [Cell("content", round(2.4 * x, 4), 1.35, round(0.96 * y, 4), round(0.96 * y, 4)) for x, y in plane]
    return content + [Cell("shift", 1.0, round(0.2 + 1.8 * x, 4), 0.5, round(1.9 * y - 0.95, 4)) for x, y in plane]


def problem(cell: Cell) -> LinearProblem:
    """T = task · [u (ALONG_U v + BESIDE_U f + BESIDE_V w)ᵀ + ALONG_V e vᵀ + rest], in dense bases, one for all cells.

    u, e, g and v, f, w are orthonormal; w is the input that vᵀx is correlated with, f one that is not. The rest of T,
    of singular values REST, avoids them all.
    """
    rng = np.random.default_rng(PROBLEM)
    (m, d), (U, V) = SHAPE, (haar((n, n), rng=rng) for n in SHAPE)
    (u, e, g), (v, f, w) = U[:, :3].T, V[:, :3].T
    T = np.outer(u, ALONG_U * v + BESIDE_U * f + BESIDE_V * w) + ALONG_V * np.outer(e, v)
    T = cell.task * (T + REST * U[:, 3:6] @ V[:, 3:6].T)
    W0 = rng.standard_normal((m, d)) / np.sqrt(d)
    W0 += np.outer(cell.response * (-u if cell.panel == "content" else g) - W0 @ v, v)
    Sigma, Sigma_t = (np.eye(d) + rho * (np.outer(v, w) + np.outer(w, v)) for rho in (cell.rho, cell.rho_t))
    return LinearProblem(W0=W0, T=T, beta=1.0, u=u, v=v, Sigma=Sigma, Sigma_t=Sigma_t)


def measure(cell: Cell, rngs: Sequence[np.random.Generator]) -> dict[str, Float[ndarray, " trials"]]:
    """Excess risk of every method fitted by least squares on the trial's n samples, and the number of the best.

    winner : its place in METHODS; of fits that are equal up to rounding, the first.
    """
    p = problem(cell)
    X = np.stack([draw_inputs(p.Sigma, cell.n, rng=rng) for rng in rngs])
    Y = p.M @ X + cell.noise * np.stack([rng.standard_normal((SHAPE[0], cell.n)) for rng in rngs])
    P_u, P_v = p.P_u, p.P_v

    def fit(targets: ndarray, *, left: ndarray | None = None, right: ndarray | None = None) -> ndarray:
        """Least squares over D = left D right (projectors; H = I): of least norm on the inputs right x, then left."""
        D = targets @ linalg.pinv(X if right is None else right @ X, 1e-10)
        return D if left is None else left @ D

    naive, caft = fit(Y), fit(Y + p.W0 @ np.outer(p.v, p.v) @ X, right=P_v)
    U, S, Vh = linalg.svd(naive, full_matrices=False)
    content = p.W0 @ np.outer(p.v, p.v)
    updates = {
        "naive": naive,
        "post-hoc write": P_u @ naive,
        "write GRASP": fit(Y, left=P_u),
        "post-hoc read": naive @ P_v,
        "read GRASP": fit(Y, right=P_v),
        "both GRASP": fit(Y, left=P_u, right=P_v),
        "deletion": naive - S[:, :1, None] * U[:, :, :1] @ Vh[:, :1],
        "CAFT": caft,
        "ablation": naive @ P_v - content,
        "CAFT + ablation": caft - content,
    }
    risks = {name: np.einsum("tij,jk,tik->t", D - p.T, p.Sigma_t, D - p.T) for name, D in updates.items()}
    table = np.array([risks[name] for name in METHODS])
    best = np.argmax(table <= table.min(axis=0) + TIE * table[0], axis=0)
    return risks | {"winner": best.astype(float)}


def theory(cell: Cell) -> dict[str, Prediction]:
    """Statement ``who-wins`` (``regimes.risk_table``) plus what n samples add; the winner of the population, not held.

    Proof of the addition: for Gaussian x, regressing y on z = R x (R = I, or P_v: rank q) leaves a residual that is
    independent of z, of covariance C; so the fit is its population value plus E with mean 0 given z, and
    E‖L E R‖_t² = tr(L C Lᵀ) tr((R Sigma R)⁺ R' Sigma_t R')/(n − q − 1), the mean of an inverse Wishart matrix (L, R'
    what is applied afterwards). Naive: C = noise² I, q = d. Fits off v: C = noise² I + kappa c cᵀ, q = d − 1, with c
    the target's response to v and kappa = 1/(vᵀ Sigma⁻¹ v). ∎ Deletion is not linear in the fit: its row is not held.
    """
    from grasp_theory.linear.regimes import explained, risk_table, winner

    p = problem(cell)
    (m, d), table, (kappa, _) = SHAPE, risk_table(p), explained(p)
    inverse, noise = linalg.inv(p.Sigma), cell.noise**2
    inner = linalg.pinv(p.P_v @ p.Sigma @ p.P_v, 1e-10, hermitian=True)
    full, cut, off = (float(np.sum(A * p.Sigma_t)) for A in (inverse, p.P_v @ inverse @ p.P_v, p.P_v @ inner @ p.P_v))
    full, cut, off = full / (cell.n - d - 1), cut / (cell.n - d - 1), off / (cell.n - d)
    seen, hidden = p.M @ p.v, (p.W0 + p.M) @ p.v
    added = {
        "naive": noise * m * full,
        "post-hoc write": noise * (m - 1) * full,
        "write GRASP": noise * (m - 1) * full,
        "post-hoc read": noise * m * cut,
        "read GRASP": (noise * m + kappa * float(seen @ seen)) * off,
        "both GRASP": (noise * (m - 1) + kappa * float(np.sum((p.P_u @ seen) ** 2))) * off,
        "deletion": 0.0,
        "CAFT": (noise * m + kappa * float(hidden @ hidden)) * off,
        "ablation": noise * m * cut,
        "CAFT + ablation": (noise * m + kappa * float(hidden @ hidden)) * off,
    }
    lines = {name: Prediction(table[name] + added[name], "~" if name == "deletion" else "=") for name in METHODS}
    return lines | {"winner": Prediction(float(METHODS.index(winner(p))), "~")}


EXPERIMENT = Experiment(name="who-wins", cells=cells, measure=measure, theory=theory, trials=(40, 20))
