"""Small residual nets with softmax attention and null-space updates, in float64."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from ..shared.draws import log_uniform, orthonormal

Weights = Mapping[str, ndarray]


@dataclass(frozen=True, eq=False)
class Block:
    """Weights Q, K, V (h, d), O (d, h), U (w, d), W (d, w), and the updates of Q, K, V, U."""

    weights: Weights
    deltas: Weights


@dataclass(frozen=True, eq=False)
class Step:
    """One step, attention or MLP: base and tuned stream before it, drifts, and the second moment of its inputs.

    before, after : rms drift. rho : the largest ‖X_s‖₂ of both runs. values : eigenvalues of Sigma, descending.
    """

    weights: Weights
    deltas: Weights
    base: Float[ndarray, "s d n"]
    before: float
    after: float
    rho: float
    values: Float[ndarray, " d"]
    vectors: Float[ndarray, "d d"]
    k: int

    @property
    def sites(self) -> tuple[str, ...]:
        return tuple(self.deltas)

    @property
    def tokens(self) -> int:
        return self.base.shape[2]

    @property
    def size(self) -> float:
        """rms of the base's stream, the scale of rounding."""
        return rms(self.base)

    @property
    def next_value(self) -> float:
        """λ_{k+1}."""
        return float(max(self.values[self.k], 0.0))

    def answered(self, j: str) -> float:
        """rms of Delta_j X."""
        return rms(self.deltas[j] @ self.base)

    @property
    def leak(self) -> float:
        """The largest ‖Delta_j N_j‖/‖Delta_j‖."""
        N = self.vectors[:, : self.k]
        sizes = [(np.linalg.norm(D @ N), np.linalg.norm(D)) for D in self.deltas.values()]
        return max(float(a / b) if b else 0.0 for a, b in sizes)


def rms(X: Float[ndarray, "s d n"]) -> float:
    """Root mean square over tokens."""
    return float(np.linalg.norm(X) / np.sqrt(X.shape[0] * X.shape[2]))


@dataclass(frozen=True, eq=False)
class Instance:
    """A net, its update and its reference sequences; site : (step, name) that single claims are about."""

    blocks: tuple[Block, ...]
    inputs: Float[ndarray, "s d n"]
    k: int
    site: tuple[int, str]
    causal: bool = False
    centred: bool = False
    slope: float = 1.0

    @cached_property
    def steps(self) -> list[Step]:
        """All steps, from the first attention to the last MLP."""
        base = tuned = self.inputs
        steps, centred = [], self.centred
        for block in self.blocks:
            for names in ("QKV", "U"):
                weights = {n: block.weights[n] for n in (*names, "O" if names == "QKV" else "W")}
                deltas = {n: block.deltas[n] for n in names}
                changed = {n: w + deltas.get(n, 0) for n, w in weights.items()}
                after = self.step(weights, base), self.step(changed, tuned)
                rho = max(float(np.linalg.norm(X, 2, axis=(1, 2)).max()) for X in (base, tuned))
                drifts = rms(tuned - base), rms(after[1] - after[0])
                values, vectors = moments(base, centred=centred)
                steps.append(Step(weights, deltas, base, *drifts, rho, values, vectors, self.k))
                base, tuned = after
        return steps

    def step(self, w: Weights, X: Float[ndarray, "s d n"]) -> Float[ndarray, "s d n"]:
        """The stream after attention or MLP with these weights."""
        if "U" in w:
            return X + w["W"] @ (self.slope * np.tanh(w["U"] @ X))
        logits = np.swapaxes(w["Q"] @ X, 1, 2) @ (w["K"] @ X) / np.sqrt(len(w["Q"]))
        if self.causal:
            logits = np.where(np.tril(np.ones(logits.shape[1:], dtype=bool)), logits, -np.inf)
        P = np.exp(logits - logits.max(axis=2, keepdims=True))
        P = P / P.sum(axis=2, keepdims=True)
        return X + w["O"] @ (w["V"] @ X) @ np.swapaxes(P, 1, 2)


def moments(X: Float[ndarray, "s d n"], *, centred: bool) -> tuple[Float[ndarray, " d"], Float[ndarray, "d d"]]:
    """Eigenvalues, descending, and eigenvectors of the second moment (or, wrongly, the covariance) of the tokens."""
    x = np.swapaxes(X, 0, 1).reshape(X.shape[1], -1)
    x = x - x.mean(axis=1, keepdims=True) if centred else x
    values, Q = np.linalg.eigh(x @ x.T / x.shape[1])
    return values[::-1], Q[:, ::-1]


def projected(i: Instance) -> Instance:
    """The same with every Delta_j off its N_j, which is known from the base alone."""
    steps, blocks = i.steps, []
    for n, block in enumerate(i.blocks):
        deltas = {}
        for j, D in block.deltas.items():
            N = steps[2 * n + (j == "U")].vectors[:, : i.k]
            deltas[j] = D - (D @ N) @ N.T
        blocks.append(replace(block, deltas=deltas))
    return replace(i, blocks=tuple(blocks))


