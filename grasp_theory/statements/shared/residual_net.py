"""A residual net with LoRA in every block, trained by hand-written gradients in float64, for statements on training."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import reduce
from typing import Literal

import numpy as np
from jaxtyping import Float, Int
from numpy import ndarray

Optimiser = Literal["sgd", "momentum", "adam"]
OPTIMISERS: tuple[Optimiser, ...] = ("sgd", "momentum", "adam")


@dataclass(frozen=True, eq=False)
class Net:
    """h ← h + φ((W_k + B_k A_k) h) for each block k, φ = tanh or the identity.

    W : (L, n, n) frozen. A0 : (L, r, n) LoRA start; B starts at 0. linear : φ = identity.
    """

    W: Float[ndarray, "L n n"]
    A0: Float[ndarray, "L r n"]
    linear: bool = False

    def train(
        self,
        X: Float[ndarray, "n N"],
        signal: Callable[[Float[ndarray, "n N"]], Float[ndarray, "n N"]],
        *,
        steps: int,
        lr: float,
        optimiser: Optimiser,
        backward: Float[ndarray, "n n"] | None = None,
        write: Float[ndarray, "n n"] | None = None,
        inside: Float[ndarray, "n N"] | None = None,
    ) -> Float[ndarray, "steps n N"]:
        """Outputs on X after each step, inside excluded.

        signal : gradient of the loss with respect to the outputs. backward : projector of that gradient at the stream.
        write : projector of every B after every step. inside : added to the stream after the first block in training.
        """
        A, B = self.A0.copy(), np.zeros(np.swapaxes(self.A0, 1, 2).shape)
        first, second = [np.zeros_like(A), np.zeros_like(B)], [np.zeros_like(A), np.zeros_like(B)]
        outputs = []
        for step in range(1, steps + 1):
            streams, slopes = self._forward(A, B, X, inside)
            g = signal(streams[-1]) / X.shape[1]
            g = g if backward is None else backward @ g
            grads = [np.empty_like(A), np.empty_like(B)]
            for k in reversed(range(len(A))):
                at_block = g * slopes[k]
                G = at_block @ streams[k].T
                grads[0][k], grads[1][k] = B[k].T @ G, G @ A[k].T
                g = g + (self.W[k] + B[k] @ A[k]).T @ at_block
            for x, grad, m, s in zip((A, B), grads, first, second, strict=True):
                x -= lr * _direction(optimiser, grad, m, s, step)
            if write is not None:
                B = write @ B
            outputs.append(self._forward(A, B, X, None)[0][-1])
        return np.array(outputs)

    def _forward(self, A, B, X, inside) -> tuple[list[Float[ndarray, "n N"]], list[Float[ndarray, "n N"]]]:
        """The stream before, between and after the blocks, and φ' in each."""
        streams, slopes = [X], []
        for k in range(len(A)):
            z = (self.W[k] + B[k] @ A[k]) @ streams[-1]
            z = z if self.linear else np.tanh(z)
            slopes.append(np.ones_like(z) if self.linear else 1 - z**2)
            streams.append(streams[-1] + z + (inside if inside is not None and k == 0 else 0.0))
        return streams, slopes


def _direction(optimiser: Optimiser, grad, m, s, step: int):
    """The update before the learning rate; m and s are the optimiser's state, changed in place."""
    if optimiser == "sgd":
        return grad
    if optimiser == "momentum":
        m *= 0.9
        m += grad
        return m
    m *= 0.9
    m += 0.1 * grad
    s *= 0.999
    s += 0.001 * grad**2
    return (m / (1 - 0.9**step)) / (np.sqrt(s / (1 - 0.999**step)) + 1e-8)


def draw_net(rng: np.random.Generator, n: int, blocks: int, r: int) -> Net:
    """Gaussian W of spectral norm about 1 and A0 of rows of length about 1."""
    W = 0.5 * rng.standard_normal((blocks, n, n)) / np.sqrt(n)
    return Net(W, rng.standard_normal((blocks, r, n)) / np.sqrt(n))


def cross_entropy(E: Float[ndarray, "K n"], labels: Int[ndarray, " N"]) -> Callable:
    """The signal Eᵀ(softmax(E F) − y) of cross-entropy with hard labels through the unembedding E."""

    def signal(F: Float[ndarray, "n N"]) -> Float[ndarray, "n N"]:
        p = np.exp(E @ F - (E @ F).max(axis=0))
        return E.T @ (p / p.sum(axis=0) - np.eye(len(E))[labels].T)

    return signal


def after_norm(signal: Callable) -> Callable:
    """The signal with the stream divided by its length before: J(F)ᵀ signal(F/‖F‖), J = (I − x xᵀ)/‖F‖, x = F/‖F‖."""

    def through(F: Float[ndarray, "n N"]) -> Float[ndarray, "n N"]:
        length = np.linalg.norm(F, axis=0)
        x = F / length
        g = signal(x)
        return (g - x * (x * g).sum(axis=0)) / length

    return through


def pinched(M: Float[ndarray, "n n"], u: Float[ndarray, " n"], *, both: bool = False) -> Float[ndarray, "n n"]:
    """M less the part of uᵀM off u, so that u is a left eigenvector; if ``both``, less that of M u as well."""
    P = np.eye(len(u)) - np.outer(u, u)
    M = M - np.outer(u, u @ M @ P)
    return M - np.outer(P @ M @ u, u) if both else M


def closed(W: Float[ndarray, "L n n"], u: Float[ndarray, " n"]) -> Float[ndarray, "L n n"]:
    """The frozen blocks with u made a left eigenvector of every one but the first."""
    return np.array([w if k == 0 else pinched(w, u) for k, w in enumerate(W)])


def chain(G: list[Float[ndarray, "n n"]], n: int) -> Float[ndarray, "n n"]:
    """G[-1] ··· G[0]."""
    return reduce(lambda a, g: g @ a, G, np.eye(n))


def rerouted(
    G: list[Float[ndarray, "n n"]], u: Float[ndarray, " n"], target: Float[ndarray, "n n"]
) -> tuple[Float[ndarray, "n n"], float]:
    """The linear net G[-1] ··· G[0] moved to ``target`` by two updates D with uᵀD = 0, and the size of its factors.

    The last block k >= 1 that takes another direction b into u gets what u is to say from block k − 1; the last block
    sets everything else. Without such a block uᵀ of the product stays as it is.
    """
    G, n, gamma, k = list(G), len(u), 1.0, len(G) - 1
    P = np.eye(n) - np.outer(u, u)
    while k > 1 and np.linalg.norm(u @ G[k] @ P) < 1e-6:
        gamma, k = gamma * float(u @ G[k] @ u), k - 1
    b = u @ G[k] @ P
    if abs(gamma) > 1e-6 and np.linalg.norm(b) > 1e-6:
        y = np.linalg.pinv(chain(G[: k - 1], n)).T @ (u @ (target - chain(G, n))) / gamma
        G[k - 1] = G[k - 1] + np.outer(b, y) / (b @ b)
    before = chain(G[:-1], n)
    inverse = np.linalg.pinv(before, rcond=1e-12)
    G[-1] = G[-1] + P @ (target - chain(G, n)) @ inverse
    size = np.linalg.norm(target) * np.linalg.norm(before) * np.linalg.norm(inverse)
    return chain(G, n), float(size) + float(np.prod([np.linalg.norm(g) for g in G]))
