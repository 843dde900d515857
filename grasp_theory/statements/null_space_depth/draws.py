"""What null-space-depth is drawn on: generic nets, and nets in which one part of the bound is nearly attained."""

from __future__ import annotations

import numpy as np
from numpy import ndarray

from ..shared.draws import log_uniform, orthonormal
from .instances import Block, Instance, projected


def draw(rng: np.random.Generator) -> Instance:
    """Generic nets (three tenths), or one of the nets in which a part of the bound is nearly attained."""
    if rng.random() < 0.3:
        return generic(rng)
    made = (opposite, opposite, opposite, first_token, first_drift, moved_logits, cancelling, isotropic)
    kind = rng.integers(len(made) + 1)
    return made[kind - 1](rng) if kind else chain(rng, int(rng.integers(1, 4)))


def shapes(d: int, h: int, w: int) -> dict[str, tuple[int, int]]:
    """Of the weights of a block of d dimensions, h a head and w hidden ones."""
    return {"Q": (h, d), "K": (h, d), "V": (h, d), "O": (d, h), "U": (w, d), "W": (d, w)}


def block(d: int, h: int, w: int, weights: dict[str, ndarray], deltas: dict[str, ndarray]) -> Block:
    """A block with these weights and updates, the others 0."""
    zero = {name: np.zeros(shape) for name, shape in shapes(d, h, w).items()}
    return Block(zero | weights, {name: zero[name] for name in "QKVU"} | deltas)


def generic(rng: np.random.Generator) -> Instance:
    """Two or three blocks, four to six dimensions, causal or not."""
    d, h, w, n, s = 5, 3, 6, int(rng.integers(2, 5)), 6
    made, size, blocks = shapes(d, h, w), log_uniform(rng, 0.01, 0.5), []
    for _ in range(rng.integers(1, 4)):
        weights = {name: 0.4 * rng.standard_normal(shape) for name, shape in made.items()}
        deltas = {name: size * rng.standard_normal(made[name]) for name in "QKVU"}
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
        weights = {"V": v * write, "O": o * write, "U": u * write, "W": w * write}
        blocks.append(block(d, d, d, weights, {"V": x * np.outer(b, read), "U": y * np.outer(b, read)}))
    site = int(rng.integers(2 * depth))
    return Instance(tuple(blocks), X, 1, (site, "U" if site % 2 else "V"))


def opposite_tokens(a: ndarray, b: ndarray) -> ndarray:
    """Three sequences of two tokens a, so that a leads, and one of b and −b, which have all of softmax's slope."""
    return np.stack([np.outer(a, [1.0, 1.0])] * 3 + [np.outer(b, [1.0, -1.0])])


def opposite(rng: np.random.Generator) -> Instance:
    """One attention on two opposite tokens along b, its queries, its keys or both updated, from 0 or not."""
    d, h = int(rng.integers(3, 6)), int(rng.integers(1, 4))
    a, b = orthonormal(rng, d, 2).T
    out = orthonormal(rng, h, 1)[:, 0]
    v, o, q, k, x, y = rng.uniform(0.3, 1.5, 6)
    has = ((0, 1, 1, 0), (1, 0, 0, 1), (0, 0, 1, 1), (0, 1, 1, 1), (0, 1, 1, 1))[
        rng.integers(5)
    ]  # Q, K, Delta_Q, Delta_K
    q, k, x, y = np.array([q, k, x, y]) * has
    weights = {
        "Q": q * np.outer(out, b),
        "K": k * np.outer(out, b),
        "V": v * np.outer(out, b),
        "O": o * np.outer(b, out),
    }
    deltas = {"Q": x * np.outer(out, b), "K": y * np.outer(out, b)}
    X = log_uniform(rng, 0.02, 0.5) * opposite_tokens(a, b)
    return Instance((block(d, h, 1, weights, deltas),), X, 1, (0, "QK"[rng.integers(2)]))


def first_token(rng: np.random.Generator) -> Instance:
    """All tokens attend to the first, which alone has what the update of V reads: P has norm √n.

    The first of n tokens is 2 c + b or 2 c − b, the others c; queries and keys read c.
    """
    d, n = int(rng.integers(3, 6)), int(rng.integers(2, 5))
    b, c = orthonormal(rng, d, 2).T
    inner = orthonormal(rng, d, d)
    X = np.zeros((2, d, n)) + c[:, None]
    X[:, :, 0] = 2 * c + np.outer([1.0, -1.0], b)
    read = np.outer(inner[:, 0], c) * np.sqrt(log_uniform(rng, 0.3, 100.0))
    weights = {"Q": read, "K": read, "O": rng.uniform(0.3, 1.5) * inner}
    deltas = {"V": rng.uniform(0.3, 1.5) * np.outer(inner[:, 1], b)}
    blocks = (block(d, d, 1, weights, deltas),)
    return Instance(blocks, rng.uniform(0.5, 1.0) * X, 1, (0, "V"), bool(rng.random() < 0.5))


