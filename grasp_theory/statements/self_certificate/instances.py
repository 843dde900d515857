"""Matrices with one factor beside a task of known singular values: what is seen, what is true, what is exact."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from ...identification.self_certificate import Range, estimate, estimate_range
from ..shared.draws import log_uniform


@dataclass(frozen=True, eq=False)
class Row:
    """One trial: all singular values of M, the true squared overlaps and strength, and the estimates."""

    shape: tuple[int, int]
    S: Float[ndarray, " q"]
    cos: tuple[float, float]
    beta: float
    left: float
    right: float
    strength: float
    left_error: float


@dataclass(frozen=True, eq=False)
class Exact:
    """a, b, c and their derivatives at z = ŝ₁ of one trial; f : f(sigma_i) descending; others : Σ_{i>=2} f(ŝ_i)."""

    z: float
    beta: float
    cos: tuple[float, float]
    a: float
    b: float
    c: float
    a1: float
    b1: float
    c1: float
    f: Float[ndarray, " q"]
    others: float

    @property
    def g(self) -> float:
        """√(ab) + c."""
        return float(np.sqrt(self.a * self.b)) + self.c

    @property
    def g1(self) -> float:
        """Its derivative in z."""
        return (self.a1 * self.b + self.a * self.b1) / (2 * float(np.sqrt(self.a * self.b))) + self.c1

    @property
    def rate(self) -> float:
        """dz/dbeta for beta = 1/g."""
        return -(self.g**2) / self.g1


@dataclass(frozen=True, eq=False)
class Instance:
    """``trials`` draws of u, v beside a task with these singular values.

    The task is diagonal: with u, v uniform, M has the law of M turned by any rotations. border : beta_c of the limiting
    spectrum. aligned : v is the task's top right singular vector. known : how many values a cut spectrum shows;
    spectrum : the one that is cut, that of the first trial unless given.
    """

    values: Float[ndarray, " q"]
    shape: tuple[int, int]
    beta: float
    border: float
    seed: int
    known: int
    aligned: bool = False
    trials: int = 48
    spectrum: Float[ndarray, " q"] | None = None

    @cached_property
    def draws(self) -> list[tuple[ndarray, ndarray, ndarray, ndarray, ndarray]]:
        """(u, v, û, all singular values, v̂) of every trial.

        Of the longer side only q axes and the factor's part beyond them, turned to one more axis, are kept.
        """
        rng, q = np.random.default_rng(self.seed), len(self.values)
        m, d = self.shape
        u, v = np.split(rng.standard_normal((self.trials, m + d)), [m], axis=1)
        if self.aligned:
            v = np.tile(np.eye(d)[0], (self.trials, 1))
        u, v, tall = u / np.linalg.norm(u, axis=1)[:, None], v / np.linalg.norm(v, axis=1)[:, None], m > d
        near, far = (v, u) if tall else (u, v)
        far = np.column_stack([far[:, :q], np.linalg.norm(far[:, q:], axis=1)])
        M = np.eye(q, q + 1) * self.values[:, None] + self.beta * near[:, :, None] * far[:, None, :]
        w, V = np.linalg.eigh(M @ M.transpose(0, 2, 1))
        S, found = np.sqrt(np.maximum(w[:, ::-1], 0)), V[:, :, -1]
        other = np.einsum("ti,tij->tj", found, M) / S[:, :1]
        one, two = (far, near) if tall else (near, far), (other, found) if tall else (found, other)
        return list(zip(*one, two[0], S, two[1], strict=True))

    @cached_property
    def rows(self) -> list[Row]:
        """What every trial shows."""
        rows = []
        for u, v, left, S, right in self.draws:
            e = estimate(S[0], S[1:], self.shape)
            cos = float((left @ u) ** 2), float((right @ v) ** 2)
            rows.append(Row(self.shape, S, cos, self.beta, e.left, e.right, e.strength, e.left_error))
        return rows

    @cached_property
    def exact(self) -> Exact:
        """Of the first trial."""
        return self.at(*self.draws[0])

    @cached_property
    def aside(self) -> tuple[Exact, ...]:
        """For a factor along axes of the task: its last ones, or across its first two, where interlacing is tight."""
        (m, d), q, found = self.shape, len(self.values), []
        for j, k, beta in ((q - 1, q - 1, self.beta + 3 * self.values[0]), (0, 1, self.beta + 30 * self.values[0])):
            u, v = np.zeros(m), np.zeros(d)
            u[j], v[k] = 1.0, 1.0
            M = np.zeros(self.shape)
            M[range(q), range(q)] = self.values
            U, S, Vh = np.linalg.svd(M + beta * np.outer(u, v))
            found.append(self.at(u, v, U[:, 0], S, Vh[0], beta=float(beta)))
        return tuple(found)

    def at(self, u: ndarray, v: ndarray, left: ndarray, S: ndarray, right: ndarray, *, beta: float = 0.0) -> Exact:
        """For these directions of a factor of strength ``beta``, its own unless given."""
        z, x, q = float(S[0]), self.values, len(self.values)
        w, m = 1 / (z * z - x * x), self.shape[0]
        f, f1 = z * w, w - 2 * z * z * w * w
        p, s = u[:q], v[:q]
        rest = [float(np.sum(y[q:] ** 2)) for y in (u, v)]
        return Exact(
            z=z,
            beta=beta or self.beta,
            cos=(float((left @ u) ** 2), float((right @ v) ** 2)),
            a=float(f @ p**2) + rest[0] / z,
            b=float(f @ s**2) + rest[1] / z,
            c=float((x * w) @ (p * s)),
            a1=float(f1 @ p**2) - rest[0] / z**2,
            b1=float(f1 @ s**2) - rest[1] / z**2,
            c1=float((-2 * z * x * w * w) @ (p * s)),
            f=np.append(f, np.full(m - q, 1 / z)),
            others=float(np.sum(z / (z * z - S[1:] ** 2)) + (m - q) / z),
        )

    @cached_property
    def cut(self) -> Float[ndarray, " q"]:
        """The spectrum of which the leading ``known`` are seen."""
        return self.draws[0][3] if self.spectrum is None else self.spectrum

    @cached_property
    def ranges(self) -> tuple[Range, Range]:
        """The ends without and with the tail's energy."""
        S, k = self.cut, self.known
        given = {"unknown": len(S) - k}
        energy = float(np.sum(S[k:] ** 2))
        return (
            estimate_range(S[0], S[1:k], self.shape, **given),
            estimate_range(S[0], S[1:k], self.shape, **given, energy=energy),
        )

    def range(self, *, energy: bool) -> Range:
        return self.ranges[int(energy)]

    def with_whole(self) -> float:
        """The estimate of ⟨û,u⟩² from the whole spectrum that is cut."""
        return estimate(self.cut[0], self.cut[1:], self.shape).left

    def with_tail(self, value: float) -> float:
        """The estimate of ⟨û,u⟩² if all unknown values are this one."""
        S = self.cut
        tail = np.full(len(S) - self.known, value)
        return estimate(S[0], np.concatenate([S[1 : self.known], tail]), self.shape).left

    def at_ceiling(self) -> float:
        return self.with_tail(float(self.cut[self.known - 1]))


