"""Instances that break one assumption of theorem-1 each."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from ..shared.draws import orthonormal, unit
from .converse import worlds
from .draws import inputs, plant, worst
from .instances import Instance


def calm(rng: np.random.Generator, *, d: int = 4, n: int = 7, rho: float = 0.3) -> Instance:
    """One of the hardest tasks without noise, trained in short steps."""
    i = worst(rng, 5, inputs(rng, d, n), rho=rho)
    return replace(i, run=replace(i.run, step=i.run.step / 100))


def shared_noise(rng: np.random.Generator) -> Instance:
    """All outputs have one noise: ‖G‖ is √m times as large."""
    i = plant(rng, rng.standard_normal((40, 12)), unit(rng, 40), unit(rng, 12), inputs(rng, 12, 60))
    run = replace(i.run, step=i.run.step / 100)
    return replace(i, mix=np.outer(np.ones(40), np.eye(40)[0]), t=1.5, run=run)


def knowing(rng: np.random.Generator) -> Instance:
    """Answers that know the world they are in."""
    i = calm(rng)
    one, two = worlds(i)
    return replace(i, answers=(one.u, two.u))


def warm(rng: np.random.Generator) -> Instance:
    """B0 writes off the factor."""
    i = calm(rng)
    return replace(i, run=replace(i.run, B0=rng.standard_normal((5, len(i.run.A0))), steps=2))


def leaping(rng: np.random.Generator) -> Instance:
    """step ‖A Ŝ‖² = 3: a few steps overshoot."""
    i = plant(rng, rng.standard_normal((5, 4)), unit(rng, 5), unit(rng, 4), inputs(rng, 4, 12), right_side=0.9)
    size = np.linalg.norm(i.run.A0 @ i.S, 2) ** 2
    return replace(i, run=replace(i.run, A0=30 * i.run.A0, step=3 / (900 * float(size)), steps=6))


VIOLATORS: dict[str, Callable[[np.random.Generator], Instance]] = {
    "noise N(0, s² I) independent of the inputs": shared_noise,
    # T Ŝ = −0.6 b (u wᵀ − u' w'ᵀ) leaves u' w'ᵀ on top
    "right side < 1": lambda rng: calm(rng, rho=0.6),
    "dW is an empirical optimum": lambda rng: replace(
        i := calm(rng), off=9 * np.outer(i.frame[:, 0], unit(rng, 4) @ i.S_inverse)
    ),
    # three samples in R⁶
    "deployment within the span of the inputs": lambda rng: replace(calm(rng, d=6, n=3), S_t=orthonormal(rng, 6, 6)),
    "the answer depends on the data alone": knowing,
    "B0 = 0": warm,
    "step · ‖A Ŝ‖² < 1": leaping,
    "labels see the cores alone": lambda rng: replace(
        i := calm(rng), cores=replace(i.cores, direct=rng.standard_normal(len(i.cores.L)))
    ),
}
