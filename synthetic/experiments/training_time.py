"""Which of the two factors of the shortcut LoRA shows first: overlaps of dW(t) along training, and after one step."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, cast, get_args

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from grasp_theory import InputError, linalg
from grasp_theory.linear.problem import Stacked
from grasp_theory.linear.training import train

from ..experiment import Experiment, Prediction
from ..fields import require_at_least, require_known
from ..generators.task_updates import haar

Optimizer = Literal["sgd", "adam"]
Panel = Literal["path", "start"]
ALPHA = 1 / np.sqrt(3)  # length of A0's rows in PEFT's start
RANKS = (1, 2, 4, 8, 16, 32, 64)
TIMES = (0.05, 0.5, 1.0, 1.5, 2.0, 2.5, 3.0, 4.0, 5.0, 6.5, 9.0, 14.0)
LAYERS = 20  # drawn for each trial of a start


@dataclass(frozen=True)
class Cell:
    """LoRA on ‖M − B A‖_F² from A0 A0ᵀ = alpha² I; M = T + beta u vᵀ, T Gaussian of variance (m d)^-½: beta_c = 1.

    Attributes:
        panel: path (one fixed problem and A0, number ``draw``, in the coordinates of each trial) or start (one step;
            each trial is the mean of ``LAYERS`` problems).
        step: of descent, in units of the flow's time; Adam's lr is a tenth.
        times: where the path is looked at.
    """

    panel: str
    optimizer: str
    rank: int
    draw: int = 0
    beta: float = 2.0
    step: float = 0.005
    m: int = 96
    d: int = 64
    times: tuple[float, ...] = TIMES

    def __post_init__(self) -> None:
        require_known(self, panel=get_args(Panel), optimizer=get_args(Optimizer))
        if min(self.m, self.d) < 2 or not 1 <= self.rank <= min(self.m, self.d):
            raise InputError(f"rank must be from 1 to m and d, these at least 2; got {self.rank}, {self.m}, {self.d}")
        require_at_least(self, beta=1e-6, step=1e-6, draw=0)
        if not self.times or self.steps[0] < 1 or (np.diff(self.steps) < 1).any():
            raise InputError(f"times must increase by at least a step of {self.step} from 0, got {self.times}")

    @property
    def steps(self) -> list[int]:
        """The steps at which the path is looked at."""
        return [round(t / self.step) for t in self.times]


@dataclass(frozen=True, eq=False)
class Start:
    """Target, factors of the shortcut, and LoRA's start."""

    M: Float[ndarray, "m d"]
    u: Float[ndarray, " m"]
    v: Float[ndarray, " d"]
    A0: Float[ndarray, "r d"]

    def turned(self, rng: np.random.Generator) -> Start:
        """The same in other coordinates: descent does not notice, a coordinate-wise optimiser does."""
        L, R, G = (haar((n, n), rng=rng) for n in (*self.M.shape, len(self.A0)))
        return Start(L @ self.M @ R.T, L @ self.u, R @ self.v, G @ self.A0 @ R.T)


def cells(quick: bool) -> list[Cell]:
    """Paths of two optimisers at four ranks, five problems each; a step at seven ranks. Quick: one problem, shorter."""
    draws, times = (1, TIMES[1:8]) if quick else (5, TIMES)
    step = 0.02 if quick else Cell.step
    grid = [(o, r, n) for o in get_args(Optimizer) for r in RANKS[::2] for n in range(draws)]
    paths = [Cell("path", o, r, n, step=step, times=times) for o, r, n in grid]
    return paths + [Cell("start", o, r, step=step, times=(step,)) for o in get_args(Optimizer) for r in RANKS]


def drawn(cell: Cell, rng: np.random.Generator) -> Start:
    """Uniform u, v and row space of A0."""
    u, v = haar((cell.m, 1), rng=rng)[:, 0], haar((cell.d, 1), rng=rng)[:, 0]
    T = rng.standard_normal((cell.m, cell.d)) / (cell.m * cell.d) ** 0.25
    return Start(T + cell.beta * np.outer(u, v), u, v, ALPHA * haar((cell.d, cell.rank), rng=rng).T)


def fixed(cell: Cell) -> Start:
    """The problem of a path: number ``draw``, whatever the trial, the optimiser, the step and the times."""
    return drawn(cell, np.random.default_rng([cell.draw, cell.rank, cell.m, cell.d]))


def measure(cell: Cell, rngs: Sequence[np.random.Generator]) -> dict[str, Float[ndarray, "trials ..."]]:
    """⟨û,u⟩², ⟨v̂,v⟩² of dW at ``times`` or after a step; control there: the same with random directions."""
    if cell.panel == "path":
        starts = [fixed(cell).turned(rng) for rng in rngs]
        U, V = trained(cell, starts, cell.steps)
        return _overlaps(U, V, [s.u for s in starts], [s.v for s in starts])
    starts = [drawn(cell, rng) for rng in rngs for _ in range(LAYERS)]
    U, V = trained(cell, starts, [1])
    seen = _overlaps(U, V, [s.u for s in starts], [s.v for s in starts])
    random = [[haar((n, 1), rng=rng)[:, 0] for rng in rngs for _ in range(LAYERS)] for n in (cell.m, cell.d)]
    seen |= {f"{side} control": x for side, x in _overlaps(U, V, *random).items()}
    return {quantity: x.reshape(len(rngs), LAYERS).mean(axis=1) for quantity, x in seen.items()}