def quarter_circle(n: int) -> Float[ndarray, " n"]:
    """Quantiles of the singular values of a square Gaussian matrix, entries of variance 1/n, descending."""
    theta = np.linspace(0, np.pi / 2, 4001)
    mass = (2 * theta + np.sin(2 * theta)) / np.pi  # of [0, 2 sin theta]
    return 2 * np.sin(np.interp((np.arange(n)[::-1] + 0.5) / n, mass, theta))


def draw(rng: np.random.Generator) -> Instance:
    """White noise around its border and above, an even spectrum, a plateau, a half-empty one; sides up to 1 : 8.

    A third of the last three has trials enough to tell an error from 1.3 times it; of half of them another spectrum is
    cut, close to the worst.
    """
    m = int(rng.integers(45, 71))
    d = int(m * log_uniform(rng, 1, 8))
    shape = (m, d) if rng.random() < 0.5 else (d, m)
    kind, seed = max(rng.integers(-2, 6), 0), int(rng.integers(2**31))
    known = int(rng.integers(2, 20))
    if kind == 0 and rng.random() < 0.5:
        return white(log_uniform(rng, 0.9, 1.2), below=True)(rng)
    if kind < 3:
        values = np.linalg.svd(rng.standard_normal(shape), compute_uv=False) / np.prod(shape) ** 0.25
        beta = log_uniform(rng, *((0.82, 1.2), (1.2, 1.6), (1.6, 4))[kind])
        return Instance(values, shape, beta, 1.0, seed, known)
    values = np.linspace(1, 0, m) if kind == 3 else np.ones(m)
    if kind == 5:
        values = np.where(np.arange(m) < m // 2, 1.0, 0.0)
    trials = 800 if rng.random() < 1 / 3 else 48
    cut = two_valued(rng, m, known) if rng.random() < 0.5 else None
    return Instance(values, shape, log_uniform(rng, 1, 4), 0.0, seed, known, trials=trials, spectrum=cut)


def two_valued(rng: np.random.Generator, q: int, known: int) -> Float[ndarray, " q"]:
    """A top value close above ``known`` − 1 equal ones, and a tail of the same ones and of zeros."""
    share = rng.uniform(0.1, 0.9)
    S = np.concatenate([np.ones(known - 1), np.where(np.arange(q - known) < share * (q - known), 1 - 1e-9, 0.0)])
    return np.append(rng.uniform(1.03, 1.3), S)


def white(ratio: float, *, below: bool = False) -> Callable[[np.random.Generator], Instance]:
    """60 x 80 noise at this multiple of its border, whose first trial has ŝ₁ above sigma₁, or below it."""

    def make(rng: np.random.Generator) -> Instance:
        while True:
            values = np.linalg.svd(rng.standard_normal((60, 80)), compute_uv=False) / 4800**0.25
            i = Instance(values, (60, 80), ratio, 1.0, int(rng.integers(2**31)), 8)
            if (replace(i, trials=1).exact.z < values[0]) == below:
                return i

    return make


def below_a_lone_value(rng: np.random.Generator) -> Instance:
    """The task's own first value is twice the factor: component 0 is the task's, and says that it is a factor."""
    while True:
        i = Instance(np.append(3.0, np.linspace(1, 0, 59)), (60, 80), 1.5, 0.0, int(rng.integers(2**31)), 8)
        if replace(i, trials=1).exact.z > i.values[0]:
            return i


def beside_the_input(rng: np.random.Generator) -> Instance:
    """The task writes elsewhere, as strongly, on the factor's own input: one clean component, half of it the task.

    A second direction of that size is another matter's: no value of the task stands alone.
    """
    values = np.append([2.0, 2.0], 0.2 * np.linspace(1, 0, 58))
    return Instance(values, (60, 80), 2.0, 0.0, int(rng.integers(2**31)), 8, aligned=True)
