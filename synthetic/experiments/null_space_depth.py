"""Null-space training of a tiny transformer: how far old outputs move in the right null space, a wrong one, or none."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal, get_args

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from grasp_theory import InputError
from grasp_theory.statements.null_space_depth import gain, lipschitz, moved
from grasp_theory.statements.null_space_depth.instances import Block, Instance, projected, rms

from ..experiment import Experiment, Prediction
from ..fields import require_known, require_positive
from ..generators.task_updates import haar

Space = Literal["second moment", "covariance", "none"]
WIDTH, HEAD, HIDDEN = 16, 8, 24  # of the stream, of the one head, of the MLP
SEQUENCES, TOKENS = 12, 6
SCALE = 0.4  # spectral norm of every weight matrix


@dataclass(frozen=True)
class Cell:
    """Blocks of softmax attention and MLP; random updates of Q, K, V, U off the k leading directions of their inputs.

    Attributes:
        depth: blocks.
        k: directions kept at each site, of the inputs' second moment or (wrongly) of their covariance.
        space: none leaves the updates as drawn, of the Frobenius norm that the projected ones have.
        size: Frobenius norm of each update as drawn.
    """

    depth: int
    k: int
    space: str = "second moment"
    size: float = 0.5

    def __post_init__(self) -> None:
        require_known(self, space=get_args(Space))
        require_positive(self, "size")
        if self.depth < 1 or not 0 <= self.k < WIDTH:
            raise InputError(f"depth must be at least 1 and k 0 to {WIDTH - 1}, got {self.depth} and {self.k}")


def cells(quick: bool) -> list[Cell]:
    """k from none to nearly all at depth 2; depths 1 to 4 at k = 8."""
    kept, depths = ((0, 5, 12), (1, 3)) if quick else ((0, 1, 2, 4, 6, 8, 10, 12, 14, 15), (1, 2, 3, 4))
    spaces = get_args(Space)
    return [Cell(2, k, s) for s in spaces for k in kept] + [Cell(n, 8, s) for s in spaces for n in depths]


def measure(cell: Cell, rngs: Sequence[np.random.Generator]) -> dict[str, Float[ndarray, " trials"]]:
    """drift: rms of the move of the output stream over that of the base's. bound: what the statement allows.

    share: drift over bound, for updates in the null space of the second moment alone.
    """
    found = []
    for rng in rngs:
        net = _net(cell, rng)
        kept = projected(replace(net, centred=cell.space == "covariance"))
        if cell.space == "none":
            kept = replace(net, blocks=tuple(map(_shrunk, net.blocks, kept.blocks)))
        tuned = replace(kept, centred=False)
        last, bound = tuned.steps[-1], 0.0
        for step in tuned.steps:
            bound = lipschitz(step) * bound + sum(gain(step, j) * moved(step, j, bound) for j in step.sites)
        scale = rms(tuned.step(last.weights, last.base))
        found.append((last.after / scale, bound / scale, last.after / bound))
    drift, bound, share = np.array(found).T
    return {"drift": drift, "bound": bound, "share": share} if cell.space == "second moment" else {"drift": drift}


def _net(cell: Cell, rng: np.random.Generator) -> Instance:
    """Inputs of a mean and of decaying variances; weights of one spectral norm."""
    frame = haar((WIDTH, WIDTH), rng=rng)
    scales = np.arange(1, WIDTH + 1) ** -1.0
    tokens = rng.standard_normal((SEQUENCES, WIDTH, TOKENS))
    inputs = frame @ (scales[:, None] * tokens) + haar((WIDTH, 1), rng=rng)
    shapes = {"Q": (HEAD, WIDTH), "K": (HEAD, WIDTH), "V": (HEAD, WIDTH), "U": (HIDDEN, WIDTH)}
    out = {"O": (WIDTH, HEAD), "W": (WIDTH, HIDDEN)}
    blocks = []
    for _ in range(cell.depth):
        weights = {name: _normed(rng.standard_normal(shape), SCALE, 2) for name, shape in (shapes | out).items()}
        deltas = {name: _normed(rng.standard_normal(shape), cell.size, "fro") for name, shape in shapes.items()}
        blocks.append(Block(weights, deltas))
    return Instance(tuple(blocks), inputs, cell.k, (0, "V"))


def _normed(X: Float[ndarray, "a b"], size: float, norm: Literal[2, "fro"]) -> Float[ndarray, "a b"]:
    return size * X / np.linalg.norm(X, norm)


def _shrunk(free: Block, kept: Block) -> Block:
    """The free updates at the Frobenius norms of the projected ones."""
    deltas = {name: _normed(D, float(np.linalg.norm(kept.deltas[name])), "fro") for name, D in free.deltas.items()}
    return replace(free, deltas=deltas)


def theory(cell: Cell) -> dict[str, Prediction]:
    """``null-space-depth``: the drift is below its bound, in every trial; nothing where the space is another."""
    return {"share": Prediction(1.0, "<=")} if cell.space == "second moment" else {}


EXPERIMENT = Experiment(name="null-space-depth", cells=cells, measure=measure, theory=theory, trials=(30, 6))