def _overlaps(U: ndarray, V: ndarray, u: list[ndarray], v: list[ndarray]) -> dict[str, ndarray]:
    return {side: np.sum(X * np.array(x), axis=-1).T ** 2 for side, X, x in (("left", U, u), ("right", V, v))}


def top(B: Float[ndarray, "t m r"], A: Float[ndarray, "t r d"]) -> tuple[Float[ndarray, "t m"], Float[ndarray, "t d"]]:
    """Top singular vectors of B A, through an SVD of its r x r core."""
    Q, R = linalg.qr(B)
    P, S = linalg.qr(A.swapaxes(-1, -2))
    U, _, Vh = linalg.svd(R @ S.swapaxes(-1, -2))
    return (Q @ U[..., :1])[..., 0], (P @ Vh[..., :1, :].swapaxes(-1, -2))[..., 0]


def trained(cell: Cell, starts: list[Start], steps: list[int]) -> tuple[ndarray, ndarray]:
    """Top singular vectors (steps, trials, n) of dW. The loss has no ½: a step of descent is 2 lr of flow time."""
    seen: list[tuple[ndarray, ndarray]] = []

    def look(step: int, B: ndarray, A: ndarray) -> None:
        if step in steps:
            seen.append(top(B, A))

    optimizer = cast("Optimizer", cell.optimizer)
    lr = cell.step / 2 if optimizer == "sgd" else cell.step / 10
    M, A0 = np.array([s.M for s in starts]), np.array([s.A0 for s in starts])
    train(Stacked(M, np.eye(cell.d)), A0, lr=lr, steps=steps[-1], optimizer=optimizer, every=0, callback=look)
    return np.array([u for u, _ in seen]), np.array([v for _, v in seen])


def theory(cell: Cell) -> dict[str, Prediction]:
    """Descent with a small step: the flow of ``spectral-order`` (iii), and (ii) at rank d where modes do not mix.

    Finite: Euler lags by kappa t step/2, which moves the overlaps by up to 2 step (first order: the tests halve it).
    """
    if cell.panel == "start":
        return _start_theory(cell)
    if cell.optimizer != "sgd":
        return {}
    left, right = np.array([_flow_overlaps(cell, fixed(cell), t) for t in cell.times]).T
    return {name: Prediction(law, "=", 2 * cell.step) for name, law in (("left", left), ("right", right))}


def _flow_overlaps(cell: Cell, start: Start, t: float) -> tuple[float, float]:
    from grasp_theory.linear.training import lora_curve, riccati_flow

    if cell.rank < cell.d:
        U, _, Vh = linalg.svd(riccati_flow(start.M, start.A0, t), full_matrices=False)
    else:
        U, S, Vh = linalg.svd(start.M, full_matrices=False)
        order = np.argsort(-lora_curve(S, ALPHA, t))
        U, Vh = U[:, order], Vh[order]
    return float(U[:, 0] @ start.u) ** 2, float(Vh[0] @ start.v) ** 2


def _start_theory(cell: Cell) -> dict[str, Prediction]:
    """One step of descent shows M P, P the projector on row(A0) (statement ``one-step-sketch``, A0ᵀA0 = alpha² P).

    T P is an m x r Gaussian matrix and beta u (P v)ᵀ a factor of strength beta √x, x = ‖P v‖² ~ Beta(r/2, (d − r)/2):
    the spiked law of an m x r matrix, times x on the right; so critical at (d/r)^¼ beta_c, and ⟨v̂,v⟩² <= x for every
    optimiser, as B = 0 leaves A0's rows alone in the first step. Held from r = 16 on, up to the finite size r.
    Adam's step is sign(M A0ᵀ): of the Gaussian entries √(2/π) goes on linearly, the rest is white noise again (~).
    A random direction: 1/m and 1/d, exactly.
    """
    from scipy.stats import beta as beta_law

    from grasp_theory.identification.spectra import finite_size, spike

    r, m, d, s = cell.rank, cell.m, cell.d, (cell.m * cell.d) ** -0.25
    x = beta_law(r / 2, (d - r) / 2).ppf((np.arange(400) + 0.5) / 400) if r < d else np.ones(1)
    gain = 1.0 if cell.optimizer == "sgd" else np.sqrt(2 / np.pi)
    spikes = [spike(float(gain * cell.beta * np.sqrt(share)), m, r, s=s) for share in x]
    left, right = np.mean([(k.left, k.right * y) for k, y in zip(spikes, x, strict=True)], axis=0)
    laws = {"left control": Prediction(1 / m), "right control": Prediction(1 / d)}
    if cell.optimizer == "adam":
        return laws | {"left": Prediction(left, "~"), "right": Prediction(r / d, "<=")}
    finite, held = finite_size(min(m, r), cell.beta * (r / d) ** 0.25), "=" if r >= 16 else "~"
    return laws | {"left": Prediction(left, held, finite), "right": Prediction(right, held, finite)}


EXPERIMENT = Experiment(
    name="training-time", cells=cells, measure=measure, theory=theory, trials=(10, 10), along="times"
)
