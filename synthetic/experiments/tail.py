"""A task of exactly low rank: which component the factor is, and what removing each of them costs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from grasp_theory import InputError, LowRank, linalg

from ..experiment import Experiment, Prediction
from ..fields import require_known
from ..generators.task_updates import haar

Place = Literal["free", "apart"]
CROSSING = 0.1  # mixing beyond which two components are not told apart, and nothing is predicted


@dataclass(frozen=True)
class Cell:
    """M = T + beta u vᵀ, T = Σ s_i u_i v_iᵀ (m x d) with Haar u_i, v_i.

    Attributes:
        strengths: s_i, decreasing; tau is the first.
        place: free, u and v are uniform; apart, they are orthogonal to T.
        components: those removed, 1 the strongest, up to k + 1 (k strengths).
    """

    m: int
    d: int
    strengths: tuple[float, ...]
    beta: float
    place: Place
    components: tuple[int, ...]

    def __post_init__(self) -> None:
        k = len(self.strengths)
        if not 1 <= k < min(self.m, self.d):
            raise InputError(f"1 to {min(self.m, self.d) - 1} strengths fit in {self.m} x {self.d}, got {k}")
        if not all(np.isfinite(s) and s > 0 for s in (*self.strengths, self.beta)):
            raise InputError(f"strengths and beta must be finite and positive, got {self.strengths} and {self.beta}")
        if any(a <= b for a, b in zip(self.strengths, self.strengths[1:], strict=False)):
            raise InputError(f"strengths must decrease, got {self.strengths}")
        if self.beta in self.strengths:
            raise InputError(f"beta = {self.beta} is one of the strengths: two components are then not told apart")
        require_known(self, place=get_args(Place))
        if not self.components or not all(1 <= i <= k + 1 for i in self.components):
            raise InputError(f"components must be 1 to {k + 1}, got {self.components}")


def cells(quick: bool) -> list[Cell]:
    """A layer of ordinary size, a task of rank 4; beta from a fifth of its weakest direction to four times tau.

    Overlaps are squares of normal numbers and risks are skewed by −3 near a crossing: with fewer than some 100 trials
    the mean in standard errors is not normal, and leaves 5 of them too often.
    """
    strengths, components = (1.0, 0.7, 0.45, 0.25), (1, 2, 3, 4, 5)
    betas = np.geomspace(0.05, 4, 5 if quick else 30).round(4)
    shown = (0.15, 0.55, 2.0)
    apart = [Cell(96, 128, strengths, x, "apart", components) for x in shown]
    return apart + [Cell(1536, 2048, strengths, float(x), "free", components) for x in (*shown, *betas)]


def measure(cell: Cell, rngs: Sequence[np.random.Generator]) -> dict[str, Float[ndarray, "trials ..."]]:
    """Excess risks (Sigma = Sigma_t = I) after edits of the naive update M, and where the factor is.

    Curves over the components i: delete, M without its i-th triple; project, P_û M with û = û_i; first, P_U M with U
    the i first left vectors; overlap, ⟨û_i,u⟩². Numbers: naive, M itself; factor, deletion of the component most like
    u; random, P_w M with a uniform w; position, the number of the component most like u.
    """
    trials = [_trial(cell, rng) for rng in rngs]
    return {name: np.array([t[name] for t in trials]) for name in trials[0]}


def _trial(cell: Cell, rng: np.random.Generator) -> dict[str, ndarray | float]:
    k, (U, V) = len(cell.strengths), (haar((n, len(cell.strengths) + 1), rng=rng) for n in (cell.m, cell.d))
    if cell.place == "free":
        U[:, k], V[:, k] = (haar((n, 1), rng=rng)[:, 0] for n in (cell.m, cell.d))
    w = haar((cell.m, 1), rng=rng)[:, 0]
    s = np.array([*cell.strengths, cell.beta])
    u_hat, s_hat, v_hat = _triples(LowRank(U * s, V.T))
    factor = LowRank(cell.beta * U[:, k:], V[:, k:].T)  # M − T
    kept = np.array(cell.components) - 1

    def left_over(removed: LowRank) -> float:
        E = factor - removed
        return float(np.sum((E.B.T @ E.B) * (E.A @ E.A.T)))  # ‖B A‖_F²; rounds at eps ‖M‖², not eps of itself

    def projected(Q: ndarray) -> float:
        return left_over(LowRank(Q, (Q.T @ (U * s)) @ V.T))

    overlap = (u_hat.T @ U[:, k]) ** 2
    delete = np.array([left_over(LowRank(u_hat[:, i : i + 1] * s_hat[i], v_hat[:, i : i + 1].T)) for i in range(k + 1)])
    place = int(np.argmax(overlap))
    return {
        "delete": delete[kept],
        "project": np.array([projected(u_hat[:, i : i + 1]) for i in kept]),
        "first": np.array([projected(u_hat[:, : i + 1]) for i in kept]),
        "overlap": overlap[kept],
        "naive": left_over(LowRank(w[:, None], np.zeros((1, cell.d)))),
        "factor": delete[place],
        "random": projected(w[:, None]),
        "position": place + 1.0,
    }


def _triples(M: LowRank) -> tuple[Float[ndarray, "m q"], Float[ndarray, " q"], Float[ndarray, "d q"]]:
    """Singular triples from QR of the factors: nothing of size m x d is formed."""
    (Q, R), (P, S) = linalg.qr(M.B), linalg.qr(M.A.T)
    U, s, Vh = linalg.svd(R @ S.T)
    return Q @ U, s, P @ Vh.T


def theory(cell: Cell) -> dict[str, Prediction]:
    """The factor is component 1 + #{s_i > beta} (statement ``phase-transition``: no threshold at fixed rank).

    Deleting a set S of components leaves beta² + Σ s_i² over the task's in S, less beta² if the factor is in S. Proof:
    the error is beta u vᵀ − Σ_S ŝ_i û_i v̂_iᵀ, of squared norm beta² + Σ_S (ŝ_i² − 2 beta ŝ_i ⟨u,û_i⟩⟨v,v̂_i⟩), and for
    u, v orthogonal to T the triples of M are those of T and (u, beta, v). ∎ P_û M is M without that triple: one law.

    Free u, v: with kappa = 1/m + 1/d, a task component's term is less by c_i = kappa beta² s_i² (s_i² + beta²)/(s_i² −
    beta²)² on average and the factor's more by Σ c_i. Proof: to first order in a_i = ⟨u,u_i⟩ and b_i = ⟨v,v_i⟩ (means
    0, variances 1/m and 1/d, independent) û = u + Σ s_i (beta b_i + s_i a_i)/(beta² − s_i²) u_i, v̂ likewise; insert. ∎
    Overlaps: E⟨û_i,u⟩² = s_i² (s_i²/m + beta²/d)/(s_i² − beta²)². finite: the next order, q times the correction with
    q = max kappa (s_i² + beta²)²/(s_i² − beta²)². Nothing is held for q > 0.1, at crossings.
    Random w: beta² (1 − 2/m) + (Σ s_i² + beta²)/m exactly, since E w wᵀ = I/m and E uᵀT v = 0.
    """
    s2, b2 = np.square(cell.strengths), cell.beta**2
    kappa = (1 / cell.m + 1 / cell.d) * (cell.place == "free")
    gaps = (s2 - b2) ** 2
    mixing = kappa * float(np.max((s2 + b2) ** 2 / gaps))
    place = int(np.sum(s2 > b2))
    c, leak = kappa * b2 * s2 * (s2 + b2) / gaps, kappa * s2 * (s2 * cell.d + b2 * cell.m) / gaps / (cell.m + cell.d)
    terms, overlap = np.insert(s2 - c, place, c.sum() - b2), np.insert(leak, place, 1 - leak.sum())
    spread = np.insert(c, place, c.sum())

    def law(value: ndarray | float, correction: ndarray | float) -> Prediction:
        return Prediction(value, "~" if mixing > CROSSING else "=", mixing * correction)

    kept = np.array(cell.components) - 1
    total = float(s2.sum() + b2)
    return {
        "delete": law(b2 + terms[kept], spread[kept]),
        "project": law(b2 + terms[kept], spread[kept]),
        "first": law(b2 + terms.cumsum()[kept], spread.cumsum()[kept]),
        "overlap": law(overlap[kept], np.insert(leak, place, leak.sum())[kept]),
        "naive": Prediction(b2),
        "factor": law(b2 + terms[place], spread[place]),
        "random": Prediction(b2 * (1 - 2 / cell.m) + total / cell.m),
        "position": law(place + 1.0, 0.0),
    }


EXPERIMENT = Experiment(name="tail", cells=cells, measure=measure, theory=theory, trials=(400, 120), along="components")
