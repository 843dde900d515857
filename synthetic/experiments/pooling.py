"""What layers that write one direction show together: stacked, added up, and when their tasks share a direction."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from grasp_theory import InputError, linalg

from ..experiment import Experiment, Prediction
from ..fields import require_known, require_not_negative
from ..generators.task_updates import haar

Panel = Literal["overlap", "border"]
Profile = Literal["equal", "decaying", "one layer"]
Pool = Literal["stack", "sum"]
BISECTIONS = 14  # of an interval of 4 critical strengths: 2.4e-4 of one


@dataclass(frozen=True)
class Cell:
    """M_l = T_l + beta_l u v_lᵀ, l = 1…layers, T_l (m x d) iid N(0, 1), u and v_l uniform.

    Attributes:
        panel: overlap, at Σ beta_l² = strength √(m d layers); border, the strength is searched for.
        profile: of beta_l: equal, decaying as 0.8^l, or all in one layer.
        pool: stack, the left singular vectors of [M_1 … M_L]; sum, of Σ M_l, which is wrong: the v_l differ.
        shared: strength, over (m d)^¼, in every T_l of one left direction w that all tasks share.
    """

    panel: str
    m: int
    d: int
    layers: int
    strength: float
    profile: str = "equal"
    pool: str = "stack"
    shared: float = 0.0

    def __post_init__(self) -> None:
        require_known(self, panel=get_args(Panel), profile=get_args(Profile), pool=get_args(Pool))
        if min(self.m, self.d) < 2 or self.layers < 1:
            raise InputError(f"m and d must be at least 2, layers at least 1; got {self.m}, {self.d} and {self.layers}")
        require_not_negative(self, "strength", "shared")

    @property
    def weights(self) -> Float[ndarray, " layers"]:
        """The profile, Σ weights² = 1."""
        places = np.arange(self.layers)
        found = {"equal": np.ones(self.layers), "decaying": 0.8**places, "one layer": 1.0 * (places == 0)}[self.profile]
        return found / np.linalg.norm(found)

    @property
    def total(self) -> float:
        """√(Σ beta_l²)."""
        return self.strength**0.5 * (self.m * self.d * self.layers) ** 0.25


def cells(quick: bool) -> list[Cell]:
    """Strengths around the border for 1, 4, 16 and 64 layers; the border for 1 to 64 layers."""
    m, d = 96, 64
    x = [float(y) for y in np.linspace(0.25, 4.0, 16)[:: 3 if quick else 1]]
    found = [Cell("overlap", m, d, n, y) for n in (1, 4, 16, 64) for y in x]
    found += [Cell("overlap", m, d, 16, y, profile) for profile in ("decaying", "one layer") for y in x]
    found += [Cell("overlap", m, d, 16, y, shared=2.0) for y in x]
    found += [Cell("overlap", m, d, 16, y, pool="sum") for y in x]
    layers = (1, 4, 16, 64) if quick else (1, 2, 4, 8, 16, 32, 64)
    found += [Cell("border", m, d, n, 0.0) for n in layers]
    found += [Cell("border", m, d, n, 0.0, shared=2.0) for n in layers]
    return found + [Cell("border", m, d, n, 0.0, pool="sum") for n in layers]


@dataclass(frozen=True, eq=False)
class _Gram:
    """Of the pooled layers as a function of t = √(Σ beta_l²): G(t) = G0 + t (u wᵀ + w uᵀ) + t² size u uᵀ."""

    G0: Float[ndarray, "m m"]
    w: Float[ndarray, " m"]
    size: float
    u: Float[ndarray, " m"]

    def overlap(self, t: float) -> float:
        """⟨û,u⟩² at this strength."""
        cross = t * np.outer(self.u, self.w)
        G = self.G0 + cross + cross.T + t * t * self.size * np.outer(self.u, self.u)
        return float(linalg.top_eigenvector(G) @ self.u) ** 2


def measure(cell: Cell, rngs: Sequence[np.random.Generator]) -> dict[str, Float[ndarray, " trials"]]:
    """overlap: ⟨û,u⟩² of each trial. border: the rms beta_l over (m d)^¼ at which it passes ½."""
    grams = [_gram(cell, rng) for rng in rngs]
    if cell.panel == "overlap":
        return {"overlap": np.array([gram.overlap(cell.total) for gram in grams])}
    unit = (cell.m * cell.d) ** 0.25
    return {"half": np.array([_half(gram, 4 * unit * cell.layers**0.5) for gram in grams]) / unit / cell.layers**0.5}


def _gram(cell: Cell, rng: np.random.Generator) -> _Gram:
    u = haar((cell.m, 1), rng=rng)[:, 0]
    G0, w = np.zeros((cell.m, cell.m)), np.zeros(cell.m)
    added, reads = np.zeros((cell.m, cell.d)), np.zeros(cell.d)
    for weight, T in zip(cell.weights, _tasks(cell, rng), strict=True):
        v = haar((cell.d, 1), rng=rng)[:, 0]
        if cell.pool == "sum":
            added, reads = added + T, reads + weight * v
        else:
            G0, w = G0 + T @ T.T, w + weight * T @ v
    if cell.pool == "sum":
        return _Gram(added @ added.T, added @ reads, float(reads @ reads), u)
    return _Gram(G0, w, 1.0, u)


def _tasks(cell: Cell, rng: np.random.Generator) -> Iterator[Float[ndarray, "m d"]]:
    w = haar((cell.m, 1), rng=rng)
    for _ in range(cell.layers):
        T = rng.standard_normal((cell.m, cell.d))
        yield T + cell.shared * (cell.m * cell.d) ** 0.25 * w @ haar((cell.d, 1), rng=rng).T


def _half(gram: _Gram, high: float) -> float:
    """The strength at which the squared overlap passes ½, by bisection of [0, high]."""
    low = 0.0
    for _ in range(BISECTIONS):
        middle = 0.5 * (low + high)
        low, high = (middle, high) if gram.overlap(middle) < 0.5 else (low, middle)
    return 0.5 * (low + high)


def theory(cell: Cell) -> dict[str, Prediction]:
    """Statement ``pooled-layers``; nothing where tasks share a direction.

    Added up, the layers are one layer of noise √L with the factor √(Σ beta_l²): ``phase-transition``, no gain at all.
    The rms strength where the law passes ½ is the border of L layers times a factor near 1.5.
    finite: the terms of ``phase-transition``. Where the overlap passes ½: 1/min(m, d) relative, the order of the bias
    of the root of a curve that fluctuates by min(m, d)^(−½), and the width of the last interval of the bisection.
    """
    from scipy.optimize import brentq

    from grasp_theory.identification.spectra import critical_strength, finite_size, spike

    if cell.shared:
        return {}
    stacked = cell.pool == "stack"
    width, s = (cell.d * cell.layers, 1.0) if stacked else (cell.d, cell.layers**0.5)
    border = critical_strength(cell.m, width, s=s)
    if cell.panel == "overlap":
        finite = finite_size(min(cell.m, cell.d), cell.total / border)
        return {"overlap": Prediction(spike(cell.total, cell.m, width, s=s).left, "=", finite)}
    found = brentq(lambda t: spike(t, cell.m, width, s=s).left - 0.5, border, 10 * border, xtol=1e-12 * border)
    half = float(found) / (cell.m * cell.d) ** 0.25 / cell.layers**0.5  # pyright: ignore[reportArgumentType]
    return {"half": Prediction(half, "=", half / min(cell.m, cell.d) + 4 * 2.0**-BISECTIONS)}


EXPERIMENT = Experiment(name="pooling", cells=cells, measure=measure, theory=theory, trials=(80, 12))
