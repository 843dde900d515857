"""The instances of theorem-1: a layer, samples with noise, a deployment, a training run, the labels' source."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from ..shared.draws import Planted, sharp
from ..shared.maps import truncated
from .cores import Cores
from .descent import Run

TRIALS = 300  # fresh draws of the noise behind a probability


@dataclass(frozen=True, eq=False)
class Instance(Planted):
    """n samples of y = (W0 + T + beta u vᵀ) x + noise · mix · N(0, I), an empirical optimum, the rest of the theorem.

    X, N : inputs and unit noise, one sample a column. mix : what the outputs' noises share, I by assumption.
    rank : of the optimum dW. null : what dW is on inputs off the samples' span. off : what dW misses the optimum by.
    t : e^(−t²/2) is the chance left. k : a stable rank. S_t : a root of Sigma_t.
    frame : two orthonormal directions of the output for the converse; answers : what is said in its two worlds.
    a : beta √n ‖Ŝᵀv‖/s of a factor that is to be hidden. run, cores : see there. seed : of what is drawn anew.
    """

    X: Float[ndarray, "d n"]
    N: Float[ndarray, "m n"]
    noise: float
    mix: Float[ndarray, "m m"]
    rank: int
    null: Float[ndarray, "m d"]
    off: Float[ndarray, "m d"]
    t: float
    k: float
    S_t: Float[ndarray, "d d"]
    frame: Float[ndarray, "m 2"]
    answers: tuple[Float[ndarray, " m"], Float[ndarray, " m"]]
    a: float
    run: Run
    cores: Cores
    seed: int

    @cached_property
    def _svd(self) -> tuple[Float[ndarray, "d q"], Float[ndarray, " q"], Float[ndarray, "q n"]]:
        P, l, Qh = np.linalg.svd(self.X / np.sqrt(self.X.shape[1]), full_matrices=False)
        q = int(np.sum(l > 1e-9 * l[0]))
        return P[:, :q], l[:q], Qh[:q]

    @cached_property
    def S(self) -> Float[ndarray, "d q"]:
        """Ŝ: of full column rank q, Ŝ Ŝᵀ = X Xᵀ/n; its columns are orthogonal."""
        return self._svd[0] * self._svd[1]

    @cached_property
    def S_inverse(self) -> Float[ndarray, "q d"]:
        """Ŝ⁺."""
        return (self._svd[0] / self._svd[1]).T

    @cached_property
    def G(self) -> Float[ndarray, "m q"]:
        """The noise that a fit sees, of entries N(0, s²/n) given X."""
        return self.noise * self.mix @ self.N @ self._svd[2].T / np.sqrt(self.X.shape[1])

    @property
    def sizes(self) -> tuple[int, int]:
        """(m, q)."""
        return self.G.shape[0], self.G.shape[1]

    @cached_property
    def w(self) -> Float[ndarray, " q"]:
        """Ŝᵀv/‖Ŝᵀv‖."""
        return self.S.T @ self.v / np.linalg.norm(self.S.T @ self.v)

    @cached_property
    def b(self) -> float:
        """beta ‖Ŝᵀv‖, the strength in the samples."""
        return self.beta * float(np.linalg.norm(self.S.T @ self.v))

    @cached_property
    def task(self) -> float:
        """‖T Ŝ‖₂."""
        return float(np.linalg.norm(self.T @ self.S, 2))

    @cached_property
    def hidden_by(self) -> float:
        """‖T Ŝ‖ + ‖G‖, task and noise as they are."""
        return self.task + float(np.linalg.norm(self.G, 2))

    @property
    def allowed(self) -> float:
        """s (√m + √q + t)/√n."""
        m, q = self.G.shape
        return self.noise * (np.sqrt(m) + np.sqrt(q) + self.t) / float(np.sqrt(self.X.shape[1]))

    @property
    def right_side(self) -> float:
        """2 (‖T Ŝ‖ + s (√m + √q + t)/√n)/(beta ‖Ŝᵀv‖)."""
        return 2 * (self.task + self.allowed) / self.b

    @cached_property
    def angle(self) -> float:
        """sin(½ arcsin 2 rho), rho = (‖T Ŝ‖ + ‖G‖)/(beta ‖Ŝᵀv‖); 1 if the noise is larger than allowed."""
        return sharp(self.hidden_by / self.b) if self.hidden_by <= self.task + self.allowed * (1 + 1e-12) else 1.0

    @cached_property
    def Y(self) -> Float[ndarray, "m n"]:
        """The labels less W0 X."""
        return self.M @ self.X + self.noise * self.mix @ self.N

    @cached_property
    def target(self) -> Float[ndarray, "m q"]:
        """Ŷ = T Ŝ + G + beta u (Ŝᵀv)ᵀ, what the loss compares dW Ŝ with."""
        return self.T @ self.S + self.G + self.b * np.outer(self.u, self.w)

    @cached_property
    def best(self) -> Float[ndarray, "m q"]:
        """[Ŷ]_r."""
        return truncated(self.target, self.rank)

    @cached_property
    def dW(self) -> Float[ndarray, "m d"]:
        """An empirical optimum of this rank, plus ``off``."""
        return self.best @ self.S_inverse + self.null @ (np.eye(len(self.v)) - self.S @ self.S_inverse) + self.off

    @cached_property
    def top(self) -> tuple[Float[ndarray, " m"], Float[ndarray, " q"]]:
        """(û, q̂), the top pair of dW Ŝ."""
        U, _, Vh = np.linalg.svd(self.dW @ self.S)
        return U[:, 0], Vh[0]

    @cached_property
    def paths(self) -> dict[str, tuple[list[ndarray], list[ndarray]]]:
        """(B, A) along the run under descent and under Adam."""
        return {optimizer: self.run.path(self.target, self.S, optimizer) for optimizer in ("sgd", "adam")}

    @cached_property
    def lengths(self) -> Float[ndarray, " steps+1"]:
        """‖A_j Ŝ‖₂ at the start of descent and after each step."""
        return np.linalg.svd(np.stack(self.paths["sgd"][1]) @ self.S, compute_uv=False)[:, 0]

    @cached_property
    def redrawn(self) -> tuple[Float[ndarray, " trials"], Float[ndarray, " trials"]]:
        """(‖G‖, sin ∠(û,u)) under fresh noise; û does not depend on the rank."""
        m, q = self.G.shape
        rng = np.random.default_rng(self.seed)
        G = self.noise * self.mix @ rng.standard_normal((TRIALS, m, q)) / np.sqrt(self.X.shape[1])
        U = np.linalg.svd(self.target - self.G + G, full_matrices=False)[0]
        norms = np.linalg.svd(G, compute_uv=False)[:, 0]
        return norms, np.sqrt(np.clip(1 - (U[:, :, 0] @ self.u) ** 2, 0, None))
