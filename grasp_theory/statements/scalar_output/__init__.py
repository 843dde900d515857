"""scalar-output (identity, tight). One output, or a binary head: one component, and nothing gained from complexity.

Statement. The loss sees the outputs through a projector C of rank one, C = c cᵀ: a scalar output (C = 1), or a binary
softmax head (C centres two logits, c = (1, −1)/√2, since only their difference counts). Then C M = c xᵀ has one
component, x = Tᵀc + b v with b = beta cᵀu, and if x ≠ 0

    sin ∠(v̂, v) = ‖P_v Tᵀc‖ / ‖Tᵀc + b v‖ <= min(1, ‖Tᵀc‖/|b|).

The bound is attained for every ‖Tᵀc‖/|b| but 1, where it is approached (d >= 2), so the worst case at a Frobenius
budget E is min(1, E/|b|): there is no further direction over which a complex task could spread. v is identified iff the
task's own gradient is small off v; û says nothing (it is c), and nothing is left to report as a second component: the
factor is it or not to be found.

Assumes: the loss sees one output; C M ≠ 0.

Proof (here). C M = c (Mᵀc)ᵀ, and P_v x = P_v Tᵀc. With t = ‖Tᵀc‖, phi = ∠(Tᵀc, v sign b):
sin² = t² sin² phi/(t² + b² + 2 t |b| cos phi), largest at cos phi = −t/|b|, where it is t²/b²; for t >= |b| it is 1 at
cos phi = −|b|/t. At t = |b| it is (1 − cos phi)/2, which tends to 1 as phi → 180°, where the two cancel: x = 0, and
there is no direction. ∎

Source: proved here.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from ..shared.draws import Planted, log_uniform, orthonormal, sine, unit
from ..statement import Route, Statement, exact


@dataclass(frozen=True, eq=False)
class Instance(Planted):
    """M = T + beta u vᵀ, seen through the projector C."""

    C: Float[ndarray, "m m"]

    @property
    def seen(self) -> Float[ndarray, "m d"]:
        """C M."""
        return self.C @ self.M

    @cached_property
    def task(self) -> float:
        """‖C T‖_F, which is ‖Tᵀc‖ for C = c cᵀ."""
        return float(np.linalg.norm(self.C @ self.T))

    @cached_property
    def strength(self) -> float:
        """|b| = beta ‖C u‖."""
        return self.beta * float(np.linalg.norm(self.C @ self.u))

    @cached_property
    def svd(self) -> tuple[ndarray, ndarray]:
        """Singular values and right singular vectors of C M."""
        _, S, Vh = np.linalg.svd(self.seen, full_matrices=False)
        return S, Vh

    @property
    def sine(self) -> float:
        """sin ∠(v̂, v)."""
        return sine(self.svd[1][0], self.v)

    def off(self) -> float:
        """‖C T P_v‖_F."""
        CT = self.C @ self.T
        return float(np.linalg.norm(CT - np.outer(CT @ self.v, self.v)))


def draw(rng: np.random.Generator) -> Instance:
    """A scalar output, a binary head, or any contrast of m outputs; T generic or near the worst case."""
    m, d = int(rng.integers(1, 5)), int(rng.integers(2, 9))
    c = np.array([1.0, -1.0]) / np.sqrt(2) if m == 2 else unit(rng, m)
    beta, u, rho = log_uniform(rng, 0.1, 10), unit(rng, m), log_uniform(rng, 0.02, 3)
    b = beta * float(c @ u)
    plane = orthonormal(rng, d, 2)
    v, t = plane[:, 0], unit(rng, d)
    if rng.random() < 0.5:  # cos ∠(t, v sign b) near −min(rho, 1/rho)
        phi = np.arccos(-min(rho, 1 / rho)) + 0.05 * rng.normal()
        t = plane @ [np.cos(phi) * np.sign(b), np.sin(phi)]
    others = rng.standard_normal((m, d))  # what the projector hides
    return Instance(rho * abs(b) * np.outer(c, t) + others - np.outer(c, c @ others), u, v, beta, np.outer(c, c))


def extremal(rng: np.random.Generator) -> Instance:
    """A scalar output in R⁶ with ‖t‖ = 0.6 beta."""
    plane = orthonormal(rng, 6, 2)
    return Instance(2.0 * 0.6 * (plane @ [-0.6, 0.8])[None, :], np.ones(1), plane[:, 0], 2.0, np.eye(1))


def three_classes(rng: np.random.Generator) -> Instance:
    """A softmax head of three classes: centring has rank two."""
    C = np.eye(3) - 1 / 3
    return Instance(0.5 * rng.standard_normal((3, 5)), unit(rng, 3), unit(rng, 5), 1.0, C)


def cancelled(rng: np.random.Generator) -> Instance:
    """t = −beta v: nothing is learnt, v̂ is arbitrary."""
    v = unit(rng, 5)
    return Instance(-1.7 * v[None, :] * (1 + 1e-15 * rng.standard_normal(5)), np.ones(1), v, 1.7, np.eye(1))


def _by_fit(i: Instance) -> float:
    """sin ∠(v̂,v) of a least-squares fit to the contrast of outputs at random inputs."""
    rng = np.random.default_rng(0)
    d = len(i.v)
    X = rng.standard_normal((4 * d, d))
    Y = X @ i.T.T + i.beta * np.outer(X @ i.v, i.u)
    c = np.linalg.eigh(i.C)[1][:, -1]
    w = np.linalg.lstsq(X, Y @ c, rcond=None)[0]
    cos = abs(w @ i.v) / np.linalg.norm(w)
    return float(np.sqrt(max(1 - cos**2, 0.0)))


def worst(i: Instance) -> float:
    return 1.0 if i.task >= i.strength else i.task / i.strength


STATEMENT = Statement(
    key="scalar-output",
    kind="tight",
    law="one output: sin ∠(v̂,v) = ‖P_v t‖/‖t + beta v‖ <= min(1, ‖t‖/beta), and no second component",
    basis="proved here",
    assumptions={
        "the loss sees one output": lambda i: bool(np.linalg.matrix_rank(i.C) == 1),
        "C M ≠ 0": lambda i: float(np.linalg.norm(i.seen)) > 1e-6 * (i.task + i.strength),
    },
    draw=draw,
    claims={
        "angle": exact("=", lambda i: i.sine, lambda i: i.off() / float(np.linalg.norm(i.seen))),
        "worst case": exact("<=", lambda i: i.sine, worst, tight=True),
        "one component": exact("=", lambda i: i.svd[0].sum(), lambda i: i.svd[0][0]),
    },
    extremal=extremal,
    violators={"the loss sees one output": three_classes, "C M ≠ 0": cancelled},
    regimes={"‖Tᵀc‖ = |b|": lambda i: i.strength / i.task - 1},
    route=Route("angle", _by_fit, 1e-6),
)