def draw(rng: np.random.Generator) -> Instance:
    """Generic nets, coherent chains in which every inequality is nearly attained, and opposite tokens."""
    kind = rng.integers(3)
    if kind == 0:
        return generic(rng)
    return chain(rng, int(rng.integers(1, 4))) if kind == 1 else opposite(rng)


def generic(rng: np.random.Generator) -> Instance:
    """Two or three blocks, four to six dimensions, causal or not."""
    d, h, w, n, s = 5, 3, 6, int(rng.integers(2, 5)), 6
    shapes = {"Q": (h, d), "K": (h, d), "V": (h, d), "O": (d, h), "U": (w, d), "W": (d, w)}
    size, blocks = log_uniform(rng, 0.01, 0.5), []
    for _ in range(rng.integers(1, 4)):
        weights = {name: 0.4 * rng.standard_normal(shape) for name, shape in shapes.items()}
        deltas = {name: size * rng.standard_normal(shapes[name]) for name in "QKVU"}
        blocks.append(Block(weights, deltas))
    scales = np.exp(-0.7 * np.arange(d))[:, None] * rng.standard_normal((d, 1))
    X = orthonormal(rng, d, d) @ (scales * rng.standard_normal((s, d, n)) + scales)
    site = int(rng.integers(2 * len(blocks)))
    name = "U" if site % 2 else "QKV"[rng.integers(3)]
    return projected(Instance(tuple(blocks), X, int(rng.integers(1, 3)), (site, name), bool(rng.random() < 0.5)))


def chain(rng: np.random.Generator, depth: int, *, reads: int = 1, mean: bool = False) -> Instance:
    """All weights and updates along one direction b of the stream, tokens along a (most) or b, small: tanh is linear.

    reads : the direction that the updates read, 0 for a, the leading one. mean : tokens of a all alike, so that the
    covariance does not see them.
    """
    d = int(rng.integers(3, 6))
    a, b = orthonormal(rng, d, 2).T
    read, write = (a, b)[reads], np.outer(b, b)
    X = np.zeros((4, d, 1))
    X[:3, :, 0] = 1e-4 * a * (np.ones((3, 1)) if mean else np.array([[1.0], [-1.0], [1.0]]))
    X[3, :, 0] = 1e-4 * b * rng.uniform(0.2, 0.4)
    blocks = []
    for _ in range(depth):
        v, o, u, w, x, y = rng.uniform(0.1, 0.6, 6)
        zero = np.zeros((d, d))
        weights = {"Q": zero, "K": zero, "V": v * write, "O": o * write, "U": u * write, "W": w * write}
        blocks.append(Block(weights, {"Q": zero, "K": zero, "V": x * np.outer(b, read), "U": y * np.outer(b, read)}))
    site = int(rng.integers(2 * depth))
    return Instance(tuple(blocks), X, 1, (site, "U" if site % 2 else "V"))


def opposite(rng: np.random.Generator) -> Instance:
    """One attention without queries (or keys), two opposite tokens along b: their update has all of softmax's slope."""
    d = int(rng.integers(3, 6))
    a, b = orthonormal(rng, d, 2).T
    X = np.zeros((4, d, 2))
    X[:3] = a[:, None]
    X[3] = np.outer(b, [1.0, -1.0])
    out, zero = orthonormal(rng, d, 1)[:, 0], np.zeros((d, d))
    v, o, fixed = rng.uniform(0.3, 1.5, 3)
    moved, other = ("Q", "K") if rng.random() < 0.5 else ("K", "Q")
    weights = dict.fromkeys("QKUW", zero) | {"V": v * np.outer(b, b), "O": o * np.outer(b, b)}
    weights |= {other: fixed * np.outer(out, b)}
    deltas = dict.fromkeys("QKVU", zero) | {moved: log_uniform(rng, 1e-4, 1e-2) * np.outer(out, b)}
    return Instance((Block(weights, deltas),), X, 1, (0, moved))


def extremal(rng: np.random.Generator) -> Instance:
    """A chain of two blocks."""
    return chain(rng, 2)


def unprojected(rng: np.random.Generator) -> Instance:
    """The updates read the leading direction."""
    return chain(rng, 2, reads=0)


def without_the_mean(rng: np.random.Generator) -> Instance:
    """The covariance in place of the second moment: the common token is not seen, and the updates read it."""
    i = replace(chain(rng, 2, reads=0, mean=True), centred=True)
    return projected(i)


def steep(rng: np.random.Generator) -> Instance:
    """φ = 3 tanh."""
    return replace(chain(rng, 1), slope=3.0)