def first_drift(rng: np.random.Generator) -> Instance:
    """An MLP moves the first token along c; causal attention without queries hands it on to all."""
    d, n = int(rng.integers(3, 6)), int(rng.integers(2, 5))
    a, b, c = orthonormal(rng, d, 3).T
    X = np.zeros((1, d, n)) + a[:, None]
    X[0, :, 0] = b if n > 2 else 0.9 * b
    first = block(d, 1, 1, {"W": c[:, None]}, {"U": log_uniform(rng, 1e-3, 1e-1) * b[None]})
    v, o = rng.uniform(0.5, 1.5, 2)
    second = block(d, 1, 1, {"V": v * c[None], "O": o * c[:, None]}, {})
    return Instance((first, second), rng.uniform(0.01, 1.0) * X, 1, (2, "V"), causal=True)


def moved_logits(rng: np.random.Generator) -> Instance:
    """An MLP moves two opposite tokens along c, which strong queries and keys of the next attention read.

    QᵀK = L (b cᵀ + c bᵀ): the base's logits are 0 whatever L, and both sides of theirs move. Or QᵀK = L (c bᵀ − b cᵀ),
    and both tokens are moved alike by what they share, which is small.
    """
    d, alike = int(rng.integers(4, 6)), rng.random() < 0.5
    a, b, c, g = orthonormal(rng, d, 4).T
    p, q = orthonormal(rng, 3, 2).T
    strength, moved = log_uniform(rng, 3.0, 100.0), log_uniform(rng, 1e-6, 1e-4)
    first = block(d, 3, 1, {"W": c[:, None]}, {"U": moved * (g if alike else b)[None]})
    root, v, o = np.sqrt(strength), *rng.uniform(0.3, 1.5, 2)
    weights = {
        "Q": root * (np.outer(p, c) + np.outer(q, b)),
        "K": root * (np.outer(p, b) + (-1) ** alike * np.outer(q, c)),
    }
    weights |= {"V": v * np.outer(p, b), "O": o * np.outer(c, p)}
    X = opposite_tokens(a, b)
    X[3] += 0.3 * alike * g[:, None]
    X = rng.uniform(0.5, 3.0) * X
    return Instance((first, block(d, 3, 1, weights, {})), X, 1, (2, "QKV"[rng.integers(3)]))


def cancelling(rng: np.random.Generator) -> Instance:
    """An MLP moves the stream along c; the next has two units reading c, whose writes cancel while φ is linear."""
    d = int(rng.integers(3, 6))
    a, b, c = orthonormal(rng, d, 3).T
    X = rng.uniform(0.05, 0.3) * np.stack([1.2 * a, b])[:, :, None]
    steep, o = log_uniform(rng, 1e2, 1e4), rng.uniform(0.5, 1.5)
    first = block(d, 1, 1, {"W": c[:, None]}, {"U": rng.uniform(0.3, 1.0) * b[None]})
    second = block(d, 1, 2, {"U": np.outer([1.0, steep], c), "W": o * np.outer(c, [1.0, -1 / steep])}, {})
    return Instance((first, second), X, 1, (3, "U"))


def isotropic(rng: np.random.Generator) -> Instance:
    """An update that reads two or three directions of equal moment and keeps their lengths."""
    r = int(rng.integers(2, 4))
    d = r + int(rng.integers(1, 3))
    Q = orthonormal(rng, d, r + 1)
    X = np.zeros((r + 1, d, 1))
    X[:, :, 0] = 1e-4 * (Q * np.array([rng.uniform(1.5, 3.0)] + [1.0] * r)).T
    read, write = rng.uniform(0.3, 1.5) * Q[:, 1:].T, rng.uniform(0.3, 1.5) * orthonormal(rng, d, r)
    if rng.random() < 0.5:
        return Instance((block(d, r, 1, {"O": write}, {"V": read}),), X, 1, (0, "V"))
    return Instance((block(d, 1, r, {"W": write}, {"U": read}),), X, 1, (1, "U"))
