"""Small residual nets with softmax attention and null-space updates, in float64."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from jaxtyping import Float
from numpy import ndarray

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
